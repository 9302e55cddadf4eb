// `"..." % values` of Python.
#pragma once

#include "value.h"

namespace distill::jinja {

Value format_percent(Machine& machine, const Value& format, const Value& values);

}  // namespace distill::jinja
