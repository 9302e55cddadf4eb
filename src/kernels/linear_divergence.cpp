#include "distill/kernels/linear_divergence.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "distill/core/error.h"
#include "distill/kernels/gemm.h"
#include "distill/tensor/transfer.h"

#include "uld.h"

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

// `rows` rows of a kept buffer: made at the first use, or when a call needs more.
at::Tensor workspace(at::Tensor& held, int64_t rows, int64_t width, const at::TensorOptions& options) {
  const bool fits = held.defined() && held.scalar_type() == c10::typeMetaToScalarType(options.dtype()) &&
                    held.device() == options.device() && held.size(1) == width && held.size(0) >= rows;
  if (!fits) held.reset();  // let go first: never two of them
  if (!fits) held = at::empty({rows, width}, options.requires_grad(false));
  return held.narrow(0, 0, rows);
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
    plan.terms[place].slot = static_cast<int>(order[place]);
    plan.terms[place].mix = term.mix;
    plan.terms[place].top_k = term.top_k;
    plan.terms[place].z_loss = term.z_loss;
    plan.reads_teacher[plan.num_temperatures - 1] |= walks_teacher(term.kind);
    plan.any_teacher |= walks_teacher(term.kind);
    plan.any_first_sums |= needs_first_sums(term.kind);
    plan.values_need_first_sums |= values_need_first_sums(term.kind);
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

int64_t block_rows(int64_t chunk, const at::Tensor& rows_ND) {
  if (rows_ND.is_cpu() || rows_ND.element_size() > 2) return chunk;
  return std::max<int64_t>(1, 1024 / chunk) * chunk;
}

LinearDivergence::LinearDivergence(std::vector<LogitsTerm> terms, int64_t rows_per_chunk, int64_t rows_per_block)
    : rows_per_chunk_(rows_per_chunk), rows_per_block_(rows_per_block) {
  set_terms(std::move(terms));
}

void LinearDivergence::set_terms(std::vector<LogitsTerm> terms) {
  refuse_more_than(kMaxTerms, terms.size(), "logits terms");
  const auto is_uld = [](const LogitsTerm& term) { return term.kind == Divergence::uld; };
  refuse_more_than(1, static_cast<size_t>(std::count_if(terms.begin(), terms.end(), is_uld)), "uld term");
  terms_ = std::move(terms);
  place_.resize(terms_.size());
  std::vector<int64_t> order(terms_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return terms_[a].temperature < terms_[b].temperature; });
  for (size_t place = 0; place < order.size(); ++place) place_[order[place]] = static_cast<int64_t>(place);
  plan_ = make_plan(terms_, order);
  const auto uld = std::find_if(terms_.begin(), terms_.end(), is_uld);
  uld_ = uld == terms_.end() ? nullptr : &*uld;
}

RowPlan LinearDivergence::scaled_plan(double divisor, const Student& student, bool write_gradient) const {
  RowPlan plan = plan_;
  for (size_t i = 0; i < terms_.size(); ++i) {
    RowTerm& row = plan.terms[place_[i]];
    const bool of_pairs = student.pairs && terms_[i].kind == Divergence::uld;
    row.value_factor = temperature_factor(terms_[i]) / (of_pairs ? student.pairs_divisor : divisor);
    row.gradient_factor = terms_[i].weight * row.value_factor / terms_[i].temperature;
  }
  plan.soft_cap = student.head.soft_cap;
  plan.write_gradient = write_gradient;
  return plan;
}

void LinearDivergence::run_chunk(const Student& student, const Chunk& chunk, const at::Tensor& targets_N, const RowPlan& plan,
                                 const at::Tensor& loss_scale, const at::Tensor& values_NK) {
  RowBatch batch;
  batch.num_rows = chunk.student_CV.size(0);
  batch.vocab = student.vocab;
  UldMarks marks;
  if (uld_) {
    const auto options = chunk.student_CV.options().dtype(at::kChar);
    marks = uld_marks(chunk.student_CV, chunk.teacher_CV, uld_->temperature,
                      workspace(mark_space_, batch.num_rows, student.vocab, options), chunk.paired_P);
    batch.marks = marks.signs_CV.const_data_ptr<int8_t>();
    batch.uld_values = marks.values_C.const_data_ptr<double>();
  }
  batch.student = chunk.student_CV.data_ptr();
  batch.teacher = plan.any_teacher ? chunk.teacher_CV.data_ptr() : nullptr;
  batch.targets = targets_N.defined() ? targets_N.const_data_ptr<int64_t>() + chunk.begin : nullptr;
  batch.loss_scale = loss_scale.defined() ? loss_scale.const_data_ptr<float>() : nullptr;
  batch.values = values_NK.mutable_data_ptr<double>() + chunk.begin * plan.num_terms;
  launch(plan, batch, chunk.student_CV);
}

