// Bytes as config.json: every number checked, and what follows from them counted without overflow.
#include "distill/core/json_reader.h"
#include "distill/spec/spec.h"

#include "fuzz/fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace distill;
  using namespace distill::test;
  static const FuzzFolder folder;  // for its quiet log
  return refusal_is_fine([&] {
    const ModelSpec spec = read_spec(parse_json(text_of(data, size), "config.json"), "config.json");
    if (count_parameters(spec) <= 0) std::abort();
    if (spec.num_layers <= 64) weight_rows(spec);  // a list that grows with the layers: long, not wrong
  });
}
