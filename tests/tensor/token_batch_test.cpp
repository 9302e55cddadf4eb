#include "distill/tensor/token_batch.h"

#include <gtest/gtest.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>

#include "distill/tensor/device.h"

namespace distill {
namespace {

TokenBatch small_batch() {
  TokenBatch batch;
  batch.ids_BT = at::arange(6).view({2, 3});
  batch.positions_BT = batch.documents_BT = batch.targets_BT = batch.ids_BT;
  batch.row_keys_B = at::arange(2);
  batch.kept_N = at::arange(4);  // no kept_targets_N: a tensor may be left out
  batch.num_kept = 4;
  batch.document_lengths = {{3}, {1, 2}};
  return batch;
}

TEST(TokenBatch, KeepsItsCountsWhenItMoves) {
  const TokenBatch moved = small_batch().to(at::kCPU);
  EXPECT_EQ(moved.rows(), 2);
  EXPECT_EQ(moved.length(), 3);
  EXPECT_EQ(moved.num_kept, 4);
  EXPECT_EQ(moved.document_lengths, small_batch().document_lengths);
  EXPECT_FALSE(moved.kept_targets_N.defined());
}

TEST(TokenBatch, MovesEveryTensorToTheGpu_CUDA) {
  if (!has_cuda()) GTEST_SKIP() << "needs a CUDA GPU: " << why_no_cuda().reason;
  const TokenBatch batch = small_batch(), moved = batch.to(at::Device(at::kCUDA, 0));
  for (const at::Tensor& tensor :
       {moved.ids_BT, moved.positions_BT, moved.documents_BT, moved.targets_BT, moved.row_keys_B, moved.kept_N})
    EXPECT_TRUE(tensor.is_cuda());
  EXPECT_TRUE(at::equal(moved.ids_BT.cpu(), batch.ids_BT));
}

}  // namespace
}  // namespace distill
