// Bytes as a .safetensors file: header, coverage, every tensor read as stored and converted.
#include "fuzz/fuzz_file.h"
#include "fuzz/read_everything.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace distill::test;
  static const FuzzFolder folder;
  return refusal_is_fine([&] { read_everything(folder.write("model.safetensors", text_of(data, size))); });
}
