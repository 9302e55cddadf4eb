// Bytes as one line of a data file, of a decoder's rows and of a classifier's.
#include "distill/data/sample.h"

#include "fuzz/fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace distill;
  using namespace distill::test;
  static const FuzzFolder folder;  // for its quiet log
  const std::string line(text_of(data, size));
  refusal_is_fine([&] { parse_json_row(line, "d.jsonl:1", 100); });
  return refusal_is_fine([&] { parse_json_row(line, "d.jsonl:1", 100, 3); });
}
