#include "print.h"

#include "machine.h"
#include "python_text.h"

namespace distill::jinja {
namespace {

std::string repr_list(Machine& machine, const std::vector<Value>& items, const char* open, const char* close) {
  std::string out = open;
  for (size_t i = 0; i < items.size(); ++i) out += (i ? ", " : "") + to_repr(machine, items[i]);
  return out + close;
}

std::string repr_dict(Machine& machine, const Dict& dict) {
  std::string out = "{";
  for (const auto& [key, value] : dict.entries)
    out += (out.size() > 1 ? ", " : "") + to_repr(machine, key) + ": " + to_repr(machine, value);
  return out + "}";
}

std::string repr_view(Machine& machine, const View& view) {
  const std::vector<Value> items = machine.items_of(view);
  const char* open = view.part == DictPart::keys     ? "dict_keys(["
                     : view.part == DictPart::values ? "dict_values(["
                                                     : "dict_items([";
  return repr_list(machine, items, open, "])");
}

std::string repr_range(const Range& range, int64_t stop) {
  std::string out = "range(" + std::to_string(range.start) + ", " + std::to_string(stop);
  return out + (range.step == 1 ? ")" : ", " + std::to_string(range.step) + ")");
}

std::string repr_namespace(Machine& machine, const Namespace& name_space) {
  std::string out = "<Namespace {";
  bool is_first = true;
  for (const auto& [name, value] : name_space.attributes) {
    out += (is_first ? "" : ", ") + quoted_text(name) + ": " + to_repr(machine, value);
    is_first = false;
  }
  return out + "}>";
}

}  // namespace

std::string to_repr(Machine& machine, const Value& value) {
  machine.step();
  const Machine::Level level(machine);
  if (value.string()) {
    machine.allocate(value.bytes().size());
    return value.string()->safe ? "Markup(" + quoted_text(value.bytes()) + ")" : quoted_text(value.bytes());
  }
  if (value.undefined()) return "Undefined";
  if (value.list()) return repr_list(machine, value.list()->items, "[", "]");
  if (value.tuple()) return repr_list(machine, value.tuple()->items, "(", value.tuple()->items.size() == 1 ? ",)" : ")");
  if (value.dict()) return repr_dict(machine, *value.dict());
  if (const auto* b = value.as<bool>()) return *b ? "True" : "False";
  if (const auto* i = value.as<int64_t>()) return std::to_string(*i);
  if (const auto* d = value.as<double>()) return float_text(*d);
  if (value.is_none()) return "None";
  if (const auto* view = value.as<View>()) return repr_view(machine, *view);
  if (const auto* range = value.as<Range>()) return repr_range(*range, range->stop);
  if (value.name_space()) return repr_namespace(machine, *value.name_space());
  if (value.macro())
    return value.macro()->name.empty() ? "<Macro anonymous>" : "<Macro " + quoted_text(value.macro()->name) + ">";
  machine.fail(std::string("a value of type ") + type_name(value) + " has no text of its own to print");
}

std::string to_text(Machine& machine, const Value& value) {
  if (value.string()) return value.bytes();
  if (value.undefined()) return "";
  return to_repr(machine, value);
}

}  // namespace distill::jinja
