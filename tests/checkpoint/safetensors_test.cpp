// Reading and writing safetensors: bit-equal round trips, and files of the Python library (scripts/goldens/make_checkpoint.py).
#include "distill/checkpoint/safetensors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/complex.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include <cstring>

#include "distill/core/json_reader.h"
#include "distill/tensor/dtype.h"

#include "files.h"
#include "paths.h"

namespace distill {
namespace {

using test::TemporaryFolder;

std::string bytes_of(const at::Tensor& tensor) {
  const at::Tensor whole = tensor.contiguous();
  return {static_cast<const char*>(whole.data_ptr()), static_cast<size_t>(whole.nbytes())};
}

std::string hex(const std::string& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) (text += kDigits[byte >> 4]) += kDigits[byte & 15];
  return text;
}

at::Tensor read_by_name(const TensorSource& source, const std::string& name, at::ScalarType dtype) {
  for (size_t i = 0; i < source.tensors().size(); ++i)
    if (source.tensors()[i].name == name) return source.read(i, dtype, at::kCPU);
  throw std::runtime_error("no tensor " + name);
}

std::vector<NamedTensor> read_all(const TensorSource& source) {
  std::vector<NamedTensor> tensors;
  for (size_t i = 0; i < source.tensors().size(); ++i)
    tensors.push_back({source.tensors()[i].name, source.read(i, source.tensors()[i].dtype, at::kCPU)});
  return tensors;
}

TEST(Safetensors, ReadsEveryDtypeOfThePythonLibraryBitForBit) {
  const auto source = open_safetensors(test::test_data("checkpoint/every_dtype.safetensors"));
  const Json golden = read_json_file(test::test_data("checkpoint/every_dtype.json").string())["tensors"];
  ASSERT_EQ(source->tensors().size(), golden.size());
  for (size_t i = 0; i < golden.size(); ++i) {
    const TensorMeta& meta = source->tensors()[i];
    SCOPED_TRACE(meta.name);
    const Json& expected = golden.at(meta.name);
    EXPECT_EQ(dtype_word(meta.dtype), expected["dtype"].get<std::string>());
    EXPECT_EQ(meta.shape, expected["shape"].get<std::vector<int64_t>>());
    const at::Tensor tensor = source->read(i, meta.dtype, at::kCPU);
    EXPECT_EQ(tensor.sizes(), at::IntArrayRef(meta.shape));
    EXPECT_TRUE(tensor.is_contiguous());
    EXPECT_EQ(hex(bytes_of(tensor)), expected["bytes"].get<std::string>());
    EXPECT_EQ(meta.bytes * 2, expected["bytes"].get<std::string>().size());
  }
}

TEST(Safetensors, WritesTheBytesThatThePythonLibraryWrites) {
  const TemporaryFolder folder;
  const fs::path theirs = test::test_data("checkpoint/every_dtype.safetensors");
  write_safetensors(folder / "ours.safetensors", read_all(*open_safetensors(theirs)));
  EXPECT_EQ(read_file(folder / "ours.safetensors"), read_file(theirs));
}

TEST(Safetensors, ConvertsOnTheWayInAsTorchConverts) {
  const TemporaryFolder folder;
  const at::Tensor stored = at::randn({1000, 33}).to(at::kBFloat16);
  write_safetensors(folder / "a.safetensors", {{"a", stored}});
  const auto source = open_safetensors(folder / "a.safetensors");
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16})
    EXPECT_TRUE(at::equal(source->read(0, dtype, at::kCPU), stored.to(dtype))) << dtype;
}

TEST(Safetensors, ConvertsEveryRealDtypeToFloat) {
  const auto source = open_safetensors(test::test_data("checkpoint/every_dtype.safetensors"));
  for (size_t i = 0; i < source->tensors().size(); ++i) {
    const TensorMeta& meta = source->tensors()[i];
    SCOPED_TRACE(meta.name);
    if (c10::isComplexType(meta.dtype)) {
      EXPECT_THROW(source->read(i, at::kFloat, at::kCPU), InputError);
      continue;
    }
    const at::Tensor expected = source->read(i, meta.dtype, at::kCPU).to(at::kFloat);
    EXPECT_EQ(bytes_of(source->read(i, at::kFloat, at::kCPU)), bytes_of(expected));
  }
}

TEST(Safetensors, ConvertsTensorsLargerThanOnePiece) {
  const TemporaryFolder folder;
  const at::Tensor stored = at::randn({(9 << 20) + 5}).to(at::kHalf);  // 18 MB: two pieces
  write_safetensors(folder / "a.safetensors", {{"a", stored}});
  EXPECT_TRUE(at::equal(open_safetensors(folder / "a.safetensors")->read(0, at::kFloat, at::kCPU), stored.to(at::kFloat)));
}

TEST(Safetensors, ConvertsFloatingTensorsOnTheWayOutAndLeavesTheRest) {
  const TemporaryFolder folder;
  const at::Tensor weights = at::randn({7, 3}), ids = at::arange(5);
  SafetensorsOptions options;
  options.dtype = at::kHalf;
  write_safetensors(folder / "a.safetensors", {{"weights", weights}, {"ids", ids}}, options);
  const auto source = open_safetensors(folder / "a.safetensors");
  EXPECT_TRUE(at::equal(read_by_name(*source, "weights", at::kHalf), weights.to(at::kHalf)));
  EXPECT_TRUE(at::equal(read_by_name(*source, "ids", at::kLong), ids));
  EXPECT_EQ(source->tensors()[0].dtype, at::kLong);
  EXPECT_EQ(source->tensors()[1].dtype, at::kHalf);
}

