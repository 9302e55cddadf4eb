// The logits terms, one definition each: what one vocabulary entry adds to a term's value, and the derivative of the value by
// the student's log-probability. The plain path, the CPU kernel and the CUDA kernel all read these lines.
// A new logits term is one enumerator, one function here and one row in the objective's table.
#pragma once

#if defined(__CUDACC__)
#define DISTILL_ROW_FUNCTION __host__ __device__ __forceinline__
#define DISTILL_ROW_LAMBDA
#else
#define DISTILL_ROW_FUNCTION [[gnu::always_inline]] inline
#define DISTILL_ROW_LAMBDA __attribute__((always_inline))
#endif

namespace distill {

enum class Divergence : int { kl, reverse_kl, jsd, cross_entropy };

// One vocabulary entry as the terms see it. `Math` offers Real (a number or a vector of numbers), Scalar, all(x), expm1(x)
// for x <= 0 and log1p(x) for -1 < x <= 0.
template <class Math>
struct TokenPair {
  using Real = typename Math::Real;
  Real student;      // probability
  Real teacher;      // probability
  Real log_student;  // log-probability
  Real log_ratio;    // log teacher - log student
  Real is_target;    // 1 at the label, else 0
};

// `value` adds up over the vocabulary. `slope` is d value / d log p_student, up to a multiple of p_student: with S = the sum
// of slopes over the vocabulary, d value / d logit_j = (slope_j - p_student_j * S) / temperature, where such a multiple drops
// out.
template <class Math>
struct Share {
  using Real = typename Math::Real;
  Real value;
  Real slope;
};

// KL(T || S).
template <class Math>
DISTILL_ROW_FUNCTION Share<Math> kl_share(const TokenPair<Math>& token) {
  return {token.teacher * token.log_ratio, -token.teacher};
}

// KL(S || T).
template <class Math>
DISTILL_ROW_FUNCTION Share<Math> reverse_kl_share(const TokenPair<Math>& token) {
  const auto value = -token.student * token.log_ratio;
  return {value, value};
}

// beta KL(T || M) + (1 - beta) KL(S || M) with M = beta T + (1 - beta) S, for 0 < beta < 1 (the ends are kl and reverse_kl).
// log M is reached from the larger of the two sides, so that nothing overflows and equal sides give exactly zero.
template <class Math>
DISTILL_ROW_FUNCTION Share<Math> jsd_share(const TokenPair<Math>& token, typename Math::Scalar beta) {
  using Real = typename Math::Real;
  const Real zero = Math::all(0), gap = token.log_ratio;
  const auto student_larger = gap <= zero;
  const Real distance = student_larger ? gap : -gap;  // <= 0
  const Real other_share = student_larger ? Math::all(beta) : Math::all(1 - beta);
  const Real mixture_over_larger = Math::log1p(other_share * Math::expm1(distance));
  const Real larger_over_mixture = -mixture_over_larger;
  const Real smaller_over_mixture = distance - mixture_over_larger;
  const Real student_over_mixture = student_larger ? larger_over_mixture : smaller_over_mixture;
  const Real teacher_over_mixture = student_larger ? smaller_over_mixture : larger_over_mixture;
  const Real student_part = (1 - beta) * token.student * student_over_mixture;
  return {beta * token.teacher * teacher_over_mixture + student_part, student_part};
}

// -log p_student(label).
template <class Math>
DISTILL_ROW_FUNCTION Share<Math> cross_entropy_share(const TokenPair<Math>& token) {
  return {-token.is_target * token.log_student, -token.is_target};
}

template <class Math>
DISTILL_ROW_FUNCTION Share<Math> share_of(Divergence kind, const TokenPair<Math>& token, typename Math::Scalar beta) {
  switch (kind) {
    case Divergence::kl:
      return kl_share(token);
    case Divergence::reverse_kl:
      return reverse_kl_share(token);
    case Divergence::jsd:
      return jsd_share(token, beta);
    default:
      return cross_entropy_share(token);
  }
}

// Slopes that sum to -1 in every row spare the kernel a walk over the vocabulary.
DISTILL_ROW_FUNCTION bool slope_sum_is_minus_one(Divergence kind) {
  return kind == Divergence::kl || kind == Divergence::cross_entropy;
}
DISTILL_ROW_FUNCTION bool reads_teacher(Divergence kind) { return kind != Divergence::cross_entropy; }

}  // namespace distill
