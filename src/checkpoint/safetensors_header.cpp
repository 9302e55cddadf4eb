#include "safetensors_header.h"

#include <algorithm>

#include "distill/core/error.h"
#include "distill/core/json_reader.h"
#include "distill/tensor/dtype.h"
#include "distill/tensor/shape.h"

#include "safetensors_words.h"

namespace distill {
namespace {

constexpr const char* kMetadata = "__metadata__";

// One file being parsed: its size and its name in messages.
class HeaderParser {
 public:
  HeaderParser(const ReadFile& file) : file_(file), where_(file.path().string()) {}

  SafetensorsHeader parse() {
    const Json json = parse_json(header_text(), where_ + " (header)");
    SafetensorsHeader header;
    for (const auto& [name, value] : json.items()) {
      if (name == kMetadata)
        header.metadata = parse_metadata(value);
      else
        header.entries.push_back(parse_entry(name, value));
    }
    // Stable by begin and end, so that empty tensors stand before the one that starts where they do.
    std::stable_sort(header.entries.begin(), header.entries.end(), [](const auto& a, const auto& b) {
      return std::pair(a.offset, a.meta.bytes) < std::pair(b.offset, b.meta.bytes);
    });
    check_coverage(header.entries);
    return header;
  }

 private:
  [[noreturn]] void refuse(const std::string& where, const std::string& expected, const std::string& found) const {
    throw InputError(
        {where, expected, found, "The file is damaged or was not written by a safetensors library: copy it again.", ""});
  }
  std::string at(const std::string& tensor) const { return where_ + ": tensor \"" + shown(tensor) + "\""; }

  std::string header_text() {
    if (file_.size() < 8) refuse(where_, "a safetensors file of at least 8 bytes", std::to_string(file_.size()) + " bytes");
    unsigned char bytes[8];
    file_.read_at(0, bytes, 8);
    uint64_t length = 0;
    for (int i = 7; i >= 0; --i) length = length << 8 | bytes[i];
    if (length > kMaxSafetensorsHeader)
      refuse(where_, "a header of at most " + std::to_string(kMaxSafetensorsHeader) + " bytes", std::to_string(length));
    if (length > file_.size() - 8)
      refuse(where_, "a header that ends within the file (" + std::to_string(file_.size()) + " bytes)",
             "a header of " + std::to_string(length) + " bytes");
    data_start_ = 8 + length;
    std::string text(length, '\0');
    file_.read_at(8, text.data(), length);
    // The JSON library would skip a byte-order mark and stop at a NUL; the format allows neither.
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (first == text.npos || text[first] != '{') refuse(where_, "a header that begins with {", "something else");
    if (text.find('\0') != text.npos) refuse(where_, "a header of JSON text", "a NUL byte in it");
    return text;
  }

  std::map<std::string, std::string> parse_metadata(const Json& value) const {
    std::map<std::string, std::string> metadata;
    if (value.is_null()) return metadata;
    if (!value.is_object()) refuse(where_, "\"__metadata__\" to be an object", value.type_name());
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string())
        refuse(where_, "only strings in \"__metadata__\"", "\"" + shown(key) + "\": " + text.dump().substr(0, 40));
      metadata[key] = text.get<std::string>();
    }
    return metadata;
  }

  const Json& member(const std::string& name, const Json& entry, const char* key) const {
    const auto found = entry.find(key);
    if (found == entry.end()) refuse(at(name), std::string("the key \"") + key + "\"", "none");
    return *found;
  }

  // JSON numbers that are negative or not whole are refused: the library keeps them apart from unsigned ones.
  uint64_t unsigned_number(const std::string& name, const Json& value, const char* what) const {
    if (!value.is_number_unsigned())
      refuse(at(name), std::string(what) + " to be a whole number from 0", value.dump().substr(0, 40));
    const auto number = value.get<uint64_t>();
    if (number > uint64_t{INT64_MAX}) refuse(at(name), std::string(what) + " below 2^63", std::to_string(number));
    return number;
  }

