// The values of a template at run time, with the meaning that Python gives them. Everything but a namespace, an iterator and
// the state of a loop is immutable, so values are shared freely.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "distill/core/json_reader.h"

namespace distill::jinja {

class Machine;
class Value;
struct Arguments;
struct Statement;
struct Scope;

// Valid UTF-8; places and lengths are counted in code points, as Python counts.
struct String {
  std::string bytes;
  size_t length;      // code points
  bool safe = false;  // went through `safe` or `escape`: Python's Markup
  bool is_ascii() const { return length == bytes.size(); }
};

struct List {
  std::vector<Value> items;
  uint32_t depth = 1;  // of nested containers, itself included
};

// In the order of insertion; the index is made when it is worth it.
struct Dict {
  std::vector<std::pair<Value, Value>> entries;
  std::unordered_multimap<size_t, size_t> index;  // hash of the key to the place in `entries`; empty for few entries
  uint32_t depth = 1;
};

struct Undefined {
  std::string message;
  bool forbidden = false;  // an attribute that the sandbox hides
};

struct Range {
  int64_t start, stop, step, length;
  int64_t at(int64_t i) const { return start + i * step; }
};

enum class DictPart { keys, values, items };

// Yields until it is exhausted, once.
struct Iterator {
  std::string python_type;                     // "generator", "list_reverseiterator", ...
  std::function<bool(Machine&, Value&)> next;  // false: no further value
};

struct Namespace {
  std::vector<std::pair<std::string, Value>> attributes;
  Value* find(const std::string& name);
};

struct Function {
  std::string name;
  std::function<Value(Machine&, const Arguments&)> call;
};

struct Macro {
  const Statement* definition;
  std::shared_ptr<Scope> defined_in;
  std::string name;
};

struct Loop;    // the variable `loop`
struct Cycler;  // cycler(...)

struct Missing {};  // a variable without a value
struct None {};
struct TupleOf {
  std::shared_ptr<const List> list;
};
struct View {
  std::shared_ptr<const Dict> dict;
  DictPart part;
};

class Value {
 public:
  using Form = std::variant<Missing, std::shared_ptr<const Undefined>, None, bool, int64_t, double, std::shared_ptr<const String>,
                            std::shared_ptr<const List>, TupleOf, std::shared_ptr<const Dict>, Range, View,
                            std::shared_ptr<Iterator>, std::shared_ptr<Namespace>, std::shared_ptr<const Macro>,
                            std::shared_ptr<const Function>, std::shared_ptr<Loop>, std::shared_ptr<Cycler>>;

  Value() = default;
  template <class T, class = std::enable_if_t<!std::is_same_v<std::decay_t<T>, Value> && std::is_constructible_v<Form, T&&>>>
  Value(T&& form) : form_(std::forward<T>(form)) {}  // NOLINT: a value is what it holds

  template <class T>
  const T* as() const {
    return std::get_if<T>(&form_);
  }
  const Form& form() const { return form_; }

  bool is_missing() const { return as<Missing>(); }
  bool is_none() const { return as<None>(); }
  const Undefined* undefined() const { return pointee<const Undefined>(); }
  const String* string() const { return pointee<const String>(); }
  const List* list() const { return pointee<const List>(); }
  const List* tuple() const { return as<TupleOf>() ? as<TupleOf>()->list.get() : nullptr; }
  const List* sequence() const { return list() ? list() : tuple(); }
  const Dict* dict() const { return pointee<const Dict>(); }
  std::shared_ptr<const Dict> shared_dict() const { return *as<std::shared_ptr<const Dict>>(); }
  Iterator* iterator() const { return pointee<Iterator>(); }
  Namespace* name_space() const { return pointee<Namespace>(); }
  const Macro* macro() const { return pointee<const Macro>(); }
  const Function* function() const { return pointee<const Function>(); }
  Loop* loop() const { return pointee<Loop>(); }
  Cycler* cycler() const { return pointee<Cycler>(); }
  // Of the text, which the value must be.
  const std::string& bytes() const { return string()->bytes; }

 private:
  template <class T>
  T* pointee() const {
    const auto* pointer = as<std::shared_ptr<T>>();
    return pointer ? pointer->get() : nullptr;
  }
  Form form_;
};

struct Cycler {
  std::vector<Value> items;
  size_t place = 0;
};

// What a call passes.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

const char* type_name(const Value& value);  // Python's, for messages

bool is_true(const Value& value);

// Also without a machine: the constants of a template.
Value make_string(std::string bytes);
Value make_undefined(std::string message);

// A bool is a number in Python.
bool is_integer(const Value& value);
bool is_number(const Value& value);
int64_t integer_of(const Value& value);
double number_of(const Value& value);

// Equal values have equal hashes; false for what Python cannot hash.
bool is_hashable(const Value& value);
size_t hash_of(const Value& value);

}  // namespace distill::jinja
