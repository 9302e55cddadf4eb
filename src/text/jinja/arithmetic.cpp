#include "arithmetic.h"

#include <cmath>

#include "format.h"
#include "machine.h"
#include "print.h"

namespace distill::jinja {
namespace {

[[noreturn]] void overflow(Machine& machine) { machine.fail("an integer of more than 64 bits, which is not available"); }

Value power(Machine& machine, int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) machine.fail("zero to a negative power");
    return std::pow(static_cast<double>(base), static_cast<double>(exponent));
  }
  int64_t result = 1;
  if (base == 0 || base == 1) return exponent == 0 ? int64_t{1} : base;
  if (base == -1) return exponent % 2 ? int64_t{-1} : int64_t{1};
  for (int64_t i = 0; i < exponent; ++i)
    if (__builtin_mul_overflow(result, base, &result)) overflow(machine);
  return result;
}

int64_t floor_divide(Machine& machine, int64_t a, int64_t b) {
  if (b == 0) machine.fail("division by zero");
  if (a == INT64_MIN && b == -1) overflow(machine);
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

double float_modulo(double a, double b) {
  double rest = std::fmod(a, b);
  if (rest != 0) {
    if ((b < 0) != (rest < 0)) rest += b;
  } else {
    rest = std::copysign(0.0, b);
  }
  return rest;
}

double float_floor_divide(double a, double b) {
  const double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floored = std::floor(quotient);
  return quotient - floored > 0.5 ? floored + 1 : floored;
}

Value on_integers(Machine& machine, const std::string& word, int64_t a, int64_t b) {
  int64_t result = 0;
  if (word == "+") return __builtin_add_overflow(a, b, &result) ? overflow(machine) : void(), result;
  if (word == "-") return __builtin_sub_overflow(a, b, &result) ? overflow(machine) : void(), result;
  if (word == "*") return __builtin_mul_overflow(a, b, &result) ? overflow(machine) : void(), result;
  if (word == "**") return power(machine, a, b);
  const int64_t quotient = word == "/" && b != 0 ? 0 : floor_divide(machine, a, b);
  if (word == "//") return quotient;
  if (word == "%") return a - quotient * b;
  return static_cast<double>(a) / static_cast<double>(b);
}

Value on_floats(Machine& machine, const std::string& word, double a, double b) {
  if (word == "+") return a + b;
  if (word == "-") return a - b;
  if (word == "*") return a * b;
  if (word == "**") {
    if (a == 0 && b < 0) machine.fail("zero to a negative power");
    const double result = std::pow(a, b);
    if (std::isnan(result) && !std::isnan(a) && !std::isnan(b)) machine.fail("a complex number, which is not available");
    if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) machine.fail("a result too large for a float");
    return result;
  }
  if (b == 0) machine.fail("division by zero");
  if (word == "/") return a / b;
  return word == "//" ? float_floor_divide(a, b) : float_modulo(a, b);
}

Value add_texts(Machine& machine, const Value& left, const Value& right) {
  const bool left_safe = left.string()->safe, right_safe = right.string()->safe;
  if (!left_safe && !right_safe) return machine.text(left.bytes() + right.bytes());
  return machine.text((left_safe ? left.bytes() : escaped(left.bytes())) + (right_safe ? right.bytes() : escaped(right.bytes())),
                      true);
}

Value add_lists(Machine& machine, const Value& left, const Value& right) {
  std::vector<Value> items = left.sequence()->items;
  items.insert(items.end(), right.sequence()->items.begin(), right.sequence()->items.end());
  return left.list() ? machine.list(std::move(items)) : machine.tuple(std::move(items));
}

// A text or a list so many times.
Value repeat(Machine& machine, const Value& value, int64_t count) {
  const size_t times = count < 0 ? 0 : static_cast<size_t>(count);
  const size_t size = value.string() ? value.bytes().size() : value.sequence()->items.size() * sizeof(Value);
  if (size != 0 && times > kMaxAllocatedBytes / size) machine.fail_limit("a repetition makes more than 64 MiB");
  machine.allocate(size * times);
  if (value.string()) {
    std::string out;
    out.reserve(size * times);
    for (size_t i = 0; size != 0 && i < times; ++i) out += value.bytes();
    return machine.text(std::move(out), value.string()->safe);
  }
  std::vector<Value> items;
  for (size_t i = 0; size != 0 && i < times; ++i)
    items.insert(items.end(), value.sequence()->items.begin(), value.sequence()->items.end());
  return value.list() ? machine.list(std::move(items)) : machine.tuple(std::move(items));
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

Value arithmetic(Machine& machine, const std::string& word, const Value& left, const Value& right) {
  if (left.undefined()) machine.fail(left.undefined()->message);
  if (word == "%" && left.string()) return format_percent(machine, left, right);
  if (right.undefined()) machine.fail(right.undefined()->message);
  if (is_integer(left) && is_integer(right)) return on_integers(machine, word, integer_of(left), integer_of(right));
  if (is_number(left) && is_number(right)) return on_floats(machine, word, number_of(left), number_of(right));
  if (word == "+" && left.string() && right.string()) return add_texts(machine, left, right);
  if (word == "+" && ((left.list() && right.list()) || (left.tuple() && right.tuple()))) return add_lists(machine, left, right);
  if (word == "*" && (left.string() || left.sequence()) && is_integer(right)) return repeat(machine, left, integer_of(right));
  if (word == "*" && (right.string() || right.sequence()) && is_integer(left)) return repeat(machine, right, integer_of(left));
  machine.fail("\"" + word + "\" between values of type " + type_name(left) + " and " + type_name(right));
}

Value negative(Machine& machine, const Value& value) {
  if (value.undefined()) machine.fail(value.undefined()->message);
  if (is_integer(value)) return integer_of(value) == INT64_MIN ? overflow(machine) : void(), -integer_of(value);
  if (value.as<double>()) return -*value.as<double>();
  machine.fail(std::string("a minus sign before a value of type ") + type_name(value));
}

Value positive(Machine& machine, const Value& value) {
  if (value.undefined()) machine.fail(value.undefined()->message);
  if (is_integer(value)) return integer_of(value);
  if (value.as<double>()) return value;
  machine.fail(std::string("a plus sign before a value of type ") + type_name(value));
}

}  // namespace distill::jinja
