// The header of one safetensors file, parsed and checked in full: nothing below this trusts the file, nothing above has to check.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "distill/core/file.h"

#include "stored_source.h"

namespace distill {

struct SafetensorsHeader {
  std::vector<StoredTensor> entries;  // in the order of their bytes
  std::map<std::string, std::string> metadata;
};

// InputError for every departure from the format: sizes, JSON, names, types, shapes, overlaps, holes, missing or extra bytes.
SafetensorsHeader read_safetensors_header(const ReadFile& file);

// "safetensors" entries need at most this many bytes of header; the reference implementation has the same limit.
inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;

}  // namespace distill
