// The filter `tojson` as transformers has it: json.dumps of Python with its options, nothing escaped for HTML.
#pragma once

#include "value.h"

namespace distill::jinja {

Value to_json(Machine& machine, const Value& subject, const Arguments& arguments);

}  // namespace distill::jinja
