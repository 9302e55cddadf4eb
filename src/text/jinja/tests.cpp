#include "tests.h"

#include <map>

#include "../unicode.h"
#include "arguments.h"
#include "arithmetic.h"
#include "compare.h"
#include "filters.h"
#include "print.h"
#include "python_text.h"

namespace distill::jinja {
namespace {

Value only(Machine& machine, const Arguments& arguments) { return bind(machine, "the test", arguments, {"other"}, 1)[0]; }

int64_t remainder(Machine& machine, const Value& value, const Value& divisor) {
  const Value rest = arithmetic(machine, "%", value, divisor);
  return is_number(rest) ? static_cast<int64_t>(number_of(rest) == 0 ? 0 : number_of(rest) == 1 ? 1 : 2) : 2;
}

template <bool (*is_one)(char32_t), bool (*is_other)(char32_t)>
bool has_case(Machine& machine, const Value& value, const Arguments& arguments) {
  bind(machine, "the test", arguments, {});
  const std::string text = to_text(machine, value);
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    at += c.num_bytes;
    if (is_other(c.value) || is_title(c.value)) return false;
    found |= is_one(c.value);
  }
  return found;
}

bool is_iterable(const Value& value) {
  return value.string() || value.sequence() || value.dict() || value.as<View>() || value.as<Range>() || value.iterator() ||
         value.undefined() || value.loop();
}
bool is_callable(const Value& value) { return value.function() || value.macro() || value.loop() || value.undefined(); }

bool is_same(const Value& a, const Value& b) {
  if (a.form().index() != b.form().index()) return false;
  if (a.is_none()) return true;
  if (a.as<bool>()) return *a.as<bool>() == *b.as<bool>();
  if (a.as<int64_t>()) return *a.as<int64_t>() == *b.as<int64_t>();
  if (a.list()) return a.list() == b.list();
  if (a.dict()) return a.dict() == b.dict();
  if (a.string()) return a.bytes() == b.bytes();
  return false;
}

void check_name(Machine& machine, const Value& value) {
  if (!is_hashable(value)) machine.fail(std::string("a name cannot be a value of type ") + type_name(value));
}

template <class Check>
constexpr TestFunction plain(Check) {
  return [](Machine& machine, const Value& value, const Arguments& arguments) -> bool {
    bind(machine, "the test", arguments, {});
    return Check{}(value);
  };
}

bool equal(Machine& m, const Value& v, const Arguments& a) { return are_equal(m, v, only(m, a)); }
bool unequal(Machine& m, const Value& v, const Arguments& a) { return !are_equal(m, v, only(m, a)); }
bool less(Machine& m, const Value& v, const Arguments& a) { return is_ordered(m, "<", v, only(m, a)); }
bool less_equal(Machine& m, const Value& v, const Arguments& a) { return is_ordered(m, "<=", v, only(m, a)); }
bool greater(Machine& m, const Value& v, const Arguments& a) { return is_ordered(m, ">", v, only(m, a)); }
bool greater_equal(Machine& m, const Value& v, const Arguments& a) { return is_ordered(m, ">=", v, only(m, a)); }

const std::map<std::string, TestFunction>& all_tests() {
  static const std::map<std::string, TestFunction> tests = {
      {"defined", plain([](const Value& v) { return !v.undefined(); })},
      {"undefined", plain([](const Value& v) { return v.undefined() != nullptr; })},
      {"none", plain([](const Value& v) { return v.is_none(); })},
      {"boolean", plain([](const Value& v) { return v.as<bool>() != nullptr; })},
      {"true", plain([](const Value& v) { return v.as<bool>() && *v.as<bool>(); })},
      {"false", plain([](const Value& v) { return v.as<bool>() && !*v.as<bool>(); })},
      {"integer", plain([](const Value& v) { return v.as<int64_t>() != nullptr; })},
      {"float", plain([](const Value& v) { return v.as<double>() != nullptr; })},
      {"number", plain([](const Value& v) { return is_number(v); })},
      {"string", plain([](const Value& v) { return v.string() != nullptr; })},
      {"mapping", plain([](const Value& v) { return v.dict() != nullptr; })},
      {"sequence", plain([](const Value& v) {
         return v.string() || v.sequence() || v.dict() || v.as<Range>() || v.undefined();
       })},
      {"iterable", plain([](const Value& v) { return is_iterable(v); })},
      {"callable", plain([](const Value& v) { return is_callable(v); })},
      {"escaped", plain([](const Value& v) { return v.string() && v.string()->safe; })},
      {"lower", has_case<is_lower, is_upper>},
      {"upper", has_case<is_upper, is_lower>},
      {"odd", [](Machine& m, const Value& v, const Arguments& a) {
         bind(m, "the test", a, {});
         return remainder(m, v, int64_t{2}) == 1;
       }},
      {"even", [](Machine& m, const Value& v, const Arguments& a) {
         bind(m, "the test", a, {});
         return remainder(m, v, int64_t{2}) == 0;
       }},
      {"divisibleby", [](Machine& m, const Value& v, const Arguments& a) { return remainder(m, v, only(m, a)) == 0; }},
      {"sameas", [](Machine& m, const Value& v, const Arguments& a) { return is_same(v, only(m, a)); }},
      {"in", [](Machine& m, const Value& v, const Arguments& a) { return contains(m, only(m, a), v); }},
      {"filter", [](Machine& m, const Value& v, const Arguments& a) {
         bind(m, "the test", a, {});
         check_name(m, v);
         return v.string() && (find_filter(v.bytes()) || is_refused_filter(v.bytes()));
       }},
      {"test", [](Machine& m, const Value& v, const Arguments& a) {
         bind(m, "the test", a, {});
         check_name(m, v);
         return v.string() && find_test(v.bytes());
       }},
      {"==", equal}, {"eq", equal}, {"equalto", equal}, {"!=", unequal}, {"ne", unequal}, {"<", less}, {"lt", less},
      {"lessthan", less}, {"<=", less_equal}, {"le", less_equal}, {">", greater}, {"gt", greater}, {"greaterthan", greater},
      {">=", greater_equal}, {"ge", greater_equal}};
  return tests;
}

}  // namespace

const TestFunction* find_test(const std::string& name) {
  const auto found = all_tests().find(name);
  return found == all_tests().end() ? nullptr : &found->second;
}

}  // namespace distill::jinja
