// Files of torch.save: what torch wrote comes back bit for bit; what cannot be read is refused by name; damage is found.
#include "distill/checkpoint/torch_zip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ops/equal.h>

#include <set>

#include "distill/checkpoint/hf_folder.h"
#include "distill/checkpoint/open.h"
#include "distill/core/json_reader.h"
#include "distill/tensor/dtype.h"

#include "files.h"
#include "paths.h"
#include "torch_files.h"

namespace distill {
namespace {

using test::input_error;
using test::pickle_of;
using test::PickledTensor;
using test::TemporaryFolder;
using test::tensor_op;
using test::torch_parts;
using test::ZipPart;
using testing::AllOf;
using testing::HasSubstr;

fs::path golden(const std::string& name) { return test::test_data("checkpoint/torch") / name; }

std::string hex_of(const at::Tensor& tensor) {
  std::string hex;
  char digits[3];
  for (size_t i = 0; i < tensor.nbytes(); ++i) {
    std::snprintf(digits, sizeof digits, "%02x", static_cast<const unsigned char*>(tensor.data_ptr())[i]);
    hex += digits;
  }
  return hex;
}

void expect_golden(const std::string& name, const Json& wanted) {
  const auto source = open_weights(golden(name));
  ASSERT_EQ(source->tensors().size(), wanted["tensors"].size()) << name;
  for (size_t i = 0; i < source->tensors().size(); ++i) {
    const TensorMeta& meta = source->tensors()[i];
    ASSERT_TRUE(wanted["tensors"].contains(meta.name)) << name << ": " << meta.name;
    const Json& tensor = wanted["tensors"][meta.name];
    EXPECT_EQ(dtype_word(meta.dtype), tensor["dtype"].get<std::string>()) << name << ": " << meta.name;
    EXPECT_EQ(meta.shape, tensor["shape"].get<std::vector<int64_t>>()) << name << ": " << meta.name;
    const at::Tensor read = source->read(i, meta.dtype, at::kCPU);
    EXPECT_TRUE(read.is_contiguous());
    EXPECT_EQ(hex_of(read), tensor["bytes"].get<std::string>()) << name << ": " << meta.name;
  }
  const std::set<std::string> left_out(source->left_out().begin(), source->left_out().end());
  EXPECT_EQ(left_out, wanted["left_out"].get<std::set<std::string>>()) << name;
}

TEST(TorchZip, EveryFileOfTorchComesBackBitForBit) {
  const Json files = read_json_file(golden("expected.json").string())["files"];
  EXPECT_GE(files.size(), 14u);
  for (const auto& [name, wanted] : files.items())
    expect_golden(name == "sharded" ? "sharded/pytorch_model.bin.index.json" : name, wanted);
}

TEST(TorchZip, ReadsAFolderOfShards) { EXPECT_EQ(open_weights(golden("sharded"))->tensors().size(), 4u); }

TEST(TorchZip, ConvertsOnTheWay) {
  const auto source = open_torch_zip(golden("views.pt"));
  for (size_t i = 0; i < source->tensors().size(); ++i) {
    const at::Tensor stored = source->read(i, source->tensors()[i].dtype, at::kCPU);
    EXPECT_TRUE(at::equal(source->read(i, at::kDouble, at::kCPU).nan_to_num(), stored.to(at::kDouble).nan_to_num()))
        << source->tensors()[i].name;
  }
}

TEST(TorchZip, LargeViewsAreReadInPieces) {
  // 6 million floats, the transposed matrix and a column: more than one piece each.
  const int64_t rows = 3000, columns = 2000;
  std::string values(static_cast<size_t>(rows * columns) * 4, '\0');
  for (int64_t i = 0; i < rows * columns; ++i) reinterpret_cast<float*>(values.data())[i] = static_cast<float>(i);
  PickledTensor whole, transposed, column;
  whole.numel = transposed.numel = column.numel = rows * columns;
  whole.shape = {rows, columns}, whole.strides = {columns, 1};
  transposed.shape = {columns, rows}, transposed.strides = {1, columns};
  column.offset = 7, column.shape = {rows}, column.strides = {columns};
  const TemporaryFolder folder;
  const std::string items = "(" + test::text_op("w") + tensor_op(whole) + test::text_op("t") + tensor_op(transposed) +
                            test::text_op("c") + tensor_op(column) + "u";
  test::write_bytes(folder / "a.pt", test::zip_bytes(torch_parts(pickle_of("}" + items), values)));
  const auto source = open_torch_zip(folder / "a.pt");
  const at::Tensor w = source->read(0, at::kFloat, at::kCPU);
  EXPECT_EQ(w[2999][1999].item<float>(), 5999999.0f);
  EXPECT_TRUE(at::equal(source->read(1, at::kFloat, at::kCPU), w.t()));
  EXPECT_TRUE(at::equal(source->read(1, at::kHalf, at::kCPU), w.t().to(at::kHalf)));
  EXPECT_TRUE(at::equal(source->read(2, at::kFloat, at::kCPU), w.select(1, 7)));
}

TEST(TorchZip, AFolderOfTransformersBeforeSafetensorsIsAModelFolder) {
  const HfFolder old_form = open_hf_folder(golden("llama_bin"));
  const HfFolder new_form = open_hf_folder(test::test_data("model/llama_tied"));
  EXPECT_EQ(old_form.config, new_form.config);
  for (size_t i = 0; i < new_form.weights->tensors().size(); ++i) {
    const TensorMeta& meta = new_form.weights->tensors()[i];
    for (size_t j = 0; j < old_form.weights->tensors().size(); ++j)
      if (old_form.weights->tensors()[j].name == meta.name) {
        EXPECT_TRUE(at::equal(old_form.weights->read(j, meta.dtype, at::kCPU), new_form.weights->read(i, meta.dtype, at::kCPU)));
      }
  }
}

TEST(TorchZip, SafetensorsStandBeforeOlderForms) {
  const TemporaryFolder folder;
  fs::copy(golden("llama_bin/pytorch_model.bin"), folder / "pytorch_model.bin");
  EXPECT_EQ(open_weights(folder.path())->tensors().size(), 21u);
  fs::copy(test::test_data("checkpoint/every_dtype.safetensors"), folder / "model.safetensors");
  EXPECT_EQ(open_weights(folder.path())->tensors().size(), 57u);
}

TEST(TorchZip, BytesTellTheFormatNotNames) {
  const TemporaryFolder folder;
  fs::copy(golden("lone.pt"), folder / "model.safetensors");
  EXPECT_EQ(open_weights(folder.path())->tensors().front().name, "tensor");
  fs::copy(test::test_data("checkpoint/every_dtype.safetensors"), folder / "odd.bin");
  EXPECT_EQ(open_weights(folder / "odd.bin")->tensors().size(), 57u);
}

std::string complaint_about(const std::string& bytes) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "bad.pt", bytes);
  const std::string text = input_error([&] { open_torch_zip(folder / "bad.pt"); });
  if (!text.empty()) {
    EXPECT_THAT(text, HasSubstr("bad.pt"));
  }
  return text;
}

