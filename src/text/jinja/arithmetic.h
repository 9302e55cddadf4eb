// Python's arithmetic on the values of a template; integers have 64 bits, and overflow is an error.
#pragma once

#include "value.h"

namespace distill::jinja {

Value arithmetic(Machine& machine, const std::string& word, const Value& left, const Value& right);
Value negative(Machine& machine, const Value& value);
Value positive(Machine& machine, const Value& value);
// The & < > ' " of HTML, as the filter `escape`.
std::string escaped(std::string_view text);

}  // namespace distill::jinja
