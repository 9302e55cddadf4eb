// What the readers of all kinds of rows share: fields that may be null, and refusals that show what they found.
#pragma once

#include <string>

#include "distill/core/json_reader.h"

namespace distill {

[[noreturn]] void refuse_row(const std::string& where, const std::string& expected, const std::string& found,
                             const std::string& advice);
// A value as JSON, cut to some 60 bytes at a whole character.
std::string shown(const Json& value);
// Null when the field is absent or null.
const Json* present(const Json& row, const char* name);

}  // namespace distill
