// Python's str() and repr() of values.
#pragma once

#include <string>

#include "value.h"

namespace distill::jinja {

std::string to_text(Machine& machine, const Value& value);
std::string to_repr(Machine& machine, const Value& value);

}  // namespace distill::jinja
