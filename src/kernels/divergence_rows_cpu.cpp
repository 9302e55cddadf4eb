// Picks the widest instructions that this CPU has and spreads the rows over threads.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>

#include "distill/kernels/divergence_rows.h"

#include "scalar_lanes.h"

namespace distill {

using RowRange = void (*)(RowType, const RowPlan&, const RowBatch&, int64_t, int64_t);
namespace baseline {
void divergence_rows(RowType type, const RowPlan& plan, const RowBatch& batch, int64_t begin, int64_t end);
}
namespace avx2 {
void divergence_rows(RowType type, const RowPlan& plan, const RowBatch& batch, int64_t begin, int64_t end);
}
namespace avx512 {
void divergence_rows(RowType type, const RowPlan& plan, const RowBatch& batch, int64_t begin, int64_t end);
}

namespace {

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

RowRange widest() {
  if (has_avx512()) return avx512::divergence_rows;
  return has_avx2() ? avx2::divergence_rows : baseline::divergence_rows;
}

void float64_rows(RowType, const RowPlan& plan, const RowBatch& batch, int64_t begin, int64_t end) {
  const double scale = batch.loss_scale ? static_cast<double>(*batch.loss_scale) : 1.0;
  auto* student = static_cast<double*>(batch.student);
  const auto* teacher = static_cast<const double*>(batch.teacher);
  with_shape(plan, [&](auto shape) {
    for (int64_t row = begin; row < end; ++row)
      divergence_row<decltype(shape)>(ScalarLanes{}, plan, row_data(batch, student, teacher, row), scale,
                                      batch.values + row * plan.num_terms);
  });
}

void spread(RowRange range, RowType type, const RowPlan& plan, const RowBatch& batch) {
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, batch.vocab));  // a thread is worth some work
  at::parallel_for(0, batch.num_rows, grain, [&](int64_t begin, int64_t end) { range(type, plan, batch, begin, end); });
}

}  // namespace

void divergence_rows_cpu(RowType type, const RowPlan& plan, const RowBatch& batch) {
  static const RowRange float32_rows = widest();
  spread(type == RowType::float64 ? float64_rows : float32_rows, type, plan, batch);
}

bool divergence_rows_cpu_with(const char* instructions, RowType type, const RowPlan& plan, const RowBatch& batch) {
  const bool wants_avx512 = std::strcmp(instructions, "avx512") == 0, wants_avx2 = std::strcmp(instructions, "avx2") == 0;
  if ((wants_avx512 && !has_avx512()) || (wants_avx2 && !has_avx2())) return false;
  spread(wants_avx512 ? avx512::divergence_rows
         : wants_avx2 ? avx2::divergence_rows
                      : baseline::divergence_rows,
         type, plan, batch);
  return true;
}

}  // namespace distill
