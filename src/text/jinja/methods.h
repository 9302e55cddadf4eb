// The attributes that Python's own types have: methods of texts, lists and dictionaries, the state of a loop.
#pragma once

#include <string>

#include "value.h"

namespace distill::jinja {

// Missing when the type has no such attribute. What the sandbox hides is undefined, and fails when it is used. An attribute that
// Python has and that is not available here fails by name.
Value method_of(Machine& machine, const Value& subject, const std::string& name);
// The methods of texts; missing: none of that name.
Value string_method(Machine& machine, const Value& subject, const std::string& name);

}  // namespace distill::jinja