void LinearDivergence::read_teacher(const Student& student, const RowSource& teacher, Chunk& chunk) {
  int64_t begin = chunk.begin, count = chunk.student_CV.size(0);
  if (student.pairs) {
    const std::vector<int64_t>& rows = student.pairs->rows;
    const auto first = std::lower_bound(rows.begin(), rows.end(), chunk.begin);
    begin = first - rows.begin();
    count = std::lower_bound(first, rows.end(), chunk.begin + count) - first;
    chunk.paired_P = student.pairs->rows_P.narrow(0, begin, count).sub(chunk.begin);
  }
  const int64_t vocab = student.teacher_vocab > 0 ? student.teacher_vocab : student.vocab;
  chunk.teacher_CV = workspace(teacher_space_, count, vocab, student.rows_ND.options());
  if (count > 0) teacher.write_logits(begin, chunk.teacher_CV);
}

template <class AfterChunk, class AfterBlock>
at::Tensor LinearDivergence::over_blocks(const Student& student, const RowSource* teacher, const at::Tensor& targets_N,
                                         const RowPlan& plan, const at::Tensor& loss_scale, const AfterChunk& after_chunk,
                                         const AfterBlock& after_block) {
  const int64_t num_rows = student.rows_ND.size(0);
  const int64_t teacher_vocab = student.teacher_vocab > 0 ? student.teacher_vocab : student.vocab;
  const bool reads_teacher = plan.any_teacher || uld_;
  if (reads_teacher && (!teacher || teacher->num_rows() != (student.pairs ? student.pairs->size() : num_rows)))
    throw Bug("teacher rows that do not pair with the student's");
  if (plan.any_teacher && (teacher_vocab != student.vocab || student.pairs))
    throw Bug("vocabularies or rows that differ under a term other than uld");
  const HeadRows student_rows(student.rows_ND, student.head);
  const at::Tensor values_NK =
      at::empty({num_rows, plan.num_terms}, student.rows_ND.options().dtype(at::kDouble).requires_grad(false));
  const int64_t chunk_size = rows_per_chunk_ > 0 ? rows_per_chunk_ : chunk_rows(student.vocab, student.rows_ND.scalar_type());
  const int64_t block_size = rows_per_block_ > 0 ? rows_per_block_ : block_rows(chunk_size, student.rows_ND);
  for (int64_t begin = 0; begin < num_rows; begin += block_size) {
    const int64_t end = std::min(begin + block_size, num_rows);
    const Block block{begin, workspace(student_space_, end - begin, student.vocab, student.rows_ND.options())};
    for (int64_t at = begin; at < end; at += chunk_size) {
      const int64_t count = std::min(chunk_size, end - at);
      Chunk chunk{at, block.student_CV.narrow(0, at - begin, count), {}, {}};
      student_rows.write_logits(at, chunk.student_CV);
      if (reads_teacher) read_teacher(student, *teacher, chunk);
      run_chunk(student, chunk, targets_N, plan, loss_scale, values_NK);
      after_chunk(chunk);
    }
    after_block(block);
  }
  return values_NK.sum(0);
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
  const auto write_gradients = [&](const Block& block) {
    const int64_t count = block.student_CV.size(0);
    if (student.rows_gradient)
      write_rows_gradient(result.rows_gradient_ND.narrow(0, block.begin, count), block.student_CV, student.head);
    if (student.weight_gradient_VD.defined())
      gemm::add_mm_(student.weight_gradient_VD.narrow(0, 0, student.vocab), block.student_CV.t(),
                    student.rows_ND.narrow(0, block.begin, count));
    if (student.bias_gradient_V.defined())
      student.bias_gradient_V.narrow(0, 0, student.vocab)
          .add_(block.student_CV.sum(0, /*keepdim=*/false, student.bias_gradient_V.scalar_type()));
  };
  result.values = over_blocks(
      student, teacher, targets_N, scaled_plan(divisor, student, anything), loss_scale, [](const Chunk&) {}, write_gradients);
  return result;
}

LinearDivergence::Figures LinearDivergence::evaluate(const Student& student, const RowSource* teacher,
                                                     const at::Tensor& targets_N) {
  const at::NoGradGuard no_grad;
  Figures figures;
  if (teacher) figures.agreement = at::zeros({}, student.rows_ND.options().dtype(at::kLong).requires_grad(false));
  const auto count_agreement = [&](const Chunk& chunk) {
    if (chunk.teacher_CV.defined())
      figures.agreement.add_(at::argmax(chunk.student_CV, 1).eq(at::argmax(chunk.teacher_CV, 1)).sum());
  };
  figures.values =
      over_blocks(student, teacher, targets_N, scaled_plan(1, student, false), {}, count_agreement, [](const Block&) {});
  return figures;
}

}  // namespace distill
