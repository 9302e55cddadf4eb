// Loading takes the model as it is placed, the largest tensor and 64 MB: measured on a checkpoint of 1 GB in every form.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "distill/core/json_reader.h"

#include "system/process.h"
#include "system/sparse_checkpoint.h"

namespace distill::test {
namespace {

constexpr SparseLlama kLlama{2048, 8192, 6, 16, 32000};
constexpr uint64_t kSlack = uint64_t{64} << 20;

struct Form {
  const char* name;
  SparseForm form;
  size_t num_files;
};

class LoadingMemory : public testing::TestWithParam<Form> {};

uint64_t stored_bytes() {
  const auto tensors = kLlama.tensors();
  return std::accumulate(tensors.begin(), tensors.end(), uint64_t{0},
                         [](uint64_t sum, const SparseTensor& tensor) { return sum + tensor.bytes(); });
}

uint64_t largest_tensor() {
  uint64_t largest = 0;
  for (const SparseTensor& tensor : kLlama.tensors()) largest = std::max(largest, tensor.bytes());
  return largest;
}

TEST_P(LoadingMemory, IsTheModelAsPlacedTheLargestTensorAnd64Megabytes) {
  ASSERT_GE(stored_bytes(), uint64_t{1'000'000'000});
  const Workplace place;
  write_sparse_folder(place.file("model"), kLlama, GetParam().form, GetParam().num_files);
  place.write("rows.jsonl", "{\"input_ids\": [1, 2]}\n");
  const uint64_t program = place.run({"version"}).peak_rss_bytes;
  for (const auto& [dtype, widening] : {std::pair("float32", 2), std::pair("float16", 1)}) {
    const Outcome outcome = place.run({"forward", "--model", "model", "--input", "rows.jsonl", "--output", "out.safetensors",
                                       "--dtype", dtype, "--device", "cpu"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const uint64_t placed = stored_bytes() * static_cast<uint64_t>(widening);
    EXPECT_LE(outcome.peak_rss_bytes, program + placed + largest_tensor() + kSlack)
        << dtype << ": " << (outcome.peak_rss_bytes - program - placed) / 1e6 << " MB beside the model";
    RecordProperty(dtype, std::to_string(outcome.peak_rss_bytes));
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, LoadingMemory,
                         testing::Values(Form{"safetensors", SparseForm::safetensors, 1},
                                         Form{"safetensors_shards", SparseForm::safetensors, 3},
                                         Form{"torch_zip", SparseForm::torch_zip, 1},
                                         Form{"torch_zip_shards", SparseForm::torch_zip, 3}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace distill::test
