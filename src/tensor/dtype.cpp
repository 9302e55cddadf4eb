#include "distill/tensor/dtype.h"

namespace distill {
namespace {

struct Names {
  at::ScalarType dtype;
  std::string_view safetensors;
  std::string_view word;
};

constexpr Names kNames[] = {
    {at::ScalarType::Float, "F32", "float32"},
    {at::ScalarType::Half, "F16", "float16"},
    {at::ScalarType::BFloat16, "BF16", "bfloat16"},
    {at::ScalarType::Double, "F64", "float64"},
    {at::ScalarType::Long, "I64", "int64"},
    {at::ScalarType::Int, "I32", "int32"},
    {at::ScalarType::Short, "I16", "int16"},
    {at::ScalarType::Char, "I8", "int8"},
    {at::ScalarType::Byte, "U8", "uint8"},
    {at::ScalarType::UInt16, "U16", "uint16"},
    {at::ScalarType::UInt32, "U32", "uint32"},
    {at::ScalarType::UInt64, "U64", "uint64"},
    {at::ScalarType::Bool, "BOOL", "bool"},
    {at::ScalarType::ComplexFloat, "C64", "complex64"},
    {at::ScalarType::Float8_e4m3fn, "F8_E4M3", "float8_e4m3fn"},
    {at::ScalarType::Float8_e5m2, "F8_E5M2", "float8_e5m2"},
    {at::ScalarType::Float8_e4m3fnuz, "F8_E4M3FNUZ", "float8_e4m3fnuz"},
    {at::ScalarType::Float8_e5m2fnuz, "F8_E5M2FNUZ", "float8_e5m2fnuz"},
    {at::ScalarType::Float8_e8m0fnu, "F8_E8M0", "float8_e8m0fnu"},
};

}  // namespace

std::optional<at::ScalarType> dtype_from_safetensors(std::string_view word) {
  for (const Names& names : kNames)
    if (names.safetensors == word) return names.dtype;
  return std::nullopt;
}

std::string_view safetensors_word(at::ScalarType dtype) {
  for (const Names& names : kNames)
    if (names.dtype == dtype) return names.safetensors;
  return "";
}

bool is_unsupported_safetensors_word(std::string_view word) { return word == "F4" || word == "F6_E2M3" || word == "F6_E3M2"; }

std::optional<at::ScalarType> dtype_from_word(std::string_view word) {
  if (word.substr(0, 6) == "torch.") word.remove_prefix(6);
  for (const Names& names : kNames)
    if (names.word == word) return names.dtype;
  return std::nullopt;
}

std::string dtype_word(at::ScalarType dtype) {
  for (const Names& names : kNames)
    if (names.dtype == dtype) return std::string(names.word);
  return c10::toString(dtype);
}

}  // namespace distill
