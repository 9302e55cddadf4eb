// The logits terms, one definition each: what one vocabulary entry adds to a term's value, and the derivative of the value by
// the student's log-probability. The plain path, the CPU kernel and the CUDA kernel all read these lines.
// A new logits term is one enumerator, one function here (with its cases in share_of, first_sums and row_facts where its slopes
// need sums over the row) and one row in the objective's table.
#pragma once

#if defined(__CUDACC__)
#define DISTILL_ROW_FUNCTION __host__ __device__ __forceinline__
#define DISTILL_ROW_LAMBDA
#else
#define DISTILL_ROW_FUNCTION [[gnu::always_inline]] inline
#define DISTILL_ROW_LAMBDA __attribute__((always_inline))
#endif

namespace distill {

enum class Divergence : int {
  kl,
  reverse_kl,
  symmetric_kl,
  jsd,
  skew_kl,
  skew_reverse_kl,
  adaptive_kl,
  tvd,
  logit_mse,
  top_k_kl,
  top_k_reverse_kl,
  uld,
  cross_entropy
};

// One vocabulary entry as the terms see it. `Math` offers Real (a number or a vector of numbers), Scalar, all(x), exp(x),
// expm1(x) for x <= 0 and log1p(x) for -1 < x <= 0.
template <class Math>
struct TokenPair {
  using Real = typename Math::Real;
  Real student;        // probability
  Real teacher;        // probability
  Real log_student;    // log-probability
  Real log_ratio;      // log teacher - log student
  Real logit_gap;      // (teacher's logit - student's logit) / temperature
  Real teacher_logit;  // as it came
  Real is_target;      // 1 at the label, else 0
  Real is_there;       // 1; 0 beyond the end of the vocabulary
  Real mark;           // uld: the sign of the student's probability minus the teacher's of the same rank
};

// What a term knows of a whole row before its slopes can be written.
template <class Math>
struct RowFacts {
  using Scalar = typename Math::Scalar;
  Scalar mix = 0;   // beta, alpha or ratio of the recipe; cross_entropy: label smoothing / vocabulary; logit_mse: 1 / vocabulary
  Scalar hard = 1;  // cross_entropy: 1 - label smoothing
  Scalar slope_sum = 0;                   // over the vocabulary
  Scalar cut = 0;                         // adaptive_kl, top_k: the teacher's logits from here on are the head
  Scalar head_share = 0, tail_share = 0;  // adaptive_kl
  Scalar student_tail_peak = 0;           // top_k: largest log-probability of the tail
  Scalar teacher_tail_peak = 0;           //
  Scalar tail_log_ratio = 0;              // top_k: log of the teacher's tail mass over the student's
  double row_value = 0;                   // what the row adds once
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

// of_kl KL(T || S) + of_reverse KL(S || T), the shares being constants of the row.
template <class Math>
DISTILL_ROW_FUNCTION Share<Math> both_kl_share(const TokenPair<Math>& token, typename Math::Scalar of_kl,
                                               typename Math::Scalar of_reverse) {
  const auto forward = kl_share(token), reverse = reverse_kl_share(token);
  return {of_kl * forward.value + of_reverse * reverse.value, of_kl * forward.slope + of_reverse * reverse.slope};
}

// Both sides over the mixture M = share T + (1 - share) S, in log space, for 0 < share < 1. log M is reached from the larger of
// the two sides, so that nothing overflows and equal sides give exactly zero.
template <class Math>
struct OverMixture {
  using Real = typename Math::Real;
  Real student;  // log(S / M)
  Real teacher;  // log(T / M)
};
template <class Math>
DISTILL_ROW_FUNCTION OverMixture<Math> over_mixture(const TokenPair<Math>& token, typename Math::Scalar teacher_share) {
  using Real = typename Math::Real;
  const Real zero = Math::all(0), gap = token.log_ratio;
  const auto student_larger = gap <= zero;
  const Real distance = student_larger ? gap : -gap;  // <= 0
  const Real other_share = student_larger ? Math::all(teacher_share) : Math::all(1 - teacher_share);
  const Real mixture_over_larger = Math::log1p(other_share * Math::expm1(distance));
  const Real larger_over_mixture = -mixture_over_larger;
  const Real smaller_over_mixture = distance - mixture_over_larger;
  return {student_larger ? larger_over_mixture : smaller_over_mixture,
          student_larger ? smaller_over_mixture : larger_over_mixture};
}

// beta KL(T || M) + (1 - beta) KL(S || M) with M = beta T + (1 - beta) S, for 0 < beta < 1 (the ends are kl and reverse_kl).
template <class Math>
DISTILL_ROW_FUNCTION Share<Math> jsd_share(const TokenPair<Math>& token, typename Math::Scalar beta) {
  const auto ratio = over_mixture(token, beta);
  const auto student_part = (1 - beta) * token.student * ratio.student;
  return {beta * token.teacher * ratio.teacher + student_part, student_part};
}

// KL(T || alpha T + (1 - alpha) S), for 0 < alpha < 1 (0 is kl).
template <class Math>
DISTILL_ROW_FUNCTION Share<Math> skew_kl_share(const TokenPair<Math>& token, typename Math::Scalar alpha) {
  const auto ratio = over_mixture(token, alpha);
  return {token.teacher * ratio.teacher, (alpha - 1) * token.student * Math::exp(ratio.teacher)};
}

// KL(S || alpha S + (1 - alpha) T), for 0 < alpha < 1 (0 is reverse_kl).
template <class Math>
DISTILL_ROW_FUNCTION Share<Math> skew_reverse_kl_share(const TokenPair<Math>& token, typename Math::Scalar alpha) {
  const auto ratio = over_mixture(token, 1 - alpha);
  const auto value = token.student * ratio.student;
  return {value, value - alpha * token.student * Math::exp(ratio.student)};
}

// Half the L1 distance.
template <class Math>
DISTILL_ROW_FUNCTION Share<Math> tvd_share(const TokenPair<Math>& token) {
  using Real = typename Math::Real;
  const Real zero = Math::all(0), distance = token.student - token.teacher;
  const auto size = distance > zero ? distance : -distance;
  const Real sign = distance > zero ? Math::all(1) : distance < zero ? Math::all(-1) : zero;
  return {size * typename Math::Scalar(0.5), sign * token.student * typename Math::Scalar(0.5)};
}

// Mean over the vocabulary of the squared difference of the logits, each divided by the temperature.
template <class Math>
DISTILL_ROW_FUNCTION Share<Math> logit_mse_share(const TokenPair<Math>& token, const RowFacts<Math>& row) {
  const auto part = token.logit_gap * row.mix;
  return {token.logit_gap * part, -2 * part};
}

// KL over the head (the teacher's k most probable entries and those that tie with the last of them) and the tail as one entry.
template <class Math>
DISTILL_ROW_FUNCTION Share<Math> top_k_kl_share(const TokenPair<Math>& token, const RowFacts<Math>& row) {
  using Real = typename Math::Real;
  const Real zero = Math::all(0);
  const auto in_head = token.teacher_logit >= Math::all(row.cut);
  const auto forward = kl_share(token);
  const Real tail_slope = -Math::exp(token.log_student + row.tail_log_ratio);  // the teacher's tail, as the student spreads it
  return {in_head ? forward.value : zero, in_head ? forward.slope : tail_slope * token.is_there};
}
template <class Math>
DISTILL_ROW_FUNCTION Share<Math> top_k_reverse_kl_share(const TokenPair<Math>& token, const RowFacts<Math>& row) {
  using Real = typename Math::Real;
  const Real zero = Math::all(0);
  const auto in_head = token.teacher_logit >= Math::all(row.cut);
  const auto reverse = reverse_kl_share(token);
  return {in_head ? reverse.value : zero, in_head ? reverse.slope : -token.student * row.tail_log_ratio};
}

// The L1 distance of both sides' sorted probabilities (its value comes with the marks): each entry moves by the sign of its rank.
template <class Math>
DISTILL_ROW_FUNCTION Share<Math> uld_share(const TokenPair<Math>& token) {
  return {Math::all(0), token.mark * token.student};
}

// -log p_student(label), a part of it spread evenly over the vocabulary (label smoothing).
template <class Math>
DISTILL_ROW_FUNCTION Share<Math> cross_entropy_share(const TokenPair<Math>& token, const RowFacts<Math>& row) {
  const auto wanted = row.hard * token.is_target + row.mix * token.is_there;
  return {-wanted * token.log_student, -wanted};
}

template <class Math>
DISTILL_ROW_FUNCTION Share<Math> share_of(Divergence kind, const TokenPair<Math>& token, const RowFacts<Math>& row) {
  switch (kind) {
    case Divergence::kl:
      return kl_share(token);
    case Divergence::reverse_kl:
      return reverse_kl_share(token);
    case Divergence::symmetric_kl:
      return both_kl_share(token, row.mix, 1 - row.mix);
    case Divergence::jsd:
      return jsd_share(token, row.mix);
    case Divergence::skew_kl:
      return skew_kl_share(token, row.mix);
    case Divergence::skew_reverse_kl:
      return skew_reverse_kl_share(token, row.mix);
    case Divergence::adaptive_kl:
      return both_kl_share(token, row.head_share, row.tail_share);
    case Divergence::tvd:
      return tvd_share(token);
    case Divergence::logit_mse:
      return logit_mse_share(token, row);
    case Divergence::top_k_kl:
      return top_k_kl_share(token, row);
    case Divergence::top_k_reverse_kl:
      return top_k_reverse_kl_share(token, row);
    case Divergence::uld:
      return uld_share(token);
    default:
      return cross_entropy_share(token, row);
  }
}

// Up to three sums over the vocabulary that a term asks for before its slopes: the sum of slopes itself, or its ingredients.
inline constexpr int kFirstSums = 3;
template <class Math>
struct FirstSums {
  using Real = typename Math::Real;
  Real parts[kFirstSums];
};

DISTILL_ROW_FUNCTION bool needs_first_sums(Divergence kind) {
  return kind != Divergence::kl && kind != Divergence::cross_entropy && kind != Divergence::logit_mse;
}
// Value alone: which terms cannot be valued without them.
DISTILL_ROW_FUNCTION bool values_need_first_sums(Divergence kind) {
  return kind == Divergence::adaptive_kl || kind == Divergence::top_k_kl || kind == Divergence::top_k_reverse_kl;
}
DISTILL_ROW_FUNCTION bool needs_cut(Divergence kind) { return values_need_first_sums(kind); }
DISTILL_ROW_FUNCTION bool cuts_by_count(Divergence kind) { return kind != Divergence::adaptive_kl; }
// Whether the row kernel reads the teacher's logits; uld compares them beforehand, in sorted order.
DISTILL_ROW_FUNCTION bool walks_teacher(Divergence kind) { return kind != Divergence::cross_entropy && kind != Divergence::uld; }

// adaptive_kl: the slope sum of KL(S || T), and the L1 distance over head and tail.
template <class Math>
DISTILL_ROW_FUNCTION FirstSums<Math> adaptive_sums(const TokenPair<Math>& token, const RowFacts<Math>& row) {
  using Real = typename Math::Real;
  const Real zero = Math::all(0), distance = token.student - token.teacher;
  const Real size = distance > zero ? distance : -distance;
  const auto in_head = token.teacher_logit >= Math::all(row.cut);
  return {{reverse_kl_share(token).slope, in_head ? size : zero, in_head ? zero : size}};
}

// top_k: both tails over their largest entry, and the head's part of KL(S || T).
template <class Math>
DISTILL_ROW_FUNCTION FirstSums<Math> tail_sums(const TokenPair<Math>& token, const RowFacts<Math>& row) {
  using Real = typename Math::Real;
  const Real zero = Math::all(0);
  const auto in_head = token.teacher_logit >= Math::all(row.cut);
  const Real student = Math::exp(token.log_student - row.student_tail_peak) * token.is_there;
  const Real teacher = Math::exp(token.log_student + token.log_ratio - row.teacher_tail_peak) * token.is_there;
  return {{in_head ? zero : student, in_head ? zero : teacher, in_head ? reverse_kl_share(token).slope : zero}};
}

template <class Math>
DISTILL_ROW_FUNCTION FirstSums<Math> first_sums(Divergence kind, const TokenPair<Math>& token, const RowFacts<Math>& row) {
  switch (kind) {
    case Divergence::adaptive_kl:
      return adaptive_sums(token, row);
    case Divergence::top_k_kl:
    case Divergence::top_k_reverse_kl:
      return tail_sums(token, row);
    default:
      return {{share_of(kind, token, row).slope, Math::all(0), Math::all(0)}};
  }
}

// From the totals of the row's first sums to what the slopes need.
template <class Math>
DISTILL_ROW_FUNCTION void take_first_sums(Divergence kind, const double* totals, RowFacts<Math>& row) {
  using Scalar = typename Math::Scalar;
  if (kind == Divergence::adaptive_kl) {
    const double distance = totals[1] + totals[2];
    const double head = distance > 0 ? totals[1] / distance : 0.5;  // equal sides: every term is zero anyway
    row.head_share = static_cast<Scalar>(head);
    row.tail_share = static_cast<Scalar>(1 - head);
    row.slope_sum = static_cast<Scalar>(-head + (1 - head) * totals[0]);
  } else if (kind == Divergence::top_k_kl || kind == Divergence::top_k_reverse_kl) {
    const bool has_tail = !(totals[0] == 0);  // not-a-number is no empty tail
    const double log_student = has_tail ? static_cast<double>(row.student_tail_peak) + Math::log_of(totals[0]) : 0;
    const double log_teacher = has_tail ? static_cast<double>(row.teacher_tail_peak) + Math::log_of(totals[1]) : 0;
    const double log_ratio = log_teacher - log_student;
    row.tail_log_ratio = static_cast<Scalar>(log_ratio);
    const bool forward = kind == Divergence::top_k_kl;
    row.row_value = !has_tail ? 0 : forward ? Math::exp_of(log_teacher) * log_ratio : -Math::exp_of(log_student) * log_ratio;
    row.slope_sum = static_cast<Scalar>(forward ? -1 : totals[2] + row.row_value);
  } else {
    row.slope_sum = static_cast<Scalar>(totals[0]);
  }
}

}  // namespace distill
