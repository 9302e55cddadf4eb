// All logits terms of one row in at most four walks over the vocabulary: maxima, sums of exponentials, sums of slopes (only
// for terms that need them), then values and the gradient, written over the student's logits.
// `Lanes` says who walks: one number at a time, a vector of them (CPU), or the threads of a block (CUDA).
#pragma once

#include <cstdint>

#include "distill/kernels/divergences.h"

namespace distill {

inline constexpr int kMaxTerms = 12;
inline constexpr int kMaxTemperatures = 6;

struct RowTerm {
  Divergence kind = Divergence::kl;
  double beta = 0;
  double value_factor = 1;     // temperature squared / kept tokens of the update
  double gradient_factor = 1;  // weight * value_factor / temperature; the loss scale comes on top
};

// Terms sorted by temperature: those of temperature t are terms[first_term[t]] to terms[first_term[t + 1] - 1].
struct RowPlan {
  int num_terms = 0;
  int num_temperatures = 0;
  RowTerm terms[kMaxTerms];
  int first_term[kMaxTemperatures + 1] = {};
  double inverse_temperature[kMaxTemperatures] = {};
  bool reads_teacher[kMaxTemperatures] = {};
  bool any_teacher = false;
  bool any_slope_sum = false;
  bool write_gradient = true;
  double soft_cap = 0;  // of the student's head: the logits are capped already, the gradient passes through
};

// What a row needs of one temperature: log p = z / T - log_sum, p = exp((z - max) / T) * inverse_sum.
template <class Scalar>
struct RowSums {
  Scalar inverse_temperature;
  Scalar log_student_sum;  // of exp((z - max) / T)
  Scalar inverse_student_sum, inverse_teacher_sum;
  Scalar log_gap, log_gap_rest;  // log of the teacher's sum minus the student's; in two parts
};

template <class Lanes>
DISTILL_ROW_FUNCTION TokenPair<Lanes> token_pair(const RowSums<typename Lanes::Scalar>& sums, const typename Lanes::Real& student,
                                                 const typename Lanes::Real& teacher, typename Lanes::Scalar student_max,
                                                 typename Lanes::Scalar teacher_max, bool reads_teacher,
                                                 const typename Lanes::Real& is_target) {
  const auto scaled = (student - student_max) * sums.inverse_temperature;
  TokenPair<Lanes> pair;
  pair.student = Lanes::exp(scaled) * sums.inverse_student_sum;
  pair.log_student = scaled - sums.log_student_sum;
  pair.is_target = is_target;
  pair.teacher = pair.log_ratio = Lanes::all(0);
  if (reads_teacher) {
    const auto teacher_scaled = (teacher - teacher_max) * sums.inverse_temperature;
    pair.teacher = Lanes::exp(teacher_scaled) * sums.inverse_teacher_sum;
    pair.log_ratio = teacher_scaled - scaled - sums.log_gap - sums.log_gap_rest;
  }
  return pair;
}

// Walks the vocabulary; sums of the lanes' own precision are emptied into wider ones every 64 steps.
template <class Lanes, class Body>
DISTILL_ROW_FUNCTION void walk(const Lanes& lanes, int64_t vocab, typename Lanes::Sum* sums, int num_sums, const Body& body) {
  int steps = 0;
  for (int64_t j = lanes.first(); j < vocab; j += lanes.stride()) {
    body(j);
    if (++steps < 64) continue;
    for (int i = 0; i < num_sums; ++i) sums[i].widen();
    steps = 0;
  }
  for (int i = 0; i < num_sums; ++i) sums[i].widen();
}

template <class Lanes>
DISTILL_ROW_FUNCTION RowSums<typename Lanes::Scalar> row_sums(const Lanes& lanes, double inverse_temperature, double student_sum,
                                                              double teacher_sum) {
  using Scalar = typename Lanes::Scalar;
  RowSums<Scalar> sums;
  sums.inverse_temperature = static_cast<Scalar>(inverse_temperature);
  const double log_student_sum = lanes.log_of(student_sum);
  sums.log_student_sum = static_cast<Scalar>(log_student_sum);
  sums.inverse_student_sum = static_cast<Scalar>(1 / student_sum);
  sums.inverse_teacher_sum = static_cast<Scalar>(1 / teacher_sum);
  const double gap = lanes.log_of(teacher_sum) - log_student_sum;
  sums.log_gap = static_cast<Scalar>(gap);
  sums.log_gap_rest = static_cast<Scalar>(gap - static_cast<double>(sums.log_gap));
  return sums;
}

// One row: `student` holds logits and receives the gradient (times `gradient_scale`); `values` [num_terms] receives the terms.
// A label outside the vocabulary makes the value not-a-number, never a silent zero.
template <class Lanes, class Element>
DISTILL_ROW_FUNCTION void divergence_row(const Lanes& lanes, const RowPlan& plan, Element* student, const Element* teacher,
                                         int64_t vocab, int64_t target, double gradient_scale, double* values) {
  using Real = typename Lanes::Real;
  using Scalar = typename Lanes::Scalar;
  using Sum = typename Lanes::Sum;

  Real student_peak = Lanes::all(Lanes::lowest()), teacher_peak = student_peak;
  for (int64_t j = lanes.first(); j < vocab; j += lanes.stride()) {
    student_peak = Lanes::larger(lanes.load(student, j, vocab), student_peak);
    if (plan.any_teacher) teacher_peak = Lanes::larger(lanes.load(teacher, j, vocab), teacher_peak);
  }
  const Scalar student_max = lanes.max_of(student_peak);
  const Scalar teacher_max = plan.any_teacher ? lanes.max_of(teacher_peak) : Scalar(0);

  RowSums<Scalar> sums[kMaxTemperatures];
  for (int t = 0; t < plan.num_temperatures; ++t) {
    const Scalar inverse_temperature = static_cast<Scalar>(plan.inverse_temperature[t]);
    const bool both = plan.reads_teacher[t];
    Sum totals[2];
    walk(lanes, vocab, totals, 2, [&](int64_t j) DISTILL_ROW_LAMBDA {
      totals[0].add(Lanes::exp((lanes.load(student, j, vocab) - student_max) * inverse_temperature));
      if (both) totals[1].add(Lanes::exp((lanes.load(teacher, j, vocab) - teacher_max) * inverse_temperature));
    });
    const double student_sum = lanes.total_of(totals[0]), teacher_sum = both ? lanes.total_of(totals[1]) : 1.0;
    sums[t] = row_sums(lanes, plan.inverse_temperature[t], student_sum, teacher_sum);
  }

  Scalar slope_sums[kMaxTerms];
  for (int k = 0; k < plan.num_terms; ++k) slope_sums[k] = Scalar(-1);
  if (plan.any_slope_sum && plan.write_gradient) {
    Sum slopes[kMaxTerms];
    walk(lanes, vocab, slopes, plan.num_terms, [&](int64_t j) DISTILL_ROW_LAMBDA {
      const Real z_student = lanes.load(student, j, vocab), z_teacher = lanes.load(teacher, j, vocab);
      for (int t = 0; t < plan.num_temperatures; ++t) {
        if (!plan.reads_teacher[t]) continue;
        const auto pair = token_pair<Lanes>(sums[t], z_student, z_teacher, student_max, teacher_max, true, Lanes::all(0));
        for (int k = plan.first_term[t]; k < plan.first_term[t + 1]; ++k)
          if (!slope_sum_is_minus_one(plan.terms[k].kind))
            slopes[k].add(share_of(plan.terms[k].kind, pair, static_cast<Scalar>(plan.terms[k].beta)).slope);
      }
    });
    for (int k = 0; k < plan.num_terms; ++k)
      if (!slope_sum_is_minus_one(plan.terms[k].kind)) slope_sums[k] = static_cast<Scalar>(lanes.total_of(slopes[k]));
  }

  Scalar factors[kMaxTerms];
  for (int k = 0; k < plan.num_terms; ++k) factors[k] = static_cast<Scalar>(plan.terms[k].gradient_factor * gradient_scale);
  const Scalar inverse_cap = static_cast<Scalar>(plan.soft_cap > 0 ? 1 / plan.soft_cap : 0);
  Sum totals[kMaxTerms];
  walk(lanes, vocab, totals, plan.num_terms, [&](int64_t j) DISTILL_ROW_LAMBDA {
    const Real z_student = lanes.load(student, j, vocab);
    const Real z_teacher = plan.any_teacher ? lanes.load(teacher, j, vocab) : z_student;
    const Real is_target = lanes.is_at(j, target);
    Real gradient = Lanes::all(0);
    for (int t = 0; t < plan.num_temperatures; ++t) {
      const auto pair =
          token_pair<Lanes>(sums[t], z_student, z_teacher, student_max, teacher_max, plan.reads_teacher[t], is_target);
      for (int k = plan.first_term[t]; k < plan.first_term[t + 1]; ++k) {
        const auto share = share_of(plan.terms[k].kind, pair, static_cast<Scalar>(plan.terms[k].beta));
        totals[k].add(share.value);
        gradient = gradient + factors[k] * (share.slope - pair.student * slope_sums[k]);
      }
    }
    if (!plan.write_gradient) return;
    const Real capped = z_student * inverse_cap;  // d tanh: 1 - tanh^2; without a cap this is 1
    lanes.store(student, j, vocab, gradient * (Lanes::all(1) - capped * capped));
  });
  for (int k = 0; k < plan.num_terms; ++k) {
    double value = lanes.total_of(totals[k]) * plan.terms[k].value_factor;
    if (plan.terms[k].kind == Divergence::cross_entropy && (target < 0 || target >= vocab)) value = lanes.not_a_number();
    if (lanes.leads()) values[k] = value;
  }
}

}  // namespace distill
