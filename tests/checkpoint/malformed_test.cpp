// Files that lie: each kind of damage and attack is refused with a message that names the file, before any tensor is read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "distill/checkpoint/safetensors.h"

#include "files.h"

namespace distill {
namespace {

using test::input_error;
using test::safetensors_bytes;
using test::TemporaryFolder;
using testing::HasSubstr;

std::string complaint_about(const std::string& bytes) {
  const TemporaryFolder folder;
  const fs::path file = folder / "bad.safetensors";
  test::write_bytes(file, bytes);
  const std::string text = input_error([&] { open_safetensors(file); });
  if (!text.empty()) {
    EXPECT_THAT(text, HasSubstr("bad.safetensors"));
  }
  return text;
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "{" + entry("a", dtype, shape, offsets) + "}";
}

std::string many_ones(int rank) {
  std::string shape = "[1";
  for (int i = 1; i < rank; ++i) shape += ",1";
  return shape + "]";
}

struct Malformed {
  const char* what;
  std::string bytes;
  const char* word;  // that the message must contain
};

const std::string kGood = one("F32", "[2]", "[0,8]");

std::vector<Malformed> damaged_containers() {
  return {
      {"an empty file", "", "at least 8 bytes"},
      {"seven bytes", std::string(7, '\0'), "at least 8 bytes"},
      {"a header length without a header", test::little_endian(2), "ends within the file"},
      {"a header of no bytes", test::little_endian(0), "begins with {"},
      {"a header longer than the file", test::little_endian(100) + "{}", "ends within the file"},
      {"a header length of 2^64 - 1", std::string(8, '\xff') + "{}", "at most 100000000"},
      {"a header length above the limit", test::little_endian(100'000'001) + "{}", "at most 100000000"},
      {"a header length that overflows when 8 is added", test::little_endian(UINT64_MAX - 7) + "{}", "at most 100000000"},
      {"text instead of a header", safetensors_bytes("version https://", 8), "begins with {"},
      {"a list as header", safetensors_bytes("[]", 0), "begins with {"},
      {"a byte-order mark", safetensors_bytes("\xef\xbb\xbf" + kGood, 8), "begins with {"},
      {"bytes that are not UTF-8", safetensors_bytes("{\"\xff\xfe\":1}", 0), "UTF-8"},
      {"JSON that is cut", safetensors_bytes(kGood.substr(0, kGood.size() - 1), 8), "valid JSON"},
      {"JSON with text behind it", safetensors_bytes(kGood + "x", 8), "valid JSON"},
      {"a NUL behind the JSON", safetensors_bytes(kGood + std::string(1, '\0'), 8), "NUL"},
      {"a nest of lists", safetensors_bytes("{\"a\":" + std::string(500, '[') + std::string(500, ']') + "}", 0), "128"},
  };
}

std::vector<Malformed> damaged_entries() {
  return {
      {"the same tensor twice",
       safetensors_bytes("{" + entry("a", "F32", "[2]", "[0,8]") + "," + entry("a", "F32", "[2]", "[0,8]") + "}", 8), "twice"},
      {"the same key twice", safetensors_bytes(R"({"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8),
       "twice"},
      {"an entry that is no object", safetensors_bytes(R"({"a":null})", 0), "an object"},
      {"no dtype", safetensors_bytes(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8), "dtype"},
      {"no shape", safetensors_bytes(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", 8), "shape"},
      {"no offsets", safetensors_bytes(R"({"a":{"dtype":"F32","shape":[2]}})", 8), "data_offsets"},
      {"a key too many", safetensors_bytes(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"scale":2}})", 8), "scale"},
      {"an unknown dtype", safetensors_bytes(one("F31", "[2]", "[0,8]"), 8), "F31"},
      {"a dtype in lower case", safetensors_bytes(one("f32", "[2]", "[0,8]"), 8), "f32"},
      {"a 4-bit dtype", safetensors_bytes(one("F4", "[16]", "[0,8]"), 8), "not available yet"},
      {"a dtype that is a number", safetensors_bytes(R"({"a":{"dtype":32,"shape":[2],"data_offsets":[0,8]}})", 8), "dtype"},
      {"a shape that is a number", safetensors_bytes(one("F32", "2", "[0,8]"), 8), "shape"},
      {"a negative size", safetensors_bytes(one("F32", "[-2]", "[0,8]"), 8), "shape"},
      {"two negative sizes", safetensors_bytes(one("F32", "[-2,-1]", "[0,8]"), 8), "shape"},
      {"a size of 2.0", safetensors_bytes(one("F32", "[2.0]", "[0,8]"), 8), "shape"},
      {"a size of 2^63", safetensors_bytes(one("F32", "[9223372036854775808]", "[0,8]"), 8), "2^63"},
      {"a size beyond 64 bits", safetensors_bytes(one("F32", "[18446744073709551618]", "[0,8]"), 8), "shape"},
      {"a size as text", safetensors_bytes(one("F32", "[\"2\"]", "[0,8]"), 8), "shape"},
      {"65 dimensions", safetensors_bytes(one("F32", many_ones(65), "[0,4]"), 4), "64 dimensions"},
      {"a shape whose product overflows to 2", safetensors_bytes(one("U8", "[4294967296,4294967296,2]", "[0,2]"), 2), "counted"},
      {"a shape whose bytes overflow to 0", safetensors_bytes(one("F32", "[4611686018427387904]", "[0,0]"), 0), "counted"},
      {"an empty tensor with overflowing strides",
       safetensors_bytes(one("F32", "[0,4294967296,4294967296,4294967296]", "[0,0]"), 0), "counted"},
      {"an end before the begin", safetensors_bytes(one("F32", "[2]", "[8,0]"), 8), "at or after"},
      {"a negative offset", safetensors_bytes(one("F32", "[2]", "[-8,0]"), 8), "data_offsets"},
      {"an offset of 0.0", safetensors_bytes(one("F32", "[2]", "[0.0,8]"), 8), "data_offsets"},
      {"one offset", safetensors_bytes(one("F32", "[2]", "[8]"), 8), "data_offsets"},
      {"three offsets", safetensors_bytes(one("F32", "[2]", "[0,8,8]"), 8), "data_offsets"},
      {"offsets beyond 63 bits", safetensors_bytes(one("F32", "[2]", "[18446744073709551608,18446744073709551615]"), 8), "2^63"},
      {"too few bytes for the shape", safetensors_bytes(one("F32", "[2]", "[0,7]"), 7), "8 bytes"},
      {"too many bytes for the shape", safetensors_bytes(one("F32", "[2]", "[0,12]"), 12), "8 bytes"},
  };
}

std::vector<Malformed> damaged_layouts() {
  const std::string first = entry("a", "F32", "[2]", "[0,8]");
  return {
      {"data beyond the end", safetensors_bytes(kGood, 7), "within the file"},
      {"no data at all", safetensors_bytes(kGood, 0), "within the file"},
      {"a byte behind the data", safetensors_bytes(kGood, 9), "1 bytes after it"},
      {"data that nobody names", safetensors_bytes("{}", 4), "4 bytes after it"},
      {"two tensors on the same bytes", safetensors_bytes("{" + first + "," + entry("b", "F32", "[2]", "[0,8]") + "}", 8),
       "overlap"},
      {"two tensors that overlap by half", safetensors_bytes("{" + first + "," + entry("b", "F32", "[2]", "[4,12]") + "}", 12),
       "overlap"},
      {"a hole between two tensors", safetensors_bytes("{" + first + "," + entry("b", "F32", "[2]", "[12,20]") + "}", 20),
       "hole"},
      {"a hole before the first tensor", safetensors_bytes(one("F32", "[2]", "[4,12]"), 12), "hole"},
      {"an empty tensor in the middle of another",
       safetensors_bytes("{" + first + "," + entry("b", "F32", "[0]", "[4,4]") + "}", 8), "overlap"},
      {"an empty tensor behind a hole", safetensors_bytes("{" + first + "," + entry("b", "F32", "[0]", "[12,12]") + "}", 12),
       "hole"},
      {"metadata that is a list", safetensors_bytes(R"({"__metadata__":["pt"]})", 0), "__metadata__"},
      {"metadata with a number", safetensors_bytes(R"({"__metadata__":{"step":1}})", 0), "__metadata__"},
      {"metadata with an object", safetensors_bytes(R"({"__metadata__":{"step":{}}})", 0), "__metadata__"},
  };
}

TEST(MalformedSafetensors, DamagedContainersAreRefused) {
  for (const auto& [what, bytes, word] : damaged_containers()) EXPECT_THAT(complaint_about(bytes), HasSubstr(word)) << what;
}

TEST(MalformedSafetensors, DamagedEntriesAreRefused) {
  for (const auto& [what, bytes, word] : damaged_entries()) EXPECT_THAT(complaint_about(bytes), HasSubstr(word)) << what;
}

TEST(MalformedSafetensors, DamagedLayoutsAreRefused) {
  for (const auto& [what, bytes, word] : damaged_layouts()) EXPECT_THAT(complaint_about(bytes), HasSubstr(word)) << what;
}

TEST(MalformedSafetensors, OddButLegalFilesAreRead) {
  EXPECT_EQ(complaint_about(safetensors_bytes("  " + kGood, 8)), "");  // the reference reads leading space too
  EXPECT_EQ(complaint_about(safetensors_bytes(kGood + " \n ", 8)), "");
  EXPECT_EQ(complaint_about(safetensors_bytes("{}", 0)), "");
  EXPECT_EQ(complaint_about(safetensors_bytes(R"({"__metadata__":null})", 0)), "");
  EXPECT_EQ(complaint_about(safetensors_bytes(one("F32", "[]", "[0,4]"), 4)), "");  // rank 0
  EXPECT_EQ(complaint_about(safetensors_bytes(one("F32", "[3,0]", "[0,0]"), 0)), "");
  EXPECT_EQ(complaint_about(safetensors_bytes("{" + entry("b", "F32", "[0]", "[8,8]") + "," + entry("c", "F32", "[0]", "[0,0]") +
                                                  "," + entry("a", "F32", "[2]", "[0,8]") + "}",
                                              8)),
            "");
}

TEST(MalformedSafetensors, EveryPrefixOfAGoodFileIsRefused) {
  const std::string good =
      safetensors_bytes("{" + entry("a", "F32", "[2]", "[0,8]") + "," + entry("b", "U8", "[3]", "[8,11]") + "}  ", 11);
  EXPECT_EQ(complaint_about(good), "");
  for (size_t length = 0; length < good.size(); ++length) EXPECT_NE(complaint_about(good.substr(0, length)), "") << length;
}

TEST(MalformedSafetensors, AnyByteOfTheHeaderMayChangeWithoutHarm) {
  const TemporaryFolder folder;
  const fs::path file = folder / "a.safetensors";
  const std::string good = safetensors_bytes(kGood, 8);
  for (size_t i = 0; i < good.size() - 8; ++i) {
    for (const char change : {'\x01', '\x10', '\x80'}) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ change);
      test::write_bytes(file, bytes);
      // Refused, or understood as another legal file: then its tensors can be read in full.
      input_error([&] {
        const auto source = open_safetensors(file);
        for (size_t t = 0; t < source->tensors().size(); ++t) source->read(t, source->tensors()[t].dtype, at::kCPU);
      });
    }
  }
}

TEST(MalformedSafetensors, ManyNamesTakeNoQuadraticTime) {
  std::string header = "{";
  for (int i = 0; i < 50'000; ++i) header += (i ? "," : "") + entry("t" + std::to_string(i), "F32", "[0]", "[0,0]");
  EXPECT_EQ(complaint_about(safetensors_bytes(header + "}", 0)), "");  // linear in the number of names: a moment
}

TEST(MalformedSafetensors, MissingFilesAndFoldersAreNamed) {
  const TemporaryFolder folder;
  EXPECT_THAT(input_error([&] { open_safetensors(folder / "none.safetensors"); }), HasSubstr("none.safetensors"));
  EXPECT_THAT(input_error([&] { open_safetensors(folder.path()); }), HasSubstr("folder"));
}

}  // namespace
}  // namespace distill
