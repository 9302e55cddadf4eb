#include "value.h"

#include <cmath>

#include "../unicode.h"
#include "machine.h"

namespace distill::jinja {
namespace {

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <class... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

size_t combine(size_t seed, size_t hash) { return seed ^ (hash + 0x9E3779B97F4A7C15ULL + (seed << 6) + (seed >> 2)); }

}  // namespace

Value* Namespace::find(const std::string& name) {
  for (auto& [key, value] : attributes)
    if (key == name) return &value;
  return nullptr;
}

const char* type_name(const Value& value) {
  return std::visit(
      Overloaded{
          [](const Missing&) { return "missing"; }, [](const std::shared_ptr<const Undefined>&) { return "Undefined"; },
          [](const None&) { return "NoneType"; }, [](bool) { return "bool"; }, [](int64_t) { return "int"; },
          [](double) { return "float"; }, [](const std::shared_ptr<const String>& s) { return s->safe ? "Markup" : "str"; },
          [](const std::shared_ptr<const List>&) { return "list"; }, [](const TupleOf&) { return "tuple"; },
          [](const std::shared_ptr<const Dict>&) { return "dict"; }, [](const Range&) { return "range"; },
          [](const View& view) {
            return view.part == DictPart::keys ? "dict_keys" : view.part == DictPart::values ? "dict_values" : "dict_items";
          },
          [](const std::shared_ptr<Iterator>& iterator) { return iterator->python_type.c_str(); },
          [](const std::shared_ptr<Namespace>&) { return "Namespace"; },
          [](const std::shared_ptr<const Macro>&) { return "Macro"; },
          [](const std::shared_ptr<const Function>&) { return "function"; },
          [](const std::shared_ptr<Loop>&) { return "LoopContext"; }, [](const std::shared_ptr<Cycler>&) { return "Cycler"; }},
      value.form());
}

bool is_true(const Value& value) {
  return std::visit(
      Overloaded{[](const Missing&) { return false; }, [](const std::shared_ptr<const Undefined>&) { return false; },
                 [](const None&) { return false; }, [](bool b) { return b; }, [](int64_t i) { return i != 0; },
                 [](double d) { return d != 0; }, [](const std::shared_ptr<const String>& s) { return !s->bytes.empty(); },
                 [](const std::shared_ptr<const List>& list) { return !list->items.empty(); },
                 [](const TupleOf& tuple) { return !tuple.list->items.empty(); },
                 [](const std::shared_ptr<const Dict>& dict) { return !dict->entries.empty(); },
                 [](const Range& range) { return range.length > 0; },
                 [](const View& view) { return !view.dict->entries.empty(); }, [](const auto&) { return true; }},
      value.form());
}

Value make_string(std::string bytes) {
  auto text = std::make_shared<String>();
  text->length = num_code_points(bytes);
  text->bytes = std::move(bytes);
  return std::shared_ptr<const String>(std::move(text));
}

Value make_undefined(std::string message) {
  return std::shared_ptr<const Undefined>(std::make_shared<Undefined>(Undefined{std::move(message), false}));
}

bool is_integer(const Value& value) { return value.as<int64_t>() || value.as<bool>(); }
bool is_number(const Value& value) { return is_integer(value) || value.as<double>(); }
int64_t integer_of(const Value& value) { return value.as<bool>() ? *value.as<bool>() : *value.as<int64_t>(); }
double number_of(const Value& value) { return value.as<double>() ? *value.as<double>() : static_cast<double>(integer_of(value)); }

bool is_hashable(const Value& value) {
  if (value.list() || value.dict() || value.as<View>()) return false;
  if (const List* tuple = value.tuple())
    for (const Value& item : tuple->items)
      if (!is_hashable(item)) return false;
  return true;
}

size_t hash_of(const Value& value) {
  if (value.string()) return std::hash<std::string>()(value.bytes());
  if (is_number(value)) return std::hash<double>()(number_of(value));
  if (const List* tuple = value.tuple()) {
    size_t hash = tuple->items.size();
    for (const Value& item : tuple->items) hash = combine(hash, hash_of(item));
    return hash;
  }
  return value.form().index();
}

}  // namespace distill::jinja
