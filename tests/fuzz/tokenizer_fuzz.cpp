// Bytes as tokenizer.json: what loads encodes and decodes any text without a fault.
#include <vector>

#include "distill/text/tokenizer.h"

#include "fuzz/fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace distill;
  using namespace distill::test;
  static const FuzzFolder folder;
  folder.write("tokenizer.json", text_of(data, size));
  return refusal_is_fine([&] {
    const auto tokenizer = load_tokenizer(folder.path());
    for (const char* text : {"", "a b  c", "Hello, world! 123\n\t", "\u00e9e\u0301 \u4f60\u597d <s> [MASK]"}) {
      const Encoding encoding = tokenizer->encode(text, true);
      if (encoding.ids.size() != encoding.offsets.size()) std::abort();
      tokenizer->decode(encoding.ids, false);
      for (const int32_t id : encoding.ids)
        if (id < 0 || id >= tokenizer->num_ids()) std::abort();
    }
  });
}
