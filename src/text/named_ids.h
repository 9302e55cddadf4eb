// The ids that have a role: which token ends a text, masks a token, pads a row. The files beside tokenizer.json say it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "distill/text/tokenizer.h"

namespace distill {

struct NamedIds {
  std::optional<int32_t> eos;
  std::optional<int32_t> mask;
  std::optional<int32_t> pad;
};

// As the functions of Tokenizer say. InputError for a name or an id of the wrong form, and for an end of sequence that
// tokenizer.json does not have.
NamedIds find_named_ids(const std::filesystem::path& folder, const Tokenizer& tokenizer);

}  // namespace distill
