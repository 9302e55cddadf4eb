#include "distill/kernels/linear_divergence.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <numeric>

#include "distill/core/error.h"
#include "distill/kernels/gemm.h"
#include "distill/tensor/transfer.h"

namespace distill {
namespace {

RowType row_type(at::ScalarType dtype) {
  switch (dtype) {
    case at::kDouble:
      return RowType::float64;
    case at::kFloat:
      return RowType::float32;
    case at::kHalf:
      return RowType::float16;
    case at::kBFloat16:
      return RowType::bfloat16;
    default:
      throw Bug(std::string("logits of type ") + c10::toString(dtype));
  }
}

void launch(const RowPlan& plan, const RowBatch& batch, const at::Tensor& student_CV) {
  const RowType type = row_type(student_CV.scalar_type());
  if (student_CV.is_cpu()) return divergence_rows_cpu(type, plan, batch);
  const c10::DeviceGuard on_device(student_CV.device());
  const c10::impl::VirtualGuardImpl streams(student_CV.device().type());
  divergence_rows_cuda(type, plan, batch, streams.getStream(student_CV.device()).native_handle());
}

void refuse_more_than(size_t limit, size_t found, const char* what) {
  if (found <= limit) return;
  throw RecipeError({"objective", "at most " + std::to_string(limit) + " " + what, std::to_string(found),
                     "Remove logits terms or give several of them one temperature.", ""});
}

double temperature_factor(const LogitsTerm& term) { return term.t_squared ? term.temperature * term.temperature : 1; }

RowPlan make_plan(const std::vector<LogitsTerm>& terms, const std::vector<int64_t>& order) {
  RowPlan plan;
  plan.num_terms = static_cast<int>(terms.size());
  for (size_t place = 0; place < order.size(); ++place) {
    const LogitsTerm& term = terms[order[place]];
    if (place == 0 || term.temperature != terms[order[place - 1]].temperature) {
      refuse_more_than(kMaxTemperatures, plan.num_temperatures + 1, "different temperatures");
      plan.first_term[plan.num_temperatures] = static_cast<int>(place);
      plan.inverse_temperature[plan.num_temperatures++] = 1 / term.temperature;
    }
    plan.terms[place].kind = term.kind;
    plan.terms[place].beta = term.beta;
    plan.reads_teacher[plan.num_temperatures - 1] |= reads_teacher(term.kind);
    plan.any_teacher |= reads_teacher(term.kind);
    plan.any_slope_sum |= !slope_sum_is_minus_one(term.kind);
  }
  plan.first_term[plan.num_temperatures] = plan.num_terms;
  return plan;
}

}  // namespace

int64_t chunk_rows(int64_t vocab, at::ScalarType dtype) {
  constexpr int64_t kBytes = 160'000'000;
  const int64_t rows = kBytes / std::max<int64_t>(1, vocab * static_cast<int64_t>(c10::elementSize(dtype)));
  return std::clamp<int64_t>(rows / 64 * 64, 64, 512);
}

LinearDivergence::LinearDivergence(std::vector<LogitsTerm> terms, int64_t rows_per_chunk)
    : terms_(std::move(terms)), place_(terms_.size()), rows_per_chunk_(rows_per_chunk) {
  refuse_more_than(kMaxTerms, terms_.size(), "logits terms");
  std::vector<int64_t> order(terms_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return terms_[a].temperature < terms_[b].temperature; });
  for (size_t place = 0; place < order.size(); ++place) place_[order[place]] = static_cast<int64_t>(place);
  plan_ = make_plan(terms_, order);
}

RowPlan LinearDivergence::scaled_plan(double divisor, double soft_cap, bool write_gradient) const {
  RowPlan plan = plan_;
  for (size_t i = 0; i < terms_.size(); ++i) {
    RowTerm& row = plan.terms[place_[i]];
    row.value_factor = temperature_factor(terms_[i]) / divisor;
    row.gradient_factor = terms_[i].weight * row.value_factor / terms_[i].temperature;
  }
  plan.soft_cap = soft_cap;
  plan.write_gradient = write_gradient;
  return plan;
}

// `rows` rows of a kept buffer: made at the first use, or when a call needs more.
at::Tensor LinearDivergence::workspace(at::Tensor& held, int64_t rows, int64_t vocab, const at::Tensor& like) {
  const bool fits = held.defined() && held.scalar_type() == like.scalar_type() && held.device() == like.device() &&
                    held.size(1) == vocab && held.size(0) >= rows;
  if (!fits) held.reset();  // let go first: never two of them
  if (!fits) held = at::empty({rows, vocab}, like.options().requires_grad(false));
  return held.narrow(0, 0, rows);
}

