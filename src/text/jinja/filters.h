// The filters: `value | name(arguments)`.
#pragma once

#include <string>

#include "value.h"

namespace distill::jinja {

using FilterFunction = Value (*)(Machine&, const Value& subject, const Arguments&);

const FilterFunction* find_filter(const std::string& name);  // null: not known or not available
bool is_refused_filter(const std::string& name);             // Jinja has it, and it is not available here

}  // namespace distill::jinja
