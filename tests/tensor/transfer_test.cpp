// Transfers on a CPU, where each is the plain thing; tests/gpu holds them to a GPU.
#include "distill/tensor/transfer.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>

using namespace distill;

namespace {

TokenBatch batch_of_two() {
  TokenBatch batch;
  batch.ids_BT = at::tensor(std::vector<int64_t>{4, 5, 6, 7, 8, 0}, at::kLong).view({2, 3});
  batch.positions_BT = batch.documents_BT = batch.targets_BT = batch.ids_BT;
  batch.row_keys_B = at::tensor(std::vector<int64_t>{11, 12}, at::kLong);
  batch.kept_N = batch.kept_targets_N = at::tensor(std::vector<int64_t>{0, 1}, at::kLong);
  batch.num_kept = 2;
  batch.num_tokens = 5;
  batch.document_lengths = {{3}, {2}};
  return batch;
}

TEST(Transfer, OnACpuNothingIsCopied) {
  const at::Tensor x = at::randn({3});
  EXPECT_TRUE(send(x, at::kCPU).is_same(x));
  const TokenBatch batch = batch_of_two();
  EXPECT_TRUE(BatchCopies(at::kCPU)(batch).ids_BT.is_same(batch.ids_BT));
}

TEST(Transfer, WhatIsOnTheHostIsReadBackAtOnce) {
  const at::Tensor x = at::randn({3});
  const ReadBack back(x);
  EXPECT_TRUE(back.ready());
  EXPECT_TRUE(back.wait().is_same(x));
}

TEST(Transfer, TheFirstRowOfABatchHasItsOwnCountsAndNoLabels) {
  const TokenBatch row = first_row(batch_of_two());
  EXPECT_TRUE(at::equal(row.ids_BT, at::tensor(std::vector<int64_t>{4, 5, 6}, at::kLong).view({1, 3})));
  EXPECT_EQ(row.row_keys_B.item<int64_t>(), 11);
  EXPECT_EQ(row.num_tokens, 3);
  EXPECT_EQ(row.num_kept, 0);
  EXPECT_EQ(row.document_lengths, (std::vector<std::vector<int64_t>>{{3}}));
  EXPECT_FALSE(row.kept_N.defined());
}

}  // namespace