template <class AfterRows>
at::Tensor LinearDivergence::over_chunks(const Student& student, const RowSource* teacher, const at::Tensor& targets_N,
                                         const RowPlan& plan, const at::Tensor& loss_scale, const AfterRows& after_rows) {
  const int64_t num_rows = student.rows_ND.size(0), num_terms = plan.num_terms;
  if (plan.any_teacher && (!teacher || teacher->num_rows() != num_rows))
    throw Bug("teacher rows that do not pair with the student's");
  const HeadRows student_rows(student.rows_ND, student.head);
  const at::Tensor values_NK =
      at::empty({num_rows, num_terms}, student.rows_ND.options().dtype(at::kDouble).requires_grad(false));
  const int64_t chunk = rows_per_chunk_ > 0 ? rows_per_chunk_ : chunk_rows(student.vocab, student.rows_ND.scalar_type());
  for (int64_t begin = 0; begin < num_rows; begin += chunk) {
    const int64_t count = std::min(chunk, num_rows - begin);
    Chunk now{begin, workspace(student_space_, count, student.vocab, student.rows_ND), {}};
    student_rows.write_logits(begin, now.student_CV);
    if (plan.any_teacher) {
      now.teacher_CV = workspace(teacher_space_, count, student.vocab, student.rows_ND);
      teacher->write_logits(begin, now.teacher_CV);
    }
    RowBatch batch;
    batch.student = now.student_CV.data_ptr();
    batch.teacher = now.teacher_CV.defined() ? now.teacher_CV.data_ptr() : nullptr;
    batch.targets = targets_N.defined() ? targets_N.const_data_ptr<int64_t>() + begin : nullptr;
    batch.loss_scale = loss_scale.defined() ? loss_scale.const_data_ptr<float>() : nullptr;
    batch.values = values_NK.mutable_data_ptr<double>() + begin * num_terms;
    batch.num_rows = count;
    batch.vocab = student.vocab;
    launch(plan, batch, now.student_CV);
    after_rows(now);
  }
  const at::Tensor sums = values_NK.sum(0);
  if (std::is_sorted(place_.begin(), place_.end())) return sums;
  return sums.index_select(0, send(at::tensor(place_, at::kLong), sums.device()));
}

namespace {

// The gradient of the rows of a chunk from that of its logits; ids that do not exist get none.
void write_rows_gradient(const at::Tensor& rows_gradient_CD, const at::Tensor& logits_gradient_CV, const LinearHead& head) {
  const int64_t vocab = logits_gradient_CV.size(1);
  if (!head.identity) return gemm::mm_out(rows_gradient_CD, logits_gradient_CV, head.weight_VD.narrow(0, 0, vocab));
  rows_gradient_CD.narrow(1, 0, vocab).copy_(logits_gradient_CV);
  rows_gradient_CD.narrow(1, vocab, rows_gradient_CD.size(1) - vocab).zero_();
}

}  // namespace

LinearDivergence::Result LinearDivergence::backward(const Student& student, const RowSource* teacher, const at::Tensor& targets_N,
                                                    double divisor, const at::Tensor& loss_scale) {
  const at::NoGradGuard no_grad;
  const bool anything = student.rows_gradient || student.weight_gradient_VD.defined() || student.bias_gradient_V.defined();
  Result result;
  if (student.rows_gradient) result.rows_gradient_ND = at::empty_like(student.rows_ND);
  result.values = over_chunks(
      student, teacher, targets_N, scaled_plan(divisor, student.head.soft_cap, anything), loss_scale, [&](const Chunk& chunk) {
        const int64_t count = chunk.student_CV.size(0);
        if (student.rows_gradient)
          write_rows_gradient(result.rows_gradient_ND.narrow(0, chunk.begin, count), chunk.student_CV, student.head);
        if (student.weight_gradient_VD.defined())
          gemm::add_mm_(student.weight_gradient_VD.narrow(0, 0, student.vocab), chunk.student_CV.t(),
                        student.rows_ND.narrow(0, chunk.begin, count));
        if (student.bias_gradient_V.defined())
          student.bias_gradient_V.narrow(0, 0, student.vocab)
              .add_(chunk.student_CV.sum(0, /*keepdim=*/false, student.bias_gradient_V.scalar_type()));
      });
  return result;
}

LinearDivergence::Figures LinearDivergence::evaluate(const Student& student, const RowSource* teacher,
                                                     const at::Tensor& targets_N) {
  const at::NoGradGuard no_grad;
  Figures figures;
  if (teacher) figures.agreement = at::zeros({}, student.rows_ND.options().dtype(at::kLong).requires_grad(false));
  figures.values =
      over_chunks(student, teacher, targets_N, scaled_plan(1, student.head.soft_cap, false), {}, [&](const Chunk& chunk) {
        if (chunk.teacher_CV.defined())
          figures.agreement.add_(at::argmax(chunk.student_CV, 1).eq(at::argmax(chunk.teacher_CV, 1)).sum());
      });
  return figures;
}

}  // namespace distill
