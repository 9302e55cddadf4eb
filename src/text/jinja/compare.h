// Python's ==, <, `in` and sorting order.
#pragma once

#include "value.h"

namespace distill::jinja {

bool are_equal(Machine& machine, const Value& left, const Value& right);
// `word` is one of < <= > >=; fails for types that Python does not order.
bool is_ordered(Machine& machine, const std::string& word, const Value& left, const Value& right);
bool compare(Machine& machine, const std::string& word, const Value& left, const Value& right);  // also == != in, not in
bool contains(Machine& machine, const Value& container, const Value& item);

}  // namespace distill::jinja
