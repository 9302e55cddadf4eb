#include "compare.h"

#include <cmath>
#include <cstring>

#include "machine.h"

namespace distill::jinja {
namespace {

bool are_equal_lists(Machine& machine, const List& left, const List& right) {
  if (left.items.size() != right.items.size()) return false;
  for (size_t i = 0; i < left.items.size(); ++i)
    if (!are_equal(machine, left.items[i], right.items[i])) return false;
  return true;
}

bool are_equal_dicts(Machine& machine, const Dict& left, const Dict& right) {
  if (left.entries.size() != right.entries.size()) return false;
  for (const auto& [key, value] : left.entries) {
    const Value* other = machine.find(right, key);
    if (!other || !are_equal(machine, value, *other)) return false;
  }
  return true;
}

bool are_equal_ranges(const Range& left, const Range& right) {
  if (left.length != right.length) return false;
  return left.length == 0 || (left.start == right.start && (left.length == 1 || left.step == right.step));
}

// -1, 0 or 1; 2 when one is not a number.
int order_of_numbers(const Value& left, const Value& right) {
  if (is_integer(left) && is_integer(right)) {
    const int64_t a = integer_of(left), b = integer_of(right);
    return (a > b) - (a < b);
  }
  const long double a =
      left.as<double>() ? static_cast<long double>(*left.as<double>()) : static_cast<long double>(integer_of(left));
  const long double b =
      right.as<double>() ? static_cast<long double>(*right.as<double>()) : static_cast<long double>(integer_of(right));
  if (std::isnan(a) || std::isnan(b)) return 2;
  return (a > b) - (a < b);
}

bool holds(const std::string& word, int order) {
  if (order == 2) return false;
  return word == "<" ? order < 0 : word == "<=" ? order <= 0 : word == ">" ? order > 0 : order >= 0;
}

bool are_ordered_lists(Machine& machine, const std::string& word, const List& left, const List& right) {
  const size_t common = std::min(left.items.size(), right.items.size());
  for (size_t i = 0; i < common; ++i)
    if (!are_equal(machine, left.items[i], right.items[i])) return is_ordered(machine, word, left.items[i], right.items[i]);
  return holds(word, (left.items.size() > right.items.size()) - (left.items.size() < right.items.size()));
}

}  // namespace

bool are_equal(Machine& machine, const Value& left, const Value& right) {
  machine.step();
  const Machine::Level level(machine);
  if (is_number(left) && is_number(right)) return order_of_numbers(left, right) == 0;
  if (left.form().index() != right.form().index()) return false;
  if (left.string()) {
    if (left.bytes().size() != right.bytes().size()) return false;
    machine.scan(left.bytes().size());
    return left.bytes() == right.bytes();
  }
  if (left.list()) return are_equal_lists(machine, *left.list(), *right.list());
  if (left.tuple()) return are_equal_lists(machine, *left.tuple(), *right.tuple());
  if (left.dict()) return are_equal_dicts(machine, *left.dict(), *right.dict());
  if (left.as<Range>()) return are_equal_ranges(*left.as<Range>(), *right.as<Range>());
  if (left.is_none() || left.undefined()) return true;
  if (left.name_space()) return left.name_space() == right.name_space();
  if (left.macro()) return left.macro() == right.macro();
  if (left.iterator()) return left.iterator() == right.iterator();
  return false;
}

bool is_ordered(Machine& machine, const std::string& word, const Value& left, const Value& right) {
  machine.step();
  const Machine::Level level(machine);
  if (is_number(left) && is_number(right)) return holds(word, order_of_numbers(left, right));
  if (left.undefined()) machine.fail(left.undefined()->message);
  if (right.undefined()) machine.fail(right.undefined()->message);
  if (left.string() && right.string()) {
    machine.scan(std::min(left.bytes().size(), right.bytes().size()));
    const int order = left.bytes().compare(right.bytes());  // UTF-8 has the order of code points
    return holds(word, (order > 0) - (order < 0));
  }
  if (left.list() && right.list()) return are_ordered_lists(machine, word, *left.list(), *right.list());
  if (left.tuple() && right.tuple()) return are_ordered_lists(machine, word, *left.tuple(), *right.tuple());
  machine.fail("\"" + word + "\" between values of type " + type_name(left) + " and " + type_name(right));
}

bool contains(Machine& machine, const Value& container, const Value& item) {
  if (container.string()) {
    if (!item.string()) machine.fail(std::string("\"in\" a text needs a text, not a value of type ") + type_name(item));
    const std::string &text = container.bytes(), &word = item.bytes();
    machine.scan(text.size());
    return ::memmem(text.data(), text.size(), word.data(), word.size()) != nullptr;
  }
  if (container.dict()) return machine.find(*container.dict(), item) != nullptr;
  if (container.as<View>() && container.as<View>()->part == DictPart::keys)
    return machine.find(*container.as<View>()->dict, item);
  const std::shared_ptr<Iterator> source = machine.iterate(container);
  for (Value other; source->next(machine, other);)
    if (are_equal(machine, other, item)) return true;
  return false;
}

bool compare(Machine& machine, const std::string& word, const Value& left, const Value& right) {
  if (word == "==") return are_equal(machine, left, right);
  if (word == "!=") return !are_equal(machine, left, right);
  if (word == "in") return contains(machine, right, left);
  if (word == "not in") return !contains(machine, right, left);
  return is_ordered(machine, word, left, right);
}

}  // namespace distill::jinja
