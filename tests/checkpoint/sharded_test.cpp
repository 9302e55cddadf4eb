// Checkpoints in several files: a real one of the Python library, and indices that attack or lie.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>

#include "distill/checkpoint/open.h"
#include "distill/checkpoint/safetensors.h"
#include "distill/core/json_reader.h"

#include "files.h"
#include "paths.h"

namespace distill {
namespace {

using test::input_error;
using test::TemporaryFolder;
using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kIndex = "model.safetensors.index.json";

// Two shards, one.safetensors with a and two.safetensors with b, under an index that the test gives.
std::string complaint_about(const Json& index) {
  const TemporaryFolder folder;
  write_safetensors(folder / "one.safetensors", {{"a", at::zeros({1})}});
  write_safetensors(folder / "two.safetensors", {{"b", at::zeros({1})}});
  test::write_bytes(folder / kIndex, index.dump());
  return input_error([&] { open_sharded_weights(folder / kIndex); });
}

std::string complaint_about_map(const Json& weight_map) { return complaint_about({{"weight_map", weight_map}}); }

TEST(ShardedSafetensors, ReadsTheShardsOfThePythonLibraryAsOne) {
  const fs::path folder = test::test_data("checkpoint/sharded");
  const Json golden = read_json_file((folder / "bytes.json").string());
  const auto source = open_sharded_weights(folder / kIndex);
  ASSERT_EQ(source->tensors().size(), golden.size());
  for (size_t i = 0; i < source->tensors().size(); ++i) {
    const at::Tensor tensor = source->read(i, at::kBFloat16, at::kCPU);
    std::string hex;
    char digits[3];
    for (size_t b = 0; b < tensor.nbytes(); ++b) {
      std::snprintf(digits, sizeof digits, "%02x", static_cast<const unsigned char*>(tensor.data_ptr())[b]);
      hex += digits;
    }
    EXPECT_EQ(hex, golden.at(source->tensors()[i].name).get<std::string>());
  }
}

TEST(ShardedSafetensors, RefusesNamesThatLeaveTheFolder) {
  for (const char* name : {"../one.safetensors", "/etc/one.safetensors", "sub/one.safetensors", "..", ".", "",
                           "a\\..\\one.safetensors", "./one.safetensors", "..safetensors"})
    EXPECT_THAT(complaint_about_map({{"a", name}}), HasSubstr("plain file names")) << name;
  EXPECT_THAT(complaint_about_map({{"a", std::string("one.safetensors\0.safetensors", 28)}}), HasSubstr("plain file names"));
}

TEST(ShardedSafetensors, FollowsSymbolicLinksAsTheLocalHubCacheNeedsThem) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "blobs");
  fs::create_directory(folder / "snapshot");
  write_safetensors(folder / "blobs/0123", {{"a", at::zeros({1})}});
  fs::create_symlink("../blobs/0123", folder / "snapshot/one.safetensors");
  test::write_bytes(folder / "snapshot" / kIndex, R"({"weight_map":{"a":"one.safetensors"}})");
  EXPECT_EQ(open_sharded_weights(folder / "snapshot" / kIndex)->tensors().size(), 1u);
}

TEST(ShardedSafetensors, NamesEveryMissingShard) {
  EXPECT_THAT(
      complaint_about_map({{"a", "one.safetensors"}, {"c", "three.safetensors"}, {"d", "four.safetensors"}}),
      AllOf(HasSubstr("three.safetensors"), HasSubstr("four.safetensors"), testing::Not(HasSubstr("no one.safetensors"))));
}

TEST(ShardedSafetensors, RefusesAnIndexThatNamesTheWrongShard) {
  EXPECT_THAT(complaint_about_map({{"a", "two.safetensors"}, {"b", "one.safetensors"}}), HasSubstr("\"a\" in two.safetensors"));
  EXPECT_THAT(complaint_about_map({{"a", "one.safetensors"}, {"c", "one.safetensors"}}), HasSubstr("\"c\""));
}

TEST(ShardedSafetensors, RefusesATensorThatLiesInTwoShards) {
  const TemporaryFolder folder;
  write_safetensors(folder / "one.safetensors", {{"a", at::zeros({1})}, {"b", at::zeros({1})}});
  write_safetensors(folder / "two.safetensors", {{"b", at::zeros({1})}});
  test::write_bytes(folder / kIndex, R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  EXPECT_THAT(input_error([&] { open_sharded_weights(folder / kIndex); }), HasSubstr("\"b\""));
}

TEST(ShardedSafetensors, ShowsTensorsThatTheIndexForgot) {
  const TemporaryFolder folder;
  write_safetensors(folder / "one.safetensors", {{"a", at::zeros({1})}, {"extra", at::zeros({1})}});
  test::write_bytes(folder / kIndex, R"({"weight_map":{"a":"one.safetensors"}})");
  EXPECT_EQ(open_sharded_weights(folder / kIndex)->tensors().size(), 2u);  // the model refuses it if it has no place for it
}

TEST(ShardedSafetensors, RefusesAMalformedIndex) {
  EXPECT_THAT(complaint_about(Json::array()), HasSubstr("weight_map"));
  EXPECT_THAT(complaint_about(Json::object()), HasSubstr("weight_map"));
  EXPECT_THAT(complaint_about_map(Json::object()), HasSubstr("weight_map"));
  EXPECT_THAT(complaint_about_map({{"a", 1}}), HasSubstr("file name"));
  const TemporaryFolder folder;
  test::write_bytes(folder / kIndex, R"({"weight_map":{"a":"one.safetensors","a":"two.safetensors"}})");
  EXPECT_THAT(input_error([&] { open_sharded_weights(folder / kIndex); }), HasSubstr("twice"));
}

TEST(ShardedSafetensors, RefusesFilesOfTwoFormats) {
  const TemporaryFolder folder;
  write_safetensors(folder / "one.safetensors", {{"a", at::zeros({1})}});
  fs::copy(test::test_data("checkpoint/torch/lone.pt"), folder / "two.bin");
  test::write_bytes(folder / kIndex, R"({"weight_map":{"a":"one.safetensors","tensor":"two.bin"}})");
  EXPECT_THAT(input_error([&] { open_sharded_weights(folder / kIndex); }), HasSubstr("one format"));
}

TEST(ShardedSafetensors, NamesTheShardThatIsDamaged) {
  const TemporaryFolder folder;
  write_safetensors(folder / "one.safetensors", {{"a", at::zeros({4})}});
  fs::resize_file(folder / "one.safetensors", fs::file_size(folder / "one.safetensors") - 1);
  test::write_bytes(folder / kIndex, R"({"weight_map":{"a":"one.safetensors"}})");
  EXPECT_THAT(input_error([&] { open_sharded_weights(folder / kIndex); }), HasSubstr("one.safetensors"));
}

}  // namespace
}  // namespace distill