TEST(Safetensors, WritesViewsAsWhatTheyShow) {
  const TemporaryFolder folder;
  const at::Tensor base = at::randn({6, 8});
  const at::Tensor complex = at::complex(base, base.flip(0));
  write_safetensors(folder / "a.safetensors", {{"t", base.t()}, {"part", base.narrow(1, 2, 3)}, {"conj", complex.conj()}});
  const auto source = open_safetensors(folder / "a.safetensors");
  EXPECT_TRUE(at::equal(read_by_name(*source, "t", at::kFloat), base.t()));
  EXPECT_TRUE(at::equal(read_by_name(*source, "part", at::kFloat), base.narrow(1, 2, 3)));
  EXPECT_TRUE(at::equal(read_by_name(*source, "conj", at::kComplexFloat), complex.conj().resolve_conj()));
}

TEST(Safetensors, ReadsBytesOfABoolThatAreNeitherZeroNorOneAsTrue) {
  const TemporaryFolder folder;
  const std::string header = R"({"a":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}})";
  test::write_bytes(folder / "a.safetensors", test::little_endian(header.size()) + header + std::string("\x00\x02\xff", 3));
  EXPECT_EQ(bytes_of(open_safetensors(folder / "a.safetensors")->read(0, at::kBool, at::kCPU)), std::string("\x00\x01\x01", 3));
}

TEST(Safetensors, ReadsTensorsAtOddOffsets) {
  const TemporaryFolder folder;
  const std::string header =
      R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})";
  test::write_bytes(folder / "a.safetensors", test::safetensors_bytes(header, 9));
  EXPECT_TRUE(at::equal(open_safetensors(folder / "a.safetensors")->read(1, at::kFloat, at::kCPU), at::zeros({2})));
}

TEST(Safetensors, KeepsMetadata) {
  const TemporaryFolder folder;
  SafetensorsOptions options;
  options.metadata = {{"format", "pt"}, {"step", "100"}};
  write_safetensors(folder / "a.safetensors", {{"a", at::zeros({1})}}, options);
  EXPECT_EQ(safetensors_metadata(folder / "a.safetensors"), options.metadata);
}

TEST(Safetensors, PadsTheHeaderSoThatDataIsAligned) {
  const TemporaryFolder folder;
  for (int length = 1; length < 10; ++length) {
    write_safetensors(folder / "a.safetensors", {{std::string(length, 'x'), at::zeros({1}, at::kDouble)}});
    const std::string bytes = read_file(folder / "a.safetensors");
    EXPECT_EQ((bytes.size() - sizeof(double)) % 8, 0u);
  }
}

TEST(Safetensors, HoldsNothingAtAll) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors", {});
  EXPECT_TRUE(open_safetensors(folder / "a.safetensors")->tensors().empty());
}

TEST(Safetensors, RefusesToWriteWhatItCouldNotReadBack) {
  const TemporaryFolder folder;
  const at::Tensor one = at::zeros({1});
  const fs::path file = folder / "a.safetensors";
  EXPECT_THROW(write_safetensors(file, {{"a", one}, {"a", one}}), Bug);
  EXPECT_THROW(write_safetensors(file, {{"__metadata__", one}}), Bug);
  EXPECT_THROW(write_safetensors(file, {{"a", at::Tensor()}}), Bug);
  EXPECT_THROW(write_safetensors(file, {{"a", one.to(at::kComplexDouble)}}), Bug);
  EXPECT_FALSE(fs::exists(file));
}

TEST(Safetensors, SaysWhenTheDiskIsFull) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "needs /dev/full";
  try {
    write_safetensors("/dev/full", {{"a", at::zeros({1000})}});
    FAIL() << "no error";
  } catch (const IoError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::io);
  }
}

TEST(Safetensors, NamesAFileThatWasCutAfterItWasOpened) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors", {{"a", at::zeros({1000})}});
  const auto source = open_safetensors(folder / "a.safetensors");
  fs::resize_file(folder / "a.safetensors", 2000);
  EXPECT_NE(test::input_error([&] { source->read(0, at::kFloat, at::kCPU); }).find("a.safetensors"), std::string::npos);
}

int64_t peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST(Safetensors, HoldsOneTensorAndOnePieceWhileItConverts) {
  const TemporaryFolder folder;
  constexpr int64_t kElements = int64_t{48} << 20;  // 96 MiB stored, 192 MiB converted
  {
    std::string header = R"({"a":{"dtype":"F16","shape":[)" + std::to_string(kElements) + R"(],"data_offsets":[0,)" +
                         std::to_string(2 * kElements) + "]}}";
    test::write_bytes(folder / "a.safetensors", test::safetensors_bytes(header, 0));
    fs::resize_file(folder / "a.safetensors", 8 + header.size() + 2 * kElements);  // a hole: zeros
  }
  const auto source = open_safetensors(folder / "a.safetensors");
  { const at::Tensor warm = at::zeros({kElements}, at::kFloat); }  // the result's own size is not what is measured
  const int64_t before = peak_kib();
  EXPECT_EQ(source->read(0, at::kFloat, at::kCPU).numel(), kElements);
  EXPECT_LT(peak_kib() - before, 64 << 10) << "KiB beyond the converted tensor; the stored form alone has 96 MiB";
}

}  // namespace
}  // namespace distill
