// The row kernels of the logits terms: many rows of logits in, values out, gradients written over the student's logits.
// Raw pointers only, so that the CUDA side needs no torch header.
#pragma once

#include <cstdint>

#include "distill/kernels/divergence_row.h"

namespace distill {

enum class RowType : int { float64, float32, float16, bfloat16 };

// Both sides are dense [num_rows, vocab] of the same type. `targets` may be null when no term reads labels.
struct RowBatch {
  void* student = nullptr;
  const void* teacher = nullptr;  // null when no term reads the teacher
  const int64_t* targets = nullptr;
  const signed char* marks = nullptr;  // uld: [num_rows, vocab], see TokenPair::mark; null without it
  const double* uld_values = nullptr;  // uld: [num_rows]
  const float* loss_scale = nullptr;   // on the rows' device; null = 1
  double* values = nullptr;            // [num_rows, num_terms]
  int64_t num_rows = 0;
  int64_t vocab = 0;
};

template <class Element>
DISTILL_ROW_FUNCTION RowData<Element> row_data(const RowBatch& batch, Element* student, const Element* teacher, int64_t row) {
  const int64_t begin = row * batch.vocab;
  RowData<Element> data;
  data.student = student + begin;
  data.teacher = teacher ? teacher + begin : nullptr;
  data.marks = batch.marks ? batch.marks + begin : nullptr;
  data.vocab = batch.vocab;
  data.target = batch.targets ? batch.targets[row] : -1;
  data.uld_value = batch.uld_values ? batch.uld_values[row] : 0;
  return data;
}

// float64 rows use std::exp one by one. Other types compute in float32 vectors of the widest kind that this CPU has.
// Rows are spread over threads; the result does not depend on their number.
void divergence_rows_cpu(RowType type, const RowPlan& plan, const RowBatch& batch);
// The same rows through the named instruction set: "baseline", "avx2", "avx512". For tests; false when this CPU lacks it.
bool divergence_rows_cpu_with(const char* instructions, RowType type, const RowPlan& plan, const RowBatch& batch);
// One block of threads per row, on `stream` (a cudaStream_t). Throws Bug without CUDA.
void divergence_rows_cuda(RowType type, const RowPlan& plan, const RowBatch& batch, void* stream);

}  // namespace distill
