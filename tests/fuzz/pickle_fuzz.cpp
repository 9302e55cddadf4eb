// Bytes as the pickle of a file of torch.save that is sound otherwise: a zip with checksums that are right, which bytes changed
// at random would rarely have, and one storage of 48 bytes.
#include <array>

#include "fuzz/fuzz_file.h"
#include "fuzz/read_everything.h"

namespace distill::test {
namespace {

uint32_t crc32(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

std::string little_endian(uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

class Zip {
 public:
  void add(std::string_view name, std::string_view data) {
    const auto size = static_cast<uint32_t>(data.size());
    const std::string facts = little_endian(0, 2) + little_endian(0, 2) + little_endian(0, 2) + little_endian(33, 2) +
                              little_endian(crc32(data), 4) + little_endian(size, 4) + little_endian(size, 4) +
                              little_endian(static_cast<uint32_t>(name.size()), 2) + little_endian(0, 2);
    directory_ += "PK\x01\x02" + little_endian(20, 2) + little_endian(20, 2) + facts + std::string(10, '\0') +
                  little_endian(static_cast<uint32_t>(body_.size()), 4) + std::string(name);
    body_ += "PK\x03\x04" + little_endian(20, 2) + facts + std::string(name) + std::string(data);
    ++count_;
  }
  std::string bytes() const {
    return body_ + directory_ + "PK\x05\x06" + std::string(4, '\0') + little_endian(count_, 2) + little_endian(count_, 2) +
           little_endian(static_cast<uint32_t>(directory_.size()), 4) + little_endian(static_cast<uint32_t>(body_.size()), 4) +
           std::string(2, '\0');
  }

 private:
  std::string body_, directory_;
  uint32_t count_ = 0;
};

}  // namespace
}  // namespace distill::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace distill::test;
  static const FuzzFolder folder;
  Zip zip;
  zip.add("archive/data.pkl", text_of(data, size));
  zip.add("archive/byteorder", "little");
  zip.add("archive/data/0", std::string(48, '\x3f'));
  zip.add("archive/version", "3\n");
  return refusal_is_fine([&] { read_everything(folder.write("pytorch_model.bin", zip.bytes())); });
}
