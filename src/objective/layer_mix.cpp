#include "distill/objective/layer_mix.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "distill/objective/sum_of_pieces.h"

#include "logits_sides.h"

namespace distill {
namespace {

constexpr int64_t kRowsOfAPiece = 512;

}  // namespace

at::Tensor make_layer_mix(int64_t num_layers, const at::TensorOptions& options) {
  return at::zeros({num_layers}, options).requires_grad_();
}

at::Tensor mixed_sum(RowLoss loss, const at::Tensor& student_ND, const at::Tensor& mix_L,
                     const std::vector<at::Tensor>& teacher_layers_BTD, const at::Tensor& positions_N) {
  const int64_t num_rows = student_ND.size(0);
  const auto rows_in = [num_rows](int64_t piece) { return std::min(kRowsOfAPiece, num_rows - piece * kRowsOfAPiece); };
  Pieces pieces;
  pieces.count = (num_rows + kRowsOfAPiece - 1) / kRowsOfAPiece;
  pieces.views = [rows_in](int64_t piece, const std::vector<at::Tensor>& inputs) -> std::vector<at::Tensor> {
    return {inputs[0].narrow(0, piece * kRowsOfAPiece, rows_in(piece)), inputs[1]};
  };
  pieces.value = [=](int64_t piece, const std::vector<at::Tensor>& views) {
    const at::Tensor here_N = positions_N.narrow(0, piece * kRowsOfAPiece, rows_in(piece));
    const at::Tensor shares_L = at::softmax(views[1].to(views[0].scalar_type()), 0);
    at::Tensor mixed_ND;
    for (size_t l = 0; l < teacher_layers_BTD.size(); ++l) {
      const at::Tensor rows_ND = rows_at(teacher_layers_BTD[l], here_N).to(views[0].scalar_type());
      const at::Tensor share_ND = shares_L[static_cast<int64_t>(l)] * rows_ND;
      mixed_ND = mixed_ND.defined() ? mixed_ND + share_ND : share_ND;
    }
    return loss(views[0], mixed_ND);
  };
  return sum_of_pieces({student_ND, mix_L}, std::move(pieces));
}

}  // namespace distill
