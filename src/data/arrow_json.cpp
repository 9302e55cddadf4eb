#include "arrow_json.h"

#include <arrow/array/array_dict.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/array_primitive.h>
#include <arrow/extension_type.h>
#include <arrow/type.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "distill/core/error.h"

namespace distill {
namespace {

using arrow::Type;

// The type in which values lie: of a dictionary that of its words, of an extension that of its storage.
bool all_fit(const arrow::DataType& type) {
  return std::all_of(type.fields().begin(), type.fields().end(), [](const auto& field) { return fits_json(*field->type()); });
}

bool is_json_extension(const arrow::DataType& type) {
  return type.id() == Type::EXTENSION && static_cast<const arrow::ExtensionType&>(type).extension_name() == "arrow.json";
}

template <class Number>
void append_number(Number value, std::string& out) {
  std::array<char, 40> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  const std::string_view written(text.data(), static_cast<size_t>(end - text.data()));
  out += written;
  // A whole number of a column of fractions is no integer: 1.0, as Python writes it.
  if (std::is_floating_point_v<Number> && written.find_first_of(".e") == std::string_view::npos) out += ".0";
}

template <class ArrowType>
void append_value(const arrow::Array& array, int64_t index, std::string& out) {
  append_number(static_cast<const arrow::NumericArray<ArrowType>&>(array).Value(index), out);
}

template <class ArrowType>
void append_fraction(const arrow::Array& array, int64_t index, std::string& out) {
  const auto value = static_cast<const arrow::NumericArray<ArrowType>&>(array).Value(index);
  std::isfinite(value) ? append_number(value, out) : void(out += "null");
}

void append_list(const arrow::Array& values, int64_t begin, int64_t length, std::string& out) {
  out += '[';
  for (int64_t i = begin; i < begin + length; ++i) {
    if (i > begin) out += ',';
    append_json(values, i, out);
  }
  out += ']';
}

template <class List>
void append_list_of(const arrow::Array& array, int64_t index, std::string& out) {
  const auto& list = static_cast<const List&>(array);
  append_list(*list.values(), list.value_offset(index), list.value_length(index), out);
}

void append_record(const arrow::StructArray& record, int64_t index, std::string& out) {
  out += '{';
  for (int i = 0; i < record.num_fields(); ++i) {
    if (i > 0) out += ',';
    append_json_text(record.struct_type()->field(i)->name(), out);
    out += ':';
    append_json(*record.field(i), index, out);
  }
  out += '}';
}

void append_extension(const arrow::ExtensionArray& array, int64_t index, std::string& out) {
  const arrow::Array& storage = *array.storage();
  if (!is_json_extension(*array.type())) return append_json(storage, index, out);
  // What stands there is JSON already.
  if (storage.type_id() == Type::LARGE_STRING)
    out += static_cast<const arrow::LargeStringArray&>(storage).GetView(index);
  else
    out += static_cast<const arrow::StringArray&>(storage).GetView(index);
}

}  // namespace

bool fits_json(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::NA:
    case Type::BOOL:
    case Type::UINT8:
    case Type::INT8:
    case Type::UINT16:
    case Type::INT16:
    case Type::UINT32:
    case Type::INT32:
    case Type::UINT64:
    case Type::INT64:
    case Type::FLOAT:
    case Type::DOUBLE:
    case Type::STRING:
    case Type::LARGE_STRING:
      return true;
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::FIXED_SIZE_LIST:
    case Type::STRUCT:
      return all_fit(type);
    case Type::DICTIONARY:
      return fits_json(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case Type::EXTENSION: {
      const arrow::DataType& storage = *static_cast<const arrow::ExtensionType&>(type).storage_type();
      return is_json_extension(type) ? storage.id() == Type::STRING || storage.id() == Type::LARGE_STRING : fits_json(storage);
    }
    default:
      return false;
  }
}

void append_json_text(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, begin, i - begin);
    begin = i + 1;
    if (c >= 0x20)
      (out += '\\') += text[i];
    else
      (((out += "\\u00") += kHex[c >> 4]) += kHex[c & 15]);
  }
  out.append(text, begin, text.size() - begin);
  out += '"';
}

void append_json(const arrow::Array& array, int64_t index, std::string& out) {
  if (array.IsNull(index)) {
    out += "null";
    return;
  }
  switch (array.type_id()) {
    case Type::NA:
      return void(out += "null");
    case Type::BOOL:
      return void(out += static_cast<const arrow::BooleanArray&>(array).Value(index) ? "true" : "false");
    case Type::UINT8:
      return append_number(unsigned{static_cast<const arrow::UInt8Array&>(array).Value(index)}, out);
    case Type::INT8:
      return append_number(int{static_cast<const arrow::Int8Array&>(array).Value(index)}, out);
    case Type::UINT16:
      return append_value<arrow::UInt16Type>(array, index, out);
    case Type::INT16:
      return append_value<arrow::Int16Type>(array, index, out);
    case Type::UINT32:
      return append_value<arrow::UInt32Type>(array, index, out);
    case Type::INT32:
      return append_value<arrow::Int32Type>(array, index, out);
    case Type::UINT64:
      return append_value<arrow::UInt64Type>(array, index, out);
    case Type::INT64:
      return append_value<arrow::Int64Type>(array, index, out);
    case Type::FLOAT:
      return append_fraction<arrow::FloatType>(array, index, out);
    case Type::DOUBLE:
      return append_fraction<arrow::DoubleType>(array, index, out);
    case Type::STRING:
      return append_json_text(static_cast<const arrow::StringArray&>(array).GetView(index), out);
    case Type::LARGE_STRING:
      return append_json_text(static_cast<const arrow::LargeStringArray&>(array).GetView(index), out);
    case Type::LIST:
      return append_list_of<arrow::ListArray>(array, index, out);
    case Type::LARGE_LIST:
      return append_list_of<arrow::LargeListArray>(array, index, out);
    case Type::FIXED_SIZE_LIST:
      return append_list_of<arrow::FixedSizeListArray>(array, index, out);
    case Type::STRUCT:
      return append_record(static_cast<const arrow::StructArray&>(array), index, out);
    case Type::DICTIONARY: {
      const auto& words = static_cast<const arrow::DictionaryArray&>(array);
      return append_json(*words.dictionary(), words.GetValueIndex(index), out);
    }
    case Type::EXTENSION:
      return append_extension(static_cast<const arrow::ExtensionArray&>(array), index, out);
    default:
      throw Bug("a column without a form in JSON: " + array.type()->ToString());
  }
}

}  // namespace distill
