// The functions that every template may call.
#pragma once

#include <string>

#include "value.h"

namespace distill::jinja {

// Missing: no function of that name.
Value global_function(const std::string& name);

}  // namespace distill::jinja
