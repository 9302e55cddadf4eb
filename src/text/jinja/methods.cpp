#include "methods.h"

#include <algorithm>
#include <set>

#include "arguments.h"
#include "compare.h"

namespace distill::jinja {
namespace {

Value function(std::string name, std::function<Value(Machine&, const Arguments&)> call) {
  return std::shared_ptr<const Function>(std::make_shared<Function>(Function{std::move(name), std::move(call)}));
}

Value forbidden(const Value& subject, const std::string& name) {
  return std::shared_ptr<const Undefined>(std::make_shared<Undefined>(Undefined{
      std::string("the attribute \"") + name + "\" of a value of type " + type_name(subject) + " is unsafe in a template",
      true}));
}

// What every object of Python has and no template may touch.
bool is_internal(const Value& subject, const std::string& name) {
  static const std::set<std::string> kOfAll = {"__class__",   "__delattr__", "__dir__",           "__doc__",         "__eq__",
                                               "__format__",  "__ge__",      "__getattribute__",  "__getstate__",    "__gt__",
                                               "__hash__",    "__init__",    "__init_subclass__", "__le__",          "__lt__",
                                               "__ne__",      "__new__",     "__reduce__",        "__reduce_ex__",   "__repr__",
                                               "__setattr__", "__sizeof__",  "__str__",           "__subclasshook__"};
  static const std::set<std::string> kOfContainers = {"__contains__", "__getitem__", "__iter__", "__len__"};
  if (kOfAll.count(name)) return !subject.name_space();
  return kOfContainers.count(name) && (subject.string() || subject.sequence() || subject.dict());
}

Value get_from_dict(Machine& machine, const std::shared_ptr<const Dict>& dict, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "get", arguments, {"key", "default"}, 1);
  if (const Value* value = machine.find(*dict, given[0])) return *value;
  return given[1].is_missing() ? Value(None{}) : given[1];
}

Value dict_method(const Value& subject, const std::string& name) {
  static const std::set<std::string> kForbidden = {"clear", "pop", "popitem", "setdefault", "update"};
  if (kForbidden.count(name)) return forbidden(subject, name);
  const std::shared_ptr<const Dict> dict = subject.shared_dict();
  if (name == "get") return function(name, [dict](Machine& m, const Arguments& a) { return get_from_dict(m, dict, a); });
  const auto view = [&](DictPart part) {
    return function(name, [dict, part, name](Machine& m, const Arguments& a) -> Value {
      bind(m, name, a, {});
      return View{dict, part};
    });
  };
  if (name == "keys") return view(DictPart::keys);
  if (name == "values") return view(DictPart::values);
  if (name == "items") return view(DictPart::items);
  if (name == "copy") return function(name, [subject](Machine&, const Arguments&) { return subject; });
  if (name == "fromkeys")
    return function(name, [](Machine& m, const Arguments&) -> Value { m.fail("the method \"fromkeys\" is not available"); });
  return {};
}

int64_t index_in(Machine& machine, const List& list, const Arguments& arguments) {
  const Value item = bind(machine, "index", arguments, {"value"}, 1)[0];
  for (size_t i = 0; i < list.items.size(); ++i)
    if (are_equal(machine, list.items[i], item)) return static_cast<int64_t>(i);
  machine.fail("index of a value that is not in the list");
}

int64_t count_in(Machine& machine, const List& list, const Arguments& arguments) {
  const Value item = bind(machine, "count", arguments, {"value"}, 1)[0];
  return std::count_if(list.items.begin(), list.items.end(), [&](const Value& other) { return are_equal(machine, other, item); });
}

Value list_method(const Value& subject, const std::string& name) {
  static const std::set<std::string> kForbidden = {"append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"};
  if (subject.list() && kForbidden.count(name)) return forbidden(subject, name);
  if (name == "index")
    return function(name, [subject](Machine& m, const Arguments& a) -> Value { return index_in(m, *subject.sequence(), a); });
  if (name == "count")
    return function(name, [subject](Machine& m, const Arguments& a) -> Value { return count_in(m, *subject.sequence(), a); });
  if (name == "copy" && subject.list()) return function(name, [subject](Machine&, const Arguments&) { return subject; });
  return {};
}

Value loop_changed(Machine& machine, const std::shared_ptr<Loop>& loop, const Arguments& arguments) {
  const Value now = machine.tuple(arguments.positional);
  if (loop->last_changed && are_equal(machine, *loop->last_changed, now)) return false;
  loop->last_changed = now;
  return true;
}

Value loop_cycle(Machine& machine, const std::shared_ptr<Loop>& loop, const Arguments& arguments) {
  if (arguments.positional.empty()) machine.fail("loop.cycle() needs the values to cycle through");
  return arguments.positional[static_cast<size_t>(loop->index0) % arguments.positional.size()];
}

// Whether there is a next item, which is then in `after`.
bool looks_ahead(Machine& machine, Loop& loop) {
  if (loop.after.is_missing() && !loop.is_exhausted) {
    loop.is_exhausted = !loop.source->next(machine, loop.after);
    if (loop.is_exhausted) loop.after = Value();
  }
  return !loop.after.is_missing();
}

Value loop_attribute(Machine& machine, const std::shared_ptr<Loop>& loop, const std::string& name) {
  if (name == "index") return loop->index0 + 1;
  if (name == "index0") return loop->index0;
  if (name == "first") return loop->index0 == 0;
  if (name == "last") return !looks_ahead(machine, *loop);
  if (name == "length") return machine.loop_length(*loop);
  if (name == "revindex") return machine.loop_length(*loop) - loop->index0;
  if (name == "revindex0") return machine.loop_length(*loop) - loop->index0 - 1;
  if (name == "depth") return loop->depth0 + 1;
  if (name == "depth0") return loop->depth0;
  if (name == "previtem") return loop->index0 == 0 ? machine.undefined("there is no previous item") : loop->before;
  if (name == "nextitem") return looks_ahead(machine, *loop) ? loop->after : machine.undefined("there is no next item");
  if (name == "cycle") return function(name, [loop](Machine& m, const Arguments& a) { return loop_cycle(m, loop, a); });
  if (name == "changed") return function(name, [loop](Machine& m, const Arguments& a) { return loop_changed(m, loop, a); });
  return {};
}

Value cycler_attribute(const std::shared_ptr<Cycler>& cycler, const std::string& name) {
  if (name == "current") return cycler->items[cycler->place];
  if (name == "next")
    return function(name, [cycler](Machine&, const Arguments&) {
      const Value value = cycler->items[cycler->place];
      cycler->place = (cycler->place + 1) % cycler->items.size();
      return value;
    });
  if (name == "reset")
    return function(name, [cycler](Machine&, const Arguments&) -> Value {
      cycler->place = 0;
      return None{};
    });
  return {};
}

Value macro_attribute(Machine& machine, const Macro& macro, const std::string& name) {
  if (name == "name") return macro.name.empty() ? Value(None{}) : machine.text(macro.name);
  if (name == "caller") return macro.definition->reads_caller;
  if (name == "catch_kwargs") return macro.definition->reads_kwargs;
  if (name == "catch_varargs") return macro.definition->reads_varargs;
  if (name != "arguments") return {};
  std::vector<Value> names;
  for (const ExprPtr& parameter : macro.definition->parameters) names.push_back(machine.text(parameter->word));
  return machine.tuple(std::move(names));
}

Value number_attribute(Machine& machine, const Value& subject, const std::string& name) {
  static const std::set<std::string> kKnown = {"real",       "imag",     "numerator",  "denominator",      "bit_length",
                                               "conjugate",  "to_bytes", "from_bytes", "as_integer_ratio", "bit_count",
                                               "is_integer", "hex",      "fromhex"};
  const bool is_of_float = name == "is_integer" || name == "hex" || name == "fromhex";
  const bool is_of_int = name == "numerator" || name == "denominator" || name == "bit_length" || name == "to_bytes" ||
                         name == "from_bytes" || name == "bit_count";
  if (!kKnown.count(name) || (subject.as<double>() ? is_of_int : is_of_float)) return {};
  machine.fail("the attribute \"" + name + "\" of a number is not available");
}

}  // namespace

Value method_of(Machine& machine, const Value& subject, const std::string& name) {
  if (is_internal(subject, name)) return forbidden(subject, name);
  if (subject.string()) return string_method(machine, subject, name);
  if (subject.dict()) return dict_method(subject, name);
  if (subject.sequence()) return list_method(subject, name);
  if (subject.name_space()) {
    const Value* value = subject.name_space()->find(name);
    return value ? *value : Value();
  }
  if (subject.loop()) return loop_attribute(machine, *subject.as<std::shared_ptr<Loop>>(), name);
  if (subject.cycler()) return cycler_attribute(*subject.as<std::shared_ptr<Cycler>>(), name);
  if (subject.macro()) return macro_attribute(machine, *subject.macro(), name);
  if (is_number(subject)) return number_attribute(machine, subject, name);
  return {};
}

}  // namespace distill::jinja
