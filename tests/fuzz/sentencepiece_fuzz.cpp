// Bytes as tokenizer.model: what loads encodes any text without a fault.
#include "distill/text/tokenizer.h"

#include "fuzz/fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace distill;
  using namespace distill::test;
  static const FuzzFolder folder;
  static const auto config = folder.write("tokenizer_config.json", R"({"tokenizer_class": "T5Tokenizer"})");
  folder.write("tokenizer.model", text_of(data, size));
  return refusal_is_fine([&] {
    const auto tokenizer = load_tokenizer(folder.path());
    for (const char* text : {"", "a b  c", "Hello \u00e9e\u0301 \u4f60\u597d"})
      tokenizer->decode(tokenizer->encode(text, true).ids, false);
  });
}
