// Hand-made files of torch.save: a zip writer for stored entries, and pickles put together from opcodes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace distill::test {

inline std::string number_bytes(uint64_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

// 0 ("not computed") for large entries, to save time.
inline uint32_t crc32_of(std::string_view bytes) {
  if (bytes.size() > 65536) return 0;
  uint32_t crc = ~0u;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

// One entry as it is written, and how it lies. The fields of a liar are changed by the test.
struct ZipPart {
  std::string name, bytes;
  uint16_t flags = 0, method = 0;
  uint64_t said_size = ~uint64_t{0};    // in both headers; ~0: the truth
  uint64_t said_offset = ~uint64_t{0};  // in the directory; ~0: the truth
  bool wide = false;                    // numbers of the directory in a zip64 field
};

inline std::string zip_local(const ZipPart& part, uint64_t size) {
  return number_bytes(0x04034b50, 4) + number_bytes(20, 2) + number_bytes(part.flags, 2) + number_bytes(part.method, 2) +
         number_bytes(0, 4) + number_bytes(crc32_of(part.bytes), 4) + number_bytes(size, 4) + number_bytes(size, 4) +
         number_bytes(part.name.size(), 2) + number_bytes(0, 2) + part.name;
}

inline std::string zip_central(const ZipPart& part, uint64_t size, uint64_t offset) {
  const uint64_t shown_size = part.wide ? 0xffffffff : size, shown_offset = part.wide ? 0xffffffff : offset;
  const std::string extra = part.wide ? number_bytes(1, 2) + number_bytes(24, 2) + number_bytes(size, 8) + number_bytes(size, 8) +
                                            number_bytes(offset, 8)
                                      : "";
  return number_bytes(0x02014b50, 4) + number_bytes(20, 2) + number_bytes(20, 2) + number_bytes(part.flags, 2) +
         number_bytes(part.method, 2) + number_bytes(0, 4) + number_bytes(crc32_of(part.bytes), 4) + number_bytes(shown_size, 4) +
         number_bytes(shown_size, 4) + number_bytes(part.name.size(), 2) + number_bytes(extra.size(), 2) + number_bytes(0, 2) +
         number_bytes(0, 2) + number_bytes(0, 2) + number_bytes(0, 4) + number_bytes(shown_offset, 4) + part.name + extra;
}

inline std::string zip_end(uint64_t count, uint64_t size, uint64_t offset) {
  return number_bytes(0x06054b50, 4) + number_bytes(0, 4) + number_bytes(count, 2) + number_bytes(count, 2) +
         number_bytes(size, 4) + number_bytes(offset, 4) + number_bytes(0, 2);
}

inline std::string zip_end64(uint64_t count, uint64_t size, uint64_t offset) {
  return number_bytes(0x06064b50, 4) + number_bytes(44, 8) + number_bytes(45, 2) + number_bytes(45, 2) + number_bytes(0, 4) +
         number_bytes(0, 4) + number_bytes(count, 8) + number_bytes(count, 8) + number_bytes(size, 8) + number_bytes(offset, 8) +
         number_bytes(0x07064b50, 4) + number_bytes(0, 4) + number_bytes(offset + size, 8) + number_bytes(1, 4);
}

inline std::string zip_bytes(const std::vector<ZipPart>& parts) {
  std::string file, directory;
  bool wide = false;
  for (const ZipPart& part : parts) {
    const uint64_t size = part.said_size == ~uint64_t{0} ? part.bytes.size() : part.said_size;
    const uint64_t offset = part.said_offset == ~uint64_t{0} ? file.size() : part.said_offset;
    directory += zip_central(part, size, offset);
    file += zip_local(part, size) + part.bytes;
    wide = wide || part.wide;
  }
  const uint64_t start = file.size();
  file += directory;
  if (wide) file += zip_end64(parts.size(), directory.size(), start);
  return file + (wide ? zip_end(0xffff, 0xffffffff, 0xffffffff) : zip_end(parts.size(), directory.size(), start));
}

// ---- opcodes
inline std::string text_op(std::string_view text) { return "X" + number_bytes(text.size(), 4) + std::string(text); }
inline std::string int_op(int64_t value) { return std::string("\x8a\x08", 2) + number_bytes(static_cast<uint64_t>(value), 8); }
inline std::string global_op(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
inline std::string tuple_op(const std::vector<int64_t>& values) {
  std::string ops = "(";
  for (const int64_t value : values) ops += int_op(value);
  return ops + "t";
}

struct PickledTensor {
  std::string storage = "FloatStorage", key = "0", location = "cpu";
  int64_t numel = 4, offset = 0;
  std::vector<int64_t> shape = {4}, strides = {1};
};

inline std::string tensor_op(const PickledTensor& tensor) {
  return global_op("torch._utils", "_rebuild_tensor_v2") + "((" + text_op("storage") + global_op("torch", tensor.storage) +
         text_op(tensor.key) + text_op(tensor.location) + int_op(tensor.numel) + "tQ" + int_op(tensor.offset) +
         tuple_op(tensor.shape) + tuple_op(tensor.strides) + "\x89" + global_op("collections", "OrderedDict") + ")RtR";
}

// A whole pickle around one value.
inline std::string pickle_of(std::string_view value) { return "\x80\x02" + std::string(value) + "."; }
inline std::string dict_op(std::string_view key, std::string_view value) { return "}" + text_op(key) + std::string(value) + "s"; }

// The parts of a file that holds this pickle and one storage.
inline std::vector<ZipPart> torch_parts(std::string pickle, std::string storage = std::string(16, '\0')) {
  return {{"a/data.pkl", std::move(pickle)}, {"a/byteorder", "little"}, {"a/data/0", std::move(storage)}, {"a/version", "3\n"}};
}

}  // namespace distill::test
