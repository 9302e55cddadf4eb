// All logits terms of one row in two walks over the vocabulary: running maxima with sums of exponentials, then values and the
// gradient, written over the student's logits. Terms whose slopes need more of the row (their sum; where the head ends) add a
// walk between the two, or, to find the end of the head, a few over the teacher's side.
// `Lanes` says who walks: one number at a time, a vector of them (CPU), or the threads of a block (CUDA).
#pragma once

#include <cstdint>

#include "distill/kernels/divergences.h"

// In front of loops over terms or temperatures, where a Shape says how many there are.
#ifdef __CUDACC__
#define DISTILL_ROW_UNROLL _Pragma("unroll Shape::kUnroll")
#else
#define DISTILL_ROW_UNROLL
#endif

namespace distill {

inline constexpr int kMaxTerms = 12;
inline constexpr int kMaxTemperatures = 6;

struct RowTerm {
  Divergence kind = Divergence::kl;
  double mix = 0;           // beta, alpha or ratio; cross_entropy: label smoothing; adaptive_kl: the teacher's mass of the head
  double z_loss = 0;        // cross_entropy: factor of the squared log of the sum of exponentials
  int64_t top_k = 0;        // top_k terms
  int slot = 0;             // place of its value among those of the row
  double value_factor = 1;  // temperature squared / kept tokens of the update
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
  bool any_first_sums = false;
  bool values_need_first_sums = false;
  bool write_gradient = true;
  double soft_cap = 0;  // of the student's head: the logits are capped already, the gradient passes through
};

// How many terms and temperatures a plan has. Where the compiler knows, what a row keeps of them lies in registers; 0 = any.
template <int kFixedTerms = 0, int kFixedTemperatures = 0>
struct PlanShape {
  static_assert(kFixedTerms == 0 || kFixedTemperatures == 1 || kFixedTemperatures == kFixedTerms,
                "which term has which temperature");
  static constexpr bool kAny = kFixedTerms == 0;
  static constexpr int kTerms = kAny ? kMaxTerms : kFixedTerms;
  static constexpr int kTemperatures = kAny ? kMaxTemperatures : kFixedTemperatures;
  static constexpr int kUnroll = kAny ? 1 : kTerms;

