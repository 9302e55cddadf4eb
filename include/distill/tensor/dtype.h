// Names of element types: as safetensors writes them ("BF16") and as recipes and config.json do ("bfloat16").
#pragma once

#include <ATen/core/TensorBody.h>

#include <optional>
#include <string>
#include <string_view>

namespace distill {

// nullopt when safetensors has no such word, or torch no tensor of that kind (the 4- and 6-bit types).
std::optional<at::ScalarType> dtype_from_safetensors(std::string_view word);
// "" when safetensors has no word for the type.
std::string_view safetensors_word(at::ScalarType dtype);
// Words that safetensors knows but torch has no tensor for; for messages.
bool is_unsupported_safetensors_word(std::string_view word);

// "float32", "bfloat16", "int64", ...; a leading "torch." is ignored.
std::optional<at::ScalarType> dtype_from_word(std::string_view word);
std::string dtype_word(at::ScalarType dtype);

}  // namespace distill