  at::ScalarType parse_dtype(const std::string& name, const Json& value) const {
    if (!value.is_string()) refuse(at(name), "\"dtype\" to be a string", value.dump().substr(0, 40));
    const std::string word = value.get<std::string>();
    if (const auto dtype = dtype_from_safetensors(word)) return *dtype;
    if (is_unsupported_safetensors_word(word))
      throw InputError({at(name), "a type of at least 8 bits", word,
                        "The type " + word + " is not available yet: take a checkpoint in F16, BF16 or F32.", ""});
    refuse(at(name), "a dtype of the format", "\"" + shown(word, 40) + "\"");
  }

  std::vector<int64_t> parse_shape(const std::string& name, const Json& value) const {
    if (!value.is_array()) refuse(at(name), "\"shape\" to be a list", value.dump().substr(0, 40));
    if (value.size() > kMaxRank) refuse(at(name), "at most 64 dimensions", std::to_string(value.size()));
    std::vector<int64_t> shape;
    for (const Json& size : value) shape.push_back(static_cast<int64_t>(unsigned_number(name, size, "\"shape\"")));
    return shape;
  }

  uint64_t byte_count(const std::string& name, const std::vector<int64_t>& shape, at::ScalarType dtype) const {
    const auto bytes = dense_bytes(shape, dtype);
    if (!bytes) refuse(at(name), "a shape whose bytes can be counted in 63 bits", shape_text(shape));
    return *bytes;
  }

  StoredTensor parse_entry(const std::string& name, const Json& value) const {
    if (!value.is_object()) refuse(at(name), "an object", value.dump().substr(0, 40));
    for (const auto& item : value.items())
      if (item.key() != "dtype" && item.key() != "shape" && item.key() != "data_offsets")
        refuse(at(name), "the keys dtype, shape and data_offsets alone", "\"" + shown(item.key(), 40) + "\"");
    StoredTensor entry;
    entry.meta.name = name;
    entry.meta.file = where_;
    entry.meta.dtype = parse_dtype(name, member(name, value, "dtype"));
    entry.meta.shape = parse_shape(name, member(name, value, "shape"));
    const Json& offsets = member(name, value, "data_offsets");
    if (!offsets.is_array() || offsets.size() != 2)
      refuse(at(name), "\"data_offsets\" to be [begin, end]", offsets.dump().substr(0, 40));
    const uint64_t begin = unsigned_number(name, offsets[0], "data_offsets"),
                   end = unsigned_number(name, offsets[1], "data_offsets");
    if (end < begin)
      refuse(at(name), "an end at or after the begin", "[" + std::to_string(begin) + ", " + std::to_string(end) + "]");
    entry.meta.bytes = byte_count(name, entry.meta.shape, entry.meta.dtype);
    if (entry.meta.bytes != end - begin)
      refuse(at(name),
             std::to_string(entry.meta.bytes) + " bytes for " + std::string(safetensors_word(entry.meta.dtype)) + " " +
                 shape_text(entry.meta.shape),
             std::to_string(end - begin) + " bytes");
    if (end > file_.size() - data_start_)
      refuse(at(name), "data that ends within the file",
             "an end " + std::to_string(end - (file_.size() - data_start_)) + " bytes past it");
    entry.offset = data_start_ + begin;
    return entry;
  }

  // The data is covered exactly: no byte twice, none unused.
  void check_coverage(const std::vector<StoredTensor>& entries) const {
    uint64_t end = data_start_;
    for (const StoredTensor& entry : entries) {
      if (entry.offset != end)
        refuse(at(entry.meta.name),
               "data that begins where the tensor before it ends (" + std::to_string(end - data_start_) + ")",
               std::string(entry.offset < end ? "an overlap" : "a hole") + " at " + std::to_string(entry.offset - data_start_));
      end += entry.meta.bytes;
    }
    if (end != file_.size())
      refuse(where_, "the last tensor to end with the file", std::to_string(file_.size() - end) + " bytes after it");
  }

  const ReadFile& file_;
  std::string where_;
  uint64_t data_start_ = 0;
};

}  // namespace

SafetensorsHeader read_safetensors_header(const ReadFile& file) { return HeaderParser(file).parse(); }

}  // namespace distill
