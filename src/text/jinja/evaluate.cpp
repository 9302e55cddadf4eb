// Expressions of a template.
#include <algorithm>

#include "../unicode.h"
#include "arithmetic.h"
#include "compare.h"
#include "filters.h"
#include "globals.h"
#include "machine.h"
#include "methods.h"
#include "print.h"
#include "tests.h"

namespace distill::jinja {
namespace {

struct Bounds {
  int64_t start, step, length;
};

int64_t bound_of(Machine& machine, const Value& value) {
  if (!is_integer(value)) machine.fail("a slice needs integers or none");
  return integer_of(value);
}

// As Python's slice.indices().
Bounds slice_bounds(Machine& machine, const Value& start, const Value& stop, const Value& step, int64_t length) {
  const int64_t by = step.is_none() ? 1 : bound_of(machine, step);
  if (by == 0) machine.fail("a slice with step 0");
  const int64_t lowest = by < 0 ? -1 : 0, highest = by < 0 ? length - 1 : length;
  const auto clipped = [&](const Value& value, int64_t otherwise) {
    if (value.is_none()) return otherwise;
    int64_t at = bound_of(machine, value);
    if (at < 0) at = at < -length ? lowest : at + length;
    return std::clamp(at, lowest, std::max(lowest, highest));
  };
  const int64_t first = clipped(start, by < 0 ? highest : lowest), last = clipped(stop, by < 0 ? lowest : highest);
  int64_t count = 0;
  if (by > 0 && first < last) count = (last - first - 1) / by + 1;
  if (by < 0 && last < first) count = by == INT64_MIN ? 1 : (first - last - 1) / -by + 1;
  return {first, by, count};
}

Value slice_text(Machine& machine, const String& text, const Bounds& bounds) {
  machine.scan(text.bytes.size());
  std::string out;
  if (text.is_ascii()) {
    for (int64_t i = 0; i < bounds.length; ++i) out += text.bytes[static_cast<size_t>(bounds.start + i * bounds.step)];
    return machine.text(std::move(out), text.safe);
  }
  std::vector<size_t> places;
  for (size_t at = 0; at < text.bytes.size(); at += code_point_at(text.bytes, at).num_bytes) places.push_back(at);
  for (int64_t i = 0; i < bounds.length; ++i)
    append_code_point(out, code_point_at(text.bytes, places[static_cast<size_t>(bounds.start + i * bounds.step)]).value);
  return machine.text(std::move(out), text.safe);
}

Value slice_items(Machine& machine, const Value& value, const Bounds& bounds) {
  std::vector<Value> items;
  for (int64_t i = 0; i < bounds.length; ++i)
    items.push_back(value.sequence()->items[static_cast<size_t>(bounds.start + i * bounds.step)]);
  return value.list() ? machine.list(std::move(items)) : machine.tuple(std::move(items));
}

}  // namespace

Value Machine::evaluate(const Expr& expr, const ScopePtr& scope) {
  step();
  const Level level(*this);
  line_ = expr.line;
  return evaluate_form(expr, scope);
}

Value Machine::evaluate_form(const Expr& expr, const ScopePtr& scope) {
  switch (expr.kind) {
    case ExprKind::constant:
      return expr.constant;
    case ExprKind::name:
      return look_up(expr.word, *scope);
    case ExprKind::list:
      return list(evaluate_parts(expr, scope));
    case ExprKind::tuple:
      return tuple(evaluate_parts(expr, scope));
    case ExprKind::dict:
      return evaluate_dict(expr, scope);
    case ExprKind::negative:
      return negative(*this, evaluate(*expr.parts[0], scope));
    case ExprKind::positive:
      return positive(*this, evaluate(*expr.parts[0], scope));
    case ExprKind::invert:
      return !is_true(evaluate(*expr.parts[0], scope));
    case ExprKind::arithmetic: {
      const Value left = evaluate(*expr.parts[0], scope), right = evaluate(*expr.parts[1], scope);
      line_ = expr.line;
      return arithmetic(*this, expr.word, left, right);
    }
    case ExprKind::concat:
      return evaluate_concat(expr, scope);
    case ExprKind::both: {
      Value left = evaluate(*expr.parts[0], scope);
      return is_true(left) ? evaluate(*expr.parts[1], scope) : left;
    }
    case ExprKind::either: {
      Value left = evaluate(*expr.parts[0], scope);
      return is_true(left) ? left : evaluate(*expr.parts[1], scope);
    }
    case ExprKind::compare:
      return evaluate_compare(expr, scope);
    case ExprKind::conditional:
      return evaluate_conditional(expr, scope);
    case ExprKind::attribute:
      return attribute(evaluate(*expr.parts[0], scope), expr.word);
    case ExprKind::item: {
      const Value subject = evaluate(*expr.parts[0], scope), key = evaluate(*expr.parts[1], scope);
      line_ = expr.line;
      return item(subject, key);
    }
    case ExprKind::slice:
      return evaluate_slice(expr, scope);
    case ExprKind::call:
      return evaluate_call(expr, scope, nullptr);
    case ExprKind::filter:
      return evaluate_filter(expr, scope);
    case ExprKind::test:
      return evaluate_test(expr, scope);
    case ExprKind::namespace_attribute:
      break;  // as a target only
  }
  fail("an attribute cannot be read here");
}

Value Machine::look_up(const std::string& name, const Scope& scope) {
  for (const Scope* at = &scope; at != nullptr; at = at->parent.get()) {
    const auto found = at->variables.find(name);
    if (found != at->variables.end() && !found->second.is_missing()) return found->second;
  }
  if (const auto found = globals_.find(name); found != globals_.end()) return found->second;
  if (Value function = global_function(name); !function.is_missing()) return function;
  return undefined("\"" + name + "\" is undefined");
}

std::vector<Value> Machine::evaluate_parts(const Expr& expr, const ScopePtr& scope) {
  std::vector<Value> values;
  for (const ExprPtr& part : expr.parts) values.push_back(evaluate(*part, scope));
  return values;
}

Value Machine::evaluate_dict(const Expr& expr, const ScopePtr& scope) {
  std::vector<std::pair<Value, Value>> entries;
  for (size_t i = 0; i + 1 < expr.parts.size(); i += 2) {
    Value key = evaluate(*expr.parts[i], scope);
    entries.emplace_back(std::move(key), evaluate(*expr.parts[i + 1], scope));
  }
  return dict(std::move(entries));
}

Value Machine::evaluate_concat(const Expr& expr, const ScopePtr& scope) {
  std::string out;
  for (const ExprPtr& part : expr.parts) {
    out += to_text(*this, evaluate(*part, scope));
    if (out.size() > kMaxAllocatedBytes) allocate(out.size());
  }
  return text(std::move(out));
}

Value Machine::evaluate_compare(const Expr& expr, const ScopePtr& scope) {
  Value left = evaluate(*expr.parts[0], scope);
  for (size_t i = 0; i < expr.words.size(); ++i) {
    Value right = evaluate(*expr.parts[i + 1], scope);
    line_ = expr.line;
    if (!compare(*this, expr.words[i], left, right)) return false;
    left = std::move(right);
  }
  return true;
}

Value Machine::evaluate_conditional(const Expr& expr, const ScopePtr& scope) {
  if (is_true(evaluate(*expr.parts[0], scope))) return evaluate(*expr.parts[1], scope);
  if (expr.parts[2]) return evaluate(*expr.parts[2], scope);
  return undefined("the condition on line " + std::to_string(expr.line) + " is false and there is no \"else\"");
}

Value Machine::evaluate_slice(const Expr& expr, const ScopePtr& scope) {
  const Value subject = evaluate(*expr.parts[0], scope);
  const auto part = [&](size_t i) { return expr.parts[i] ? evaluate(*expr.parts[i], scope) : Value(None{}); };
  const Value start = part(1), stop = part(2), by = part(3);
  line_ = expr.line;
  if (subject.undefined()) fail(subject.undefined()->message);
  if (!subject.string() && !subject.sequence() && !subject.as<Range>())
    fail(std::string("a slice of a value of type ") + type_name(subject));
  const Bounds bounds = slice_bounds(*this, start, stop, by, *length_of(subject));
  step(bounds.length / 16);
  if (subject.string()) return slice_text(*this, *subject.string(), bounds);
  if (subject.sequence()) return slice_items(*this, subject, bounds);
  const Range& range = *subject.as<Range>();
  const int64_t first = range.at(bounds.start), step_size = range.step * bounds.step;
  return Range{first, first + step_size * bounds.length, step_size, bounds.length};
}

Arguments Machine::evaluate_arguments(const Expr& expr, const ScopePtr& scope) {
  Arguments arguments;
  const size_t num_positional = expr.parts.size() - 1 - expr.words.size();
  for (size_t i = 0; i < num_positional; ++i) arguments.positional.push_back(evaluate(*expr.parts[i + 1], scope));
  if (expr.star)
    for (Value& value : items_of(evaluate(*expr.star, scope))) arguments.positional.push_back(std::move(value));
  for (size_t i = 0; i < expr.words.size(); ++i)
    arguments.named.emplace_back(expr.words[i], evaluate(*expr.parts[i + 1 + num_positional], scope));
  if (!expr.star_star) return arguments;
  const Value more = evaluate(*expr.star_star, scope);
  if (!more.dict()) fail("** needs a dictionary");
  for (const auto& [key, value] : more.dict()->entries) {
    if (!key.string()) fail("the names of arguments are texts");
    for (const auto& [name, unused] : arguments.named)
      if (name == key.bytes()) fail("the argument \"" + name + "\" is passed twice");
    arguments.named.emplace_back(key.bytes(), value);
  }
  return arguments;
}

Value Machine::evaluate_call(const Expr& expr, const ScopePtr& scope, const Value* caller) {
  const Value callee = evaluate(*expr.parts[0], scope);
  Arguments arguments = evaluate_arguments(expr, scope);
  if (caller) arguments.named.emplace_back("caller", *caller);
  line_ = expr.line;
  return call(callee, arguments);
}

Value Machine::call(const Value& callee, const Arguments& arguments) {
  step();
  if (callee.function()) return callee.function()->call(*this, arguments);
  if (callee.macro()) return call_macro(*callee.macro(), arguments);
  if (callee.loop()) {
    if (!callee.loop()->recursive) fail("\"loop\" is called in a loop that is not marked \"recursive\"");
    if (arguments.positional.size() != 1 || !arguments.named.empty()) fail("loop() takes one argument");
    return text(run_recursive(*callee.loop(), arguments.positional[0]));
  }
  if (callee.undefined()) fail(callee.undefined()->message);
  fail(std::string("a value of type ") + type_name(callee) + " cannot be called");
}

Value Machine::evaluate_filter(const Expr& expr, const ScopePtr& scope, const Value* block_text) {
  Value subject;
  if (!expr.parts[0])
    subject = *block_text;
  else if (block_text && expr.parts[0]->kind == ExprKind::filter)
    subject = evaluate_filter(*expr.parts[0], scope, block_text);
  else
    subject = evaluate(*expr.parts[0], scope);
  const Arguments arguments = evaluate_arguments(expr, scope);
  line_ = expr.line;
  return apply_filter(expr.word, subject, arguments);
}

Value Machine::evaluate_test(const Expr& expr, const ScopePtr& scope) {
  const Value subject = evaluate(*expr.parts[0], scope);
  const Arguments arguments = evaluate_arguments(expr, scope);
  line_ = expr.line;
  return apply_test(expr.word, subject, arguments);
}

Value Machine::apply_filter(const std::string& name, const Value& subject, const Arguments& arguments) {
  step();
  const Level level(*this);
  const FilterFunction* filter = find_filter(name);
  if (!filter) fail("the filter \"" + name + "\" is not " + (is_refused_filter(name) ? "available" : "known"));
  return (*filter)(*this, subject, arguments);
}

bool Machine::apply_test(const std::string& name, const Value& subject, const Arguments& arguments) {
  step();
  const TestFunction* test = find_test(name);
  if (!test) fail("the test \"" + name + "\" is not known");
  return (*test)(*this, subject, arguments);
}

// Python's attribute first, then the item: the methods of a dictionary hide its keys.
Value Machine::attribute(const Value& subject, const std::string& name) {
  if (subject.undefined()) fail(subject.undefined()->message);
  Value method = method_of(*this, subject, name);
  if (!method.is_missing()) return method;
  if (subject.dict())
    if (const Value* value = find(*subject.dict(), make_string(name))) return *value;
  return undefined(std::string("a value of type ") + type_name(subject) + " has no attribute \"" + name + "\"");
}

Value Machine::item(const Value& subject, const Value& key) {
  if (subject.undefined()) fail(subject.undefined()->message);
  if (subject.dict() && is_hashable(key))
    if (const Value* value = find(*subject.dict(), key)) return *value;
  if (is_integer(key) && (subject.string() || subject.sequence() || subject.as<Range>())) {
    const int64_t length = *length_of(subject);
    int64_t at = integer_of(key);
    if (at < 0) at += length;
    if (at >= 0 && at < length) {
      if (subject.sequence()) return subject.sequence()->items[static_cast<size_t>(at)];
      if (subject.as<Range>()) return subject.as<Range>()->at(at);
      return slice_text(*this, *subject.string(), {at, 1, 1});
    }
  }
  if (key.string()) {
    Value method = method_of(*this, subject, key.bytes());
    if (!method.is_missing()) return method;
  }
  return undefined(std::string("a value of type ") + type_name(subject) + " has no item " +
                   (key.string() || is_number(key) ? to_repr(*this, key) : std::string("of type ") + type_name(key)));
}

}  // namespace distill::jinja
