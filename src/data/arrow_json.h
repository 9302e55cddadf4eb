// Values of Arrow arrays as JSON, so that rows of tables are parsed as lines of JSON Lines are.
#pragma once

#include <arrow/array.h>

#include <string>
#include <string_view>

namespace distill {

// Text, numbers, truth values, null, and lists and records of these. Bytes, times and decimals have no form in JSON.
bool fits_json(const arrow::DataType& type);
// Appends the value at `index` of an array whose type fits. Infinite and undefined numbers become null. Text is not checked to be
// UTF-8.
void append_json(const arrow::Array& array, int64_t index, std::string& out);
void append_json_text(std::string_view text, std::string& out);

}  // namespace distill
