#include "json_text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "../unicode.h"
#include "arguments.h"
#include "compare.h"
#include "python_text.h"

namespace distill::jinja {
namespace {

struct Style {
  bool ascii = false, sorted = false;
  std::optional<std::string> indent;
  std::string item_separator = ", ", key_separator = ": ";
};

class Writer {
 public:
  Writer(Machine& machine, const Style& style) : machine_(machine), style_(style) {}

  std::string run(const Value& value) {
    write(value, 0);
    return std::move(out_);
  }

 private:
  void write(const Value& value, size_t depth) {
    machine_.step();
    const Machine::Level level(machine_);
    if (value.string()) return write_string(value.bytes());
    if (value.is_none()) return void(out_ += "null");
    if (value.as<bool>()) return void(out_ += *value.as<bool>() ? "true" : "false");
    if (value.as<int64_t>()) return void(out_ += std::to_string(*value.as<int64_t>()));
    if (value.as<double>()) return void(out_ += number(*value.as<double>()));
    if (const List* items = value.sequence()) return write_list(*items, depth);
    if (value.dict()) return write_dict(*value.dict(), depth);
    machine_.fail(std::string("tojson of a value of type ") + type_name(value));
  }

  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return float_text(value);
  }

  void new_line(size_t depth) {
    if (!style_.indent) return;
    machine_.allocate(depth * style_.indent->size());
    out_ += '\n';
    for (size_t i = 0; i < depth; ++i) out_ += *style_.indent;
  }

  void write_list(const List& list, size_t depth) {
    if (list.items.empty()) return void(out_ += "[]");
    out_ += '[';
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line(depth + 1);
      write(list.items[i], depth + 1);
    }
    new_line(depth);
    out_ += ']';
  }

  std::string key_text(const Value& key) const {
    if (key.string()) return key.bytes();
    if (key.as<bool>()) return *key.as<bool>() ? "true" : "false";
    if (key.as<int64_t>()) return std::to_string(*key.as<int64_t>());
    if (key.as<double>()) return number(*key.as<double>());
    if (key.is_none()) return "null";
    machine_.fail(std::string("tojson of a dictionary with a key of type ") + type_name(key));
  }

  void write_dict(const Dict& dict, size_t depth) {
    if (dict.entries.empty()) return void(out_ += "{}");
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sorted)
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const auto* a, const auto* b) { return is_ordered(machine_, "<", a->first, b->first); });
    out_ += '{';
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line(depth + 1);
      write_string(key_text(entries[i]->first));
      out_ += style_.key_separator;
      write(entries[i]->second, depth + 1);
    }
    new_line(depth);
    out_ += '}';
  }

  void write_escape(char32_t c) {
    char escape[16];
    if (c >= 0x10000) {
      c -= 0x10000;
      std::snprintf(escape, sizeof escape, "\\u%04x\\u%04x", static_cast<unsigned>(0xD800 + (c >> 10)),
                    static_cast<unsigned>(0xDC00 + (c & 0x3FF)));
    } else {
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
    }
    out_ += escape;
  }

  void write_string(const std::string& text) {
    machine_.allocate(text.size());
    constexpr std::string_view kFrom = "\"\\\n\r\t\f\b", kTo = "\"\\nrtfb";
    out_ += '"';
    for (size_t at = 0; at < text.size();) {
      const CodePoint c = code_point_at(text, at);
      const size_t known = c.value < 0x80 ? kFrom.find(static_cast<char>(c.value)) : std::string_view::npos;
      if (known != std::string_view::npos)
        (out_ += '\\') += kTo[known];
      else if (c.value < 0x20 || (style_.ascii && c.value > 0x7E))
        write_escape(c.value);
      else
        out_.append(text, at, c.num_bytes);
      at += c.num_bytes;
    }
    out_ += '"';
  }

  Machine& machine_;
  const Style& style_;
  std::string out_;
};

std::optional<std::string> indent_of(Machine& machine, const Value& value) {
  if (value.is_missing() || value.is_none()) return std::nullopt;
  if (value.string()) return value.bytes();
  const int64_t width = integer_or(machine, "tojson", value, 0);
  if (width > 1000) machine.fail_limit("tojson indents by more than 1000 characters");
  return std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
}

}  // namespace

Value to_json(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> options = bind(machine, "tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  Style style;
  style.ascii = is_true(options[0]);
  style.indent = indent_of(machine, options[1]);
  style.sorted = is_true(options[3]);
  if (style.indent) style.item_separator = ",";
  if (!options[2].is_missing() && !options[2].is_none()) {
    const std::vector<Value> separators = machine.items_of(options[2]);
    if (separators.size() != 2) machine.fail("tojson needs two separators");
    style.item_separator = string_of(machine, "tojson", separators[0]);
    style.key_separator = string_of(machine, "tojson", separators[1]);
  }
  return machine.text(Writer(machine, style).run(subject));
}

}  // namespace distill::jinja