  DISTILL_ROW_FUNCTION static int num_terms(const RowPlan& plan) { return kAny ? plan.num_terms : kTerms; }
  DISTILL_ROW_FUNCTION static int num_temperatures(const RowPlan& plan) { return kAny ? plan.num_temperatures : kTemperatures; }
  DISTILL_ROW_FUNCTION static int first_term(const RowPlan& plan, int t) {
    if (kAny) return plan.first_term[t];
    return kTemperatures == 1 && t == 1 ? kTerms : t;
  }
  static bool fits(const RowPlan& plan) {
    return kAny || (plan.num_terms == kFixedTerms && plan.num_temperatures == kFixedTemperatures);
  }
};

// Calls run(shape) with the closest shape of a plan: of one or two terms, or any.
template <class Run>
void with_shape(const RowPlan& plan, const Run& run) {
  if (PlanShape<1, 1>::fits(plan)) return run(PlanShape<1, 1>{});
  if (PlanShape<2, 1>::fits(plan)) return run(PlanShape<2, 1>{});
  if (PlanShape<2, 2>::fits(plan)) return run(PlanShape<2, 2>{});
  run(PlanShape<>{});
}

// Logits of one row and what stands beside them.
template <class Element>
struct RowData {
  Element* student = nullptr;          // logits; receives the gradient
  const Element* teacher = nullptr;    // null when no term walks the teacher
  const signed char* marks = nullptr;  // uld; null without it
  int64_t vocab = 0;
  int64_t target = -1;
  double uld_value = 0;
};

// A side of the row at all temperatures: its largest logit and the sums of exp((z - max) / T).
template <class Shape, class Scalar>
struct SideSums {
  Scalar max = 0;
  double sums[Shape::kTemperatures] = {};
};

// What a row needs of one temperature: log p = z / T - log_sum, p = exp((z - max) / T) * inverse_sum.
template <class Scalar>
struct RowSums {
  Scalar inverse_temperature;
  Scalar log_student_sum;  // of exp((z - max) / T)
  Scalar inverse_student_sum, inverse_teacher_sum;
  Scalar log_gap, log_gap_rest;  // log of the teacher's sum minus the student's; in two parts
};

// One row in the hands of its walker.
template <class Shape, class Lanes, class Element>
struct RowWalk {
  using Real = typename Lanes::Real;
  using Scalar = typename Lanes::Scalar;
  const Lanes& lanes;
  const RowPlan& plan;
  const RowData<Element>& row;
  Scalar student_max = 0, teacher_max = 0;
  RowSums<Scalar> sums[Shape::kTemperatures];
  RowFacts<Lanes> facts[Shape::kTerms];
};

template <class Shape, class Lanes, class Element>
DISTILL_ROW_FUNCTION TokenPair<Lanes> token_pair(const RowWalk<Shape, Lanes, Element>& walk, int t, int64_t j,
                                                 const typename Lanes::Real& student, const typename Lanes::Real& teacher) {
  const auto& sums = walk.sums[t];
  const auto scaled = (student - walk.student_max) * sums.inverse_temperature;
  TokenPair<Lanes> pair;
  pair.student = Lanes::exp(scaled) * sums.inverse_student_sum;
  pair.log_student = scaled - sums.log_student_sum;
  pair.is_target = walk.lanes.is_at(j, walk.row.target);
  pair.is_there = walk.lanes.is_inside(j, walk.row.vocab);
  pair.mark = walk.row.marks ? walk.lanes.load_mark(walk.row.marks, j, walk.row.vocab) : Lanes::all(0);
  pair.teacher = pair.log_ratio = pair.logit_gap = pair.teacher_logit = Lanes::all(0);
  if (walk.plan.reads_teacher[t]) {
    const auto teacher_scaled = (teacher - walk.teacher_max) * sums.inverse_temperature;
    pair.teacher = Lanes::exp(teacher_scaled) * sums.inverse_teacher_sum;
    pair.log_ratio = teacher_scaled - scaled - sums.log_gap - sums.log_gap_rest;
    pair.logit_gap = (teacher - student) * sums.inverse_temperature;
    pair.teacher_logit = teacher;
  }
  return pair;
}

// Walks the vocabulary; sums of the lanes' own precision are emptied into wider ones every 64 steps.
template <class Lanes, class Body>
DISTILL_ROW_FUNCTION void walk_vocab(const Lanes& lanes, int64_t vocab, typename Lanes::Sum* sums, int num_sums,
                                     const Body& body) {
  int steps = 0;
  for (int64_t j = lanes.first(); j < vocab; j += lanes.stride()) {
    body(j);
    if (++steps < 64) continue;
    for (int i = 0; i < num_sums; ++i) sums[i].widen();
    steps = 0;
  }
  for (int i = 0; i < num_sums; ++i) sums[i].widen();
}

// One reading of the row: block by block, the sums move to a new maximum when one appears. Every thread keeps its own maximum
// until the end.
template <class Shape, class Lanes, class Element>
DISTILL_ROW_FUNCTION void side_sums(const Lanes& lanes, const RowPlan& plan, const Element* row, int64_t vocab, bool is_teacher,
                                    SideSums<Shape, typename Lanes::Scalar>& side) {
  using Real = typename Lanes::Real;
  using Scalar = typename Lanes::Scalar;
  Scalar peak = Lanes::lowest();
  const int64_t block = Lanes::kBlock * lanes.stride();
  for (int64_t begin = lanes.first(); begin < vocab; begin += block) {
    const int64_t end = begin + block < vocab ? begin + block : vocab;
    Real block_peak = Lanes::all(Lanes::lowest());
    for (int64_t j = begin; j < end; j += lanes.stride()) block_peak = Lanes::larger(lanes.load(row, j, vocab), block_peak);
    const Scalar own = Lanes::own_max(block_peak);
    if (own > peak) {
      const double drop = static_cast<double>(peak) - static_cast<double>(own);
      DISTILL_ROW_UNROLL
      for (int t = 0; t < Shape::num_temperatures(plan); ++t) side.sums[t] *= Lanes::exp_of(drop * plan.inverse_temperature[t]);
      peak = own;
    }
    DISTILL_ROW_UNROLL
    for (int t = 0; t < Shape::num_temperatures(plan); ++t) {
      if (is_teacher && !plan.reads_teacher[t]) continue;
      const Scalar inverse_temperature = static_cast<Scalar>(plan.inverse_temperature[t]);
      Real part = Lanes::all(0);
      for (int64_t j = begin; j < end; j += lanes.stride())
        part = part + Lanes::exp((lanes.load(row, j, vocab) - peak) * inverse_temperature);
      side.sums[t] += Lanes::own_sum(part);
    }
  }
  side.max = static_cast<Scalar>(lanes.max_over(static_cast<double>(peak)));
  const double drop = static_cast<double>(peak) - static_cast<double>(side.max);
  DISTILL_ROW_UNROLL
  for (int t = 0; t < Shape::num_temperatures(plan); ++t)
    side.sums[t] = lanes.sum_over(side.sums[t] * Lanes::exp_of(drop * plan.inverse_temperature[t]));
}

template <class Lanes>
DISTILL_ROW_FUNCTION RowSums<typename Lanes::Scalar> row_sums(double inverse_temperature, double student_sum,
                                                              double teacher_sum) {
  using Scalar = typename Lanes::Scalar;
  RowSums<Scalar> sums;
  sums.inverse_temperature = static_cast<Scalar>(inverse_temperature);
  const double log_student_sum = Lanes::log_of(student_sum);
  sums.log_student_sum = static_cast<Scalar>(log_student_sum);
  sums.inverse_student_sum = static_cast<Scalar>(1 / student_sum);
  sums.inverse_teacher_sum = static_cast<Scalar>(1 / teacher_sum);
  const double gap = Lanes::log_of(teacher_sum) - log_student_sum;
  sums.log_gap = static_cast<Scalar>(gap);
  sums.log_gap_rest = static_cast<Scalar>(gap - static_cast<double>(sums.log_gap));
  return sums;
}

template <class Shape, class Lanes, class Element>
DISTILL_ROW_FUNCTION void find_sums(RowWalk<Shape, Lanes, Element>& walk) {
  using Scalar = typename Lanes::Scalar;
  const RowPlan& plan = walk.plan;
  SideSums<Shape, Scalar> student, teacher;
  side_sums<Shape>(walk.lanes, plan, walk.row.student, walk.row.vocab, false, student);
  if (plan.any_teacher) side_sums<Shape>(walk.lanes, plan, walk.row.teacher, walk.row.vocab, true, teacher);
  walk.student_max = student.max;
  walk.teacher_max = teacher.max;
  DISTILL_ROW_UNROLL
  for (int t = 0; t < Shape::num_temperatures(plan); ++t)
    walk.sums[t] = row_sums<Lanes>(plan.inverse_temperature[t], student.sums[t], plan.reads_teacher[t] ? teacher.sums[t] : 1.0);
}

// Where the head of the teacher's row ends. With measure(x) = the count, or the mass, of the logits from x on: by count the
// largest logit whose measure reaches the limit; by mass the smallest whose measure stays within it, at least the largest one.
// Bisection between logits that occur; ten to twenty walks, fewer where the head is short.
template <class Shape, class Lanes, class Element>
DISTILL_ROW_FUNCTION typename Lanes::Scalar find_cut(const RowWalk<Shape, Lanes, Element>& walk, int t, bool by_count,
                                                     double limit) {
  using Real = typename Lanes::Real;
  using Scalar = typename Lanes::Scalar;
  using Sum = typename Lanes::Sum;
  const Lanes& lanes = walk.lanes;
  const int64_t vocab = walk.row.vocab;
  const auto& sums = walk.sums[t];
  if (by_count && limit >= static_cast<double>(vocab)) return Lanes::lowest();
  Scalar below = Lanes::lowest();   // the largest logit known to be over the limit (or, by count, to reach it)
  Scalar above = walk.teacher_max;  // the smallest known not to be
  Scalar open = Lanes::lowest();    // the next one down from there
  Scalar middle = above;
  for (int round = 0; round < 256; ++round) {
    Sum measure[1];
    Real smallest = Lanes::all(-Lanes::lowest()), largest = Lanes::all(Lanes::lowest());
    walk_vocab(lanes, vocab, measure, 1, [&](int64_t j) DISTILL_ROW_LAMBDA {
      const Real zero = Lanes::all(0), teacher = lanes.load(walk.row.teacher, j, vocab);
      const Real weight = by_count
                              ? Lanes::all(1)
                              : Lanes::exp((teacher - walk.teacher_max) * sums.inverse_temperature) * sums.inverse_teacher_sum;
      const auto counts = teacher >= Lanes::all(middle);
      measure[0].add(counts ? weight : zero);
      smallest = -Lanes::larger(-(counts ? teacher : smallest), -smallest);
      largest = Lanes::larger(counts ? largest : teacher, largest);
    });
    const double total = lanes.total_of(measure[0]);
    const Scalar next_above = -static_cast<Scalar>(lanes.max_over(static_cast<double>(Lanes::own_max(-smallest))));
    const Scalar next_below = static_cast<Scalar>(lanes.max_over(static_cast<double>(Lanes::own_max(largest))));
    const bool is_over = by_count ? total >= limit : total > limit;
    if (is_over && middle == walk.teacher_max) return walk.teacher_max;
    if (is_over) {
      below = next_above;
    } else {
      above = next_above;
      open = next_below;
    }
    if (open <= below) break;
    if (below > Lanes::lowest()) {
      middle = below + (open - below) / 2;
      if (!(middle > below)) middle = open;
      continue;
    }
    // The first steps down: no logit is known there yet. By mass, this far below the maximum nothing of weight is left.
    const double reach = by_count ? 1 : Lanes::log_of(static_cast<double>(vocab)) + 1;
    const Scalar first = static_cast<Scalar>(static_cast<double>(above) - reach / static_cast<double>(sums.inverse_temperature));
    const Scalar doubled = above - (walk.teacher_max - above);
    middle = doubled < first ? doubled : first;
    if (open < middle) middle = open;
  }
  return by_count ? below : above;
}

// Both sides' largest entries among the tail, as log-probabilities.
template <class Shape, class Lanes, class Element>
DISTILL_ROW_FUNCTION void find_tail_peaks(const RowWalk<Shape, Lanes, Element>& walk, int t, RowFacts<Lanes>& facts) {
  using Real = typename Lanes::Real;
  using Scalar = typename Lanes::Scalar;
  const Lanes& lanes = walk.lanes;
  const int64_t vocab = walk.row.vocab;
  Real student_peak = Lanes::all(Lanes::lowest()), teacher_peak = student_peak;
  for (int64_t j = lanes.first(); j < vocab; j += lanes.stride()) {
    const Real teacher = lanes.load(walk.row.teacher, j, vocab), student = lanes.load(walk.row.student, j, vocab);
    const auto in_head = teacher >= Lanes::all(facts.cut);
    student_peak = Lanes::larger(in_head ? student_peak : student, student_peak);
    teacher_peak = Lanes::larger(in_head ? teacher_peak : teacher, teacher_peak);
  }
  const auto& sums = walk.sums[t];
  const Scalar student = static_cast<Scalar>(lanes.max_over(static_cast<double>(Lanes::own_max(student_peak))));
  const Scalar teacher = static_cast<Scalar>(lanes.max_over(static_cast<double>(Lanes::own_max(teacher_peak))));
  facts.student_tail_peak = (student - walk.student_max) * sums.inverse_temperature - sums.log_student_sum;
  facts.teacher_tail_peak =
      (teacher - walk.teacher_max) * sums.inverse_temperature - sums.log_student_sum - sums.log_gap - sums.log_gap_rest;
}

// What the terms know before any walk of their own, and the ends of their heads.
template <class Shape, class Lanes, class Element>
DISTILL_ROW_FUNCTION void find_facts(RowWalk<Shape, Lanes, Element>& walk) {
  using Scalar = typename Lanes::Scalar;
  const RowPlan& plan = walk.plan;
  const double vocab = static_cast<double>(walk.row.vocab);
  DISTILL_ROW_UNROLL
  for (int t = 0; t < Shape::num_temperatures(plan); ++t) {
    DISTILL_ROW_UNROLL
    for (int k = Shape::first_term(plan, t); k < Shape::first_term(plan, t + 1); ++k) {
      const RowTerm& term = plan.terms[k];
      RowFacts<Lanes>& facts = walk.facts[k];
      facts = RowFacts<Lanes>{};
      facts.mix = static_cast<Scalar>(term.mix);
      if (term.kind == Divergence::kl) facts.slope_sum = Scalar(-1);
      if (term.kind == Divergence::logit_mse) facts.mix = static_cast<Scalar>(1 / vocab);
      if (term.kind == Divergence::uld) facts.row_value = walk.row.uld_value;
      if (term.kind == Divergence::cross_entropy) {
        facts.mix = static_cast<Scalar>(term.mix / vocab);
        facts.hard = static_cast<Scalar>(1 - term.mix);
        const double log_sum = static_cast<double>(walk.student_max) + static_cast<double>(walk.sums[t].log_student_sum);
        facts.row_value = term.z_loss * log_sum * log_sum;
        facts.slope_sum = static_cast<Scalar>(-1 - 2 * term.z_loss * log_sum);
      }
      if (!needs_cut(term.kind)) continue;
      const bool by_count = cuts_by_count(term.kind);
      facts.cut = find_cut(walk, t, by_count, by_count ? static_cast<double>(term.top_k) : term.mix);
      if (by_count) find_tail_peaks(walk, t, facts);
    }
  }
}

template <class Shape, class Lanes, class Element>
DISTILL_ROW_FUNCTION void find_first_sums(RowWalk<Shape, Lanes, Element>& walk) {
  using Real = typename Lanes::Real;
  const RowPlan& plan = walk.plan;
  typename Lanes::Sum totals[Shape::kTerms * kFirstSums];
  walk_vocab(walk.lanes, walk.row.vocab, totals, Shape::num_terms(plan) * kFirstSums, [&](int64_t j) DISTILL_ROW_LAMBDA {
    const Real student = walk.lanes.load(walk.row.student, j, walk.row.vocab);
    const Real teacher = plan.any_teacher ? walk.lanes.load(walk.row.teacher, j, walk.row.vocab) : student;
    DISTILL_ROW_UNROLL
    for (int t = 0; t < Shape::num_temperatures(plan); ++t) {
      const auto pair = token_pair(walk, t, j, student, teacher);
      DISTILL_ROW_UNROLL
      for (int k = Shape::first_term(plan, t); k < Shape::first_term(plan, t + 1); ++k) {
        if (!needs_first_sums(plan.terms[k].kind)) continue;
        const auto sums = first_sums(plan.terms[k].kind, pair, walk.facts[k]);
        for (int i = 0; i < kFirstSums; ++i) totals[k * kFirstSums + i].add(sums.parts[i]);
      }
    }
  });
  DISTILL_ROW_UNROLL
  for (int k = 0; k < Shape::num_terms(plan); ++k) {
    if (!needs_first_sums(plan.terms[k].kind)) continue;
    double sums[kFirstSums];
    for (int i = 0; i < kFirstSums; ++i) sums[i] = walk.lanes.total_of(totals[k * kFirstSums + i]);
    take_first_sums(plan.terms[k].kind, sums, walk.facts[k]);
  }
}

// One row: the student's logits become the gradient (times `gradient_scale`); `values` [num_terms] receives the terms.
// A label outside the vocabulary makes the value not-a-number, never a silent zero.
template <class Shape, class Lanes, class Element>
DISTILL_ROW_FUNCTION void divergence_row(const Lanes& lanes, const RowPlan& plan, const RowData<Element>& row,
                                         double gradient_scale, double* values) {
  using Real = typename Lanes::Real;
  using Scalar = typename Lanes::Scalar;
  RowWalk<Shape, Lanes, Element> walk{lanes, plan, row};
  find_sums(walk);
  find_facts(walk);
  if (plan.any_first_sums && (plan.write_gradient || plan.values_need_first_sums)) find_first_sums(walk);

  const int64_t vocab = row.vocab;
  Scalar factors[Shape::kTerms];
  DISTILL_ROW_UNROLL
  for (int k = 0; k < Shape::num_terms(plan); ++k)
    factors[k] = static_cast<Scalar>(plan.terms[k].gradient_factor * gradient_scale);
  const Scalar inverse_cap = static_cast<Scalar>(plan.soft_cap > 0 ? 1 / plan.soft_cap : 0);
  typename Lanes::Sum totals[Shape::kTerms];
  walk_vocab(lanes, vocab, totals, Shape::num_terms(plan), [&](int64_t j) DISTILL_ROW_LAMBDA {
    const Real student = lanes.load(row.student, j, vocab);
    const Real teacher = plan.any_teacher ? lanes.load(row.teacher, j, vocab) : student;
    Real gradient = Lanes::all(0);
    DISTILL_ROW_UNROLL
    for (int t = 0; t < Shape::num_temperatures(plan); ++t) {
      const auto pair = token_pair(walk, t, j, student, teacher);
      DISTILL_ROW_UNROLL
      for (int k = Shape::first_term(plan, t); k < Shape::first_term(plan, t + 1); ++k) {
        const auto share = share_of(plan.terms[k].kind, pair, walk.facts[k]);
        totals[k].add(share.value);
        gradient = gradient + factors[k] * (share.slope - pair.student * walk.facts[k].slope_sum);
      }
    }
    if (!plan.write_gradient) return;
    const Real capped = student * inverse_cap;  // d tanh: 1 - tanh^2; without a cap this is 1
    lanes.store(row.student, j, vocab, gradient * (Lanes::all(1) - capped * capped));
  });
  DISTILL_ROW_UNROLL
  for (int k = 0; k < Shape::num_terms(plan); ++k) {
    double value = (lanes.total_of(totals[k]) + walk.facts[k].row_value) * plan.terms[k].value_factor;
    if (plan.terms[k].kind == Divergence::cross_entropy && (row.target < 0 || row.target >= vocab)) value = Lanes::not_a_number();
    if (lanes.leads()) values[plan.terms[k].slot] = value;
  }
}

}  // namespace distill
