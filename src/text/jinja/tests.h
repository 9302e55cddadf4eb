// The tests: `value is name(arguments)`.
#pragma once

#include <string>

#include "value.h"

namespace distill::jinja {

using TestFunction = bool (*)(Machine&, const Value& subject, const Arguments&);

const TestFunction* find_test(const std::string& name);  // null: not known

}  // namespace distill::jinja