std::string complaint_about(const PickledTensor& tensor) {
  return complaint_about(test::zip_bytes(torch_parts(pickle_of(test::dict_op("the.weight", tensor_op(tensor))))));
}

TEST(TorchZip, WhatTorchWroteAndWeCannotReadIsRefusedByName) {
  const std::vector<std::pair<const char*, std::vector<const char*>>> cases = {
      {"refused_module.pt", {"torch.nn.modules.linear.Linear", "save_file"}},
      {"refused_namespace.pt", {"argparse.Namespace"}},
      {"refused_meta.pt", {"\"a.w\"", "meta device"}},
      {"refused_conjugate.pt", {"\"w\"", "conjugated"}},
      {"refused_sparse.pt", {"torch._utils._rebuild_sparse_tensor"}},
      {"refused_quantised.pt", {"torch._utils._rebuild_qtensor"}},
      {"refused_legacy.pt", {"before 1.6", "torch.load"}},
      {"refused_script.pt", {"TorchScript", "trust: torchscript"}},
      {"refused_compressed.pt", {"compression"}}};
  for (const auto& [name, words] : cases) {
    const std::string text = input_error([&, file = golden(name)] { open_weights(file); });
    for (const char* word : words) EXPECT_THAT(text, HasSubstr(word)) << name;
  }
}

TEST(TorchZip, ATensorThatDoesNotFitItsStorageIsNamed) {
  EXPECT_EQ(complaint_about(PickledTensor{}), "");
  const auto refused = [](auto change, const char* word) {
    PickledTensor tensor;
    change(tensor);
    EXPECT_THAT(complaint_about(tensor), AllOf(HasSubstr("\"the.weight\""), HasSubstr(word)));
  };
  refused([](PickledTensor& t) { t.offset = 1; }, "within its storage");
  refused([](PickledTensor& t) { t.offset = -1; }, "within its storage");
  refused([](PickledTensor& t) { t.offset = INT64_MAX; }, "within its storage");
  refused([](PickledTensor& t) { t.shape = {5}; }, "within its storage");
  refused([](PickledTensor& t) { t.strides = {2}; }, "within its storage");
  refused([](PickledTensor& t) { t.strides = {-1}; }, "strides from 0");
  refused([](PickledTensor& t) { t.shape = {-4}; }, "sizes from 0");
  refused([](PickledTensor& t) { t.shape = {2, 2}; }, "a stride for every size");
  refused([](PickledTensor& t) { t.shape = {INT64_MAX, 4}, t.strides = {1, 1}; }, "63 bits");
  refused([](PickledTensor& t) { t.shape = {2, 2}, t.strides = {INT64_MAX, INT64_MAX}; }, "63 bits");
  refused([](PickledTensor& t) { t.shape = {0, INT64_MAX, INT64_MAX}, t.strides = {1, 1, 1}; }, "63 bits");
  refused([](PickledTensor& t) { t.shape = {int64_t{1} << 40}, t.strides = {0}; }, "repeat its storage");
  refused([](PickledTensor& t) { t.numel = 5; }, "16 bytes");
  refused([](PickledTensor& t) { t.numel = -4; }, "16 bytes");
  refused([](PickledTensor& t) { t.numel = int64_t{1} << 62; }, "16 bytes");
  refused([](PickledTensor& t) { t.storage = "DoubleStorage"; }, "8 bytes");
  refused([](PickledTensor& t) { t.key = "1"; }, "data/1");
  refused([](PickledTensor& t) { t.key = "../version"; }, "no such entry");
  refused([](PickledTensor& t) { t.location = "meta"; }, "meta device");
}

