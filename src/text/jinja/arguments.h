// What a call passes, in the order of the parameters.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "machine.h"

namespace distill::jinja {

// One value for each of `parameters`; missing where nothing was passed. Fails for too few, too many or unknown arguments.
inline std::vector<Value> bind(Machine& machine, const std::string& function, const Arguments& arguments,
                               std::initializer_list<const char*> parameters, size_t num_required = 0) {
  if (arguments.positional.size() > parameters.size())
    machine.fail(function + " takes at most " + std::to_string(parameters.size()) + " arguments");
  std::vector<Value> values(parameters.size());
  std::copy(arguments.positional.begin(), arguments.positional.end(), values.begin());
  for (const auto& [name, value] : arguments.named) {
    size_t at = 0;
    for (const char* parameter : parameters) {
      if (name == parameter) break;
      ++at;
    }
    if (at == parameters.size()) machine.fail(function + " takes no argument \"" + name + "\"");
    if (!values[at].is_missing()) machine.fail(function + " is passed \"" + name + "\" twice");
    values[at] = value;
  }
  for (size_t i = 0; i < num_required; ++i)
    if (values[i].is_missing()) machine.fail(function + " needs the argument \"" + *(parameters.begin() + i) + "\"");
  return values;
}

inline int64_t integer_or(Machine& machine, const std::string& function, const Value& value, int64_t fallback) {
  if (value.is_missing()) return fallback;
  if (!is_integer(value)) machine.fail(function + " needs an integer, not a value of type " + type_name(value));
  return integer_of(value);
}

inline const std::string& string_of(Machine& machine, const std::string& function, const Value& value) {
  if (!value.string()) machine.fail(function + " needs a text, not a value of type " + type_name(value));
  return value.bytes();
}

}  // namespace distill::jinja
