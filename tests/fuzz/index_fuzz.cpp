// Bytes as model.safetensors.index.json beside two sound shards with the tensors a and b.
#include "fuzz/fuzz_file.h"
#include "fuzz/read_everything.h"

namespace distill::test {
namespace {

std::string shard_with(const std::string& tensor) {
  const std::string header = "{\"" + tensor + R"(":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  std::string length(8, '\0');
  length[0] = static_cast<char>(header.size());
  return length + header + std::string(8, '\0');
}

}  // namespace
}  // namespace distill::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace distill::test;
  static const FuzzFolder folder;
  static const bool prepared = [] {
    folder.write("model-00001-of-00002.safetensors", shard_with("a"));
    folder.write("model-00002-of-00002.safetensors", shard_with("b"));
    return true;
  }();
  return refusal_is_fine([&] {
    if (prepared) read_everything(folder.write("model.safetensors.index.json", text_of(data, size)));
  });
}