TEST(TorchZip, TwoTensorsOfOneNameAreRefused) {
  const std::string inner = test::dict_op("b", tensor_op({}));
  const std::string both = "}(" + test::text_op("a.b") + tensor_op({}) + test::text_op("a") + inner + "u";
  EXPECT_THAT(complaint_about(test::zip_bytes(torch_parts(pickle_of(both)))), HasSubstr("\"a.b\""));
}

// ---- the container
std::vector<ZipPart> good_parts() { return torch_parts(pickle_of(test::dict_op("w", tensor_op({})))); }

TEST(TorchZipContainer, PlainAndZip64AreRead) {
  EXPECT_EQ(complaint_about(test::zip_bytes(good_parts())), "");
  std::vector<ZipPart> wide = good_parts();
  wide[2].wide = true;
  EXPECT_EQ(complaint_about(test::zip_bytes(wide)), "");
  EXPECT_EQ(complaint_about(test::zip_bytes(good_parts()) + ""), "");
}

TEST(TorchZipContainer, LyingEntriesAreRefused) {
  const auto refused = [](auto change, const char* word) {
    std::vector<ZipPart> parts = good_parts();
    change(parts);
    EXPECT_THAT(complaint_about(test::zip_bytes(parts)), HasSubstr(word));
  };
  using Parts = std::vector<ZipPart>;
  refused([](Parts& p) { p[2].method = 8; }, "compression");
  refused([](Parts& p) { p[2].flags = 1; }, "encryption");
  refused([](Parts& p) { p[2].name = "a/../../data/0"; }, "within the archive");
  refused([](Parts& p) { p[2].name = "/a/data/0"; }, "within the archive");
  refused([](Parts& p) { p[2].name = "a\\data/0"; }, "within the archive");
  refused([](Parts& p) { p[2].name = p[1].name; }, "twice");
  refused([](Parts& p) { p[2].said_size = 1 << 20; }, "before the directory");
  refused([](Parts& p) { p[2].said_size = 17; }, "overlap");
  refused([](Parts& p) { p[2].said_size = 8; }, "8 bytes in data/0");
  refused([](Parts& p) { p[2].said_size = 0xffffffff; }, "zip64");
  refused([](Parts& p) { p[2].wide = true, p[2].said_size = ~uint64_t{0} - 1; }, "before the directory");
  refused([](Parts& p) { p[2].wide = true, p[2].said_offset = ~uint64_t{0} - 5; }, "past it");
  refused([](Parts& p) { p[2].said_offset = 0; }, "another name");
  refused([](Parts& p) { p[2].said_offset = 3; }, "local header");
  refused([](Parts& p) { p[0].name = "a/other.pkl"; }, "no data.pkl");
  refused([](Parts& p) { p.push_back({"b/data.pkl", p[0].bytes}); }, "two");
  refused([](Parts& p) { p.push_back({"a/code/x.py", ""}); }, "TorchScript");
  refused([](Parts& p) { p[1].bytes = "big"; }, "byte order");
  refused([](Parts& p) { p[3].bytes = "11"; }, "version");
  refused([](Parts& p) { p[3].bytes = "x"; }, "version");
  refused([](Parts& p) { p[3].name = "a/none"; }, "version");
}

TEST(TorchZipContainer, AChangedPickleIsFoundByItsChecksum) {
  std::string bytes = test::zip_bytes(good_parts());
  const size_t name = bytes.find("storage");
  bytes[name] = 'z';
  EXPECT_THAT(complaint_about(bytes), HasSubstr("checksum"));
}

TEST(TorchZipContainer, EveryPrefixIsRefused) {
  const std::string good = test::zip_bytes(good_parts());
  for (size_t length = 0; length < good.size(); ++length) EXPECT_NE(complaint_about(good.substr(0, length)), "") << length;
  EXPECT_NE(complaint_about("x" + good), "");
  EXPECT_NE(complaint_about(good + "x"), "");
}

TEST(TorchZipContainer, AnyByteMayChangeWithoutHarm) {
  const TemporaryFolder folder;
  const std::string good = test::zip_bytes(good_parts());
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bytes = good;
    bytes[i] = static_cast<char>(bytes[i] ^ (i % 2 ? 0x80 : 0x01));
    test::write_bytes(folder / "a.pt", bytes);
    input_error([&] {
      const auto source = open_torch_zip(folder / "a.pt");
      for (size_t t = 0; t < source->tensors().size(); ++t) source->read(t, source->tensors()[t].dtype, at::kCPU);
    });
  }
}

}  // namespace
}  // namespace distill
