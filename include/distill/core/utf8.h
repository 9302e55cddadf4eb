// Whether bytes are UTF-8, and where they stop being it. What characters mean is left to the text room.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace distill {

struct Utf8Sequence {
  bool well_formed;  // no surrogates, no overlong forms
  size_t num_bytes;  // of the sequence, or of the maximal ill-formed part
};
// What begins at byte `at`, which is inside the text.
Utf8Sequence utf8_sequence_at(std::string_view text, size_t at);

// Offset of the first byte that is not part of a well-formed sequence.
std::optional<size_t> find_invalid_utf8(std::string_view text);

}  // namespace distill
