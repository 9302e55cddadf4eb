#include "filters.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "../unicode.h"
#include "arguments.h"
#include "arithmetic.h"
#include "compare.h"
#include "format.h"
#include "json_text.h"
#include "methods.h"
#include "print.h"
#include "python_text.h"

namespace distill::jinja {
namespace {

// A text as it is, other values as they print; a text that was marked safe stays so.
Value soft(Machine& machine, const Value& value) { return value.string() ? value : machine.text(to_text(machine, value)); }
bool is_safe(const Value& value) { return value.string() && value.string()->safe; }

Value ignore_case(Machine& machine, const Value& value, bool case_sensitive) {
  return !case_sensitive && value.string() ? machine.text(lower(value.bytes())) : value;
}

// `a.b.0` of an attribute argument, step by step; missing and none: the value itself.
Value attribute_of(Machine& machine, Value value, const Value& path, const Value& fallback = {}) {
  if (path.is_missing() || path.is_none()) return value;
  std::vector<Value> keys;
  if (path.string()) {
    const std::string& text = path.bytes();
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.find('.', begin), text.size());
      const std::string part = text.substr(begin, end - begin);
      int64_t number = 0;
      const bool is_number = !part.empty() && part.find_first_not_of("0123456789") == std::string::npos &&
                             std::from_chars(part.data(), part.data() + part.size(), number).ec == std::errc();
      keys.push_back(is_number ? Value(number) : machine.text(part));
      begin = end + 1;
    }
  } else {
    keys.push_back(path);
  }
  for (const Value& key : keys) {
    value = machine.item(value, key);
    if (value.undefined() && !fallback.is_missing() && !fallback.is_none()) value = fallback;
  }
  return value;
}

template <std::string (*change)(std::string_view)>
Value change_case(Machine& machine, const Value& subject, const Arguments& arguments) {
  bind(machine, "the filter", arguments, {});
  const Value text = soft(machine, subject);
  return machine.text(change(text.bytes()), is_safe(text));
}

// Words begin after white space, - ( { [ <, as Jinja's own title().
Value title_words(Machine& machine, const Value& subject, const Arguments&) {
  const std::string text = to_text(machine, subject);
  std::string out, word;
  const auto flush = [&] {
    if (word.empty()) return;
    const size_t first = code_point_at(word, 0).num_bytes;
    out += upper(word.substr(0, first)) + lower(word.substr(first));
    word.clear();
  };
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const bool separates = is_python_space(c.value) ||
                           (c.value < 0x80 && std::string("-({[<").find(static_cast<char>(c.value)) != std::string::npos);
    if (separates) flush();
    (separates ? out : word).append(text, at, c.num_bytes);
    at += c.num_bytes;
  }
  flush();
  return machine.text(std::move(out));
}

Value call_method(Machine& machine, const Value& text, const char* name, std::vector<Value> arguments) {
  return machine.call(string_method(machine, text, name), {std::move(arguments), {}});
}

Value trim(Machine& machine, const Value& subject, const Arguments& arguments) {
  const Value chars = bind(machine, "trim", arguments, {"chars"})[0];
  return call_method(machine, soft(machine, subject), "strip", {chars.is_missing() ? Value(None{}) : chars});
}

Value replace(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "replace", arguments, {"old", "new", "count"}, 2);
  const auto text = [&](const Value& value) { return machine.text(to_text(machine, value)); };
  const Value count = given[2].is_missing() || given[2].is_none() ? Value(int64_t{-1}) : given[2];
  return call_method(machine, text(subject), "replace", {text(given[0]), text(given[1]), count});
}

Value length(Machine& machine, const Value& subject, const Arguments&) {
  const std::optional<int64_t> count = machine.length_of(subject);
  if (!count) machine.fail(std::string("a value of type ") + type_name(subject) + " has no length");
  return *count;
}

Value default_to(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "default", arguments, {"default_value", "boolean"});
  const bool is_replaced = subject.undefined() || (is_true(given[1]) && !is_true(subject));
  if (!is_replaced) return subject;
  return given[0].is_missing() ? machine.text("") : given[0];
}

Value join(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "join", arguments, {"d", "attribute"});
  const std::string separator = given[0].is_missing() ? "" : to_text(machine, given[0]);
  std::string out;
  bool is_first = true;
  const std::shared_ptr<Iterator> source = machine.iterate(subject);
  for (Value item; source->next(machine, item);) {
    if (!is_first) out += separator;
    is_first = false;
    out += to_text(machine, attribute_of(machine, item, given[1]));
    machine.step();
    if (out.size() > kMaxAllocatedBytes) machine.allocate(out.size());
  }
  return machine.text(std::move(out));
}

using Open = std::function<std::shared_ptr<Iterator>(Machine&)>;

// A generator of Python: nothing happens, and nothing fails, before its first item is asked for.
Value lazily(Machine& machine, Open open) {
  return machine.generator([open = std::move(open), source = std::shared_ptr<Iterator>()](Machine& m, Value& out) mutable {
    if (!source) source = open(m);
    return source->next(m, out);
  });
}

std::shared_ptr<Iterator> open_items(Machine& machine, const Value& subject) {
  if (subject.undefined()) return machine.iterate(subject);
  if (!subject.dict()) machine.fail("items of a value that is no dictionary");
  return machine.iterate(View{subject.shared_dict(), DictPart::items});
}

Value items(Machine& machine, const Value& subject, const Arguments&) {
  return lazily(machine, [subject](Machine& m) { return open_items(m, subject); });
}

Value first(Machine& machine, const Value& subject, const Arguments&) {
  Value out;
  return machine.iterate(subject)->next(machine, out) ? out : machine.undefined("no first item: the sequence is empty");
}

bool is_reversible(const Value& value) {
  return value.sequence() || value.string() || value.dict() || value.as<View>() || value.as<Range>() || value.undefined();
}

Value last(Machine& machine, const Value& subject, const Arguments&) {
  if (!is_reversible(subject)) machine.fail(std::string("a value of type ") + type_name(subject) + " cannot be reversed");
  const std::vector<Value> all = machine.items_of(subject);
  return all.empty() ? machine.undefined("no last item: the sequence is empty") : all.back();
}

Value reverse(Machine& machine, const Value& subject, const Arguments&) {
  std::vector<Value> all = machine.items_of(subject);
  std::reverse(all.begin(), all.end());
  if (subject.string()) {
    std::string out;
    for (const Value& c : all) out += c.bytes();
    return machine.text(std::move(out), is_safe(subject));
  }
  if (!is_reversible(subject)) return machine.list(std::move(all));
  const std::shared_ptr<Iterator> source = machine.iterate(machine.list(std::move(all)));
  return machine.generator([source](Machine& m, Value& out) { return source->next(m, out); }, "list_reverseiterator");
}

Value list(Machine& machine, const Value& subject, const Arguments&) { return machine.list(machine.items_of(subject)); }
Value string(Machine& machine, const Value& subject, const Arguments&) { return soft(machine, subject); }

// Python's int() of a text: signs, spaces and single underscores.
std::optional<int64_t> parse_integer(Machine& machine, std::string_view text, int64_t base) {
  text.remove_prefix(leading_space(text));
  text.remove_suffix(trailing_space(text));
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  const auto prefix = [&](char letter, int64_t of) {
    if (text.size() < 2 || text[0] != '0' || (text[1] | 0x20) != letter || (base != of && base != 0)) return;
    text.remove_prefix(2);
    base = of;
  };
  prefix('x', 16);
  prefix('o', 8);
  prefix('b', 2);
  if (base == 0) base = 10;
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      digits += text[i];
    } else if (i == 0 || i + 1 == text.size() || text[i + 1] == '_') {
      return std::nullopt;
    }
  }
  if (digits.empty() || digits[0] == '-') return std::nullopt;
  if (negative) digits.insert(0, "-");
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, static_cast<int>(base));
  if (end != digits.data() + digits.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) machine.fail("an integer of more than 64 bits, which is not available");
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

std::optional<double> parse_float(std::string_view text) {
  text.remove_prefix(leading_space(text));
  text.remove_suffix(trailing_space(text));
  std::string digits(text);
  for (size_t i = 0; i < digits.size(); ++i) {
    if (digits[i] != '_') continue;
    const bool between = i > 0 && i + 1 < digits.size() && std::isdigit(static_cast<unsigned char>(digits[i - 1])) &&
                         std::isdigit(static_cast<unsigned char>(digits[i + 1]));
    if (!between) return std::nullopt;
  }
  digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
  const std::string low = lower(digits);
  const bool is_word = low.find("inf") != std::string::npos || low.find("nan") != std::string::npos;
  if (digits.empty() || (!is_word && low.find_first_not_of("0123456789.e+-") != std::string::npos) ||
      low.find('(') != std::string::npos)
    return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(digits.c_str(), &end);
  return end == digits.c_str() + digits.size() ? std::optional(value) : std::nullopt;
}

Value to_integer(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "int", arguments, {"default", "base"});
  const Value fallback = given[0].is_missing() ? Value(int64_t{0}) : given[0];
  const int64_t base = integer_or(machine, "int", given[1], 10);
  if (base != 0 && (base < 2 || base > 36)) machine.fail("int with a base that is not 0 or 2 to 36");
  if (subject.undefined()) machine.fail(subject.undefined()->message);
  if (is_integer(subject)) return integer_of(subject);
  std::optional<double> number;
  if (subject.string()) {
    if (const std::optional<int64_t> value = parse_integer(machine, subject.bytes(), base)) return *value;
    number = parse_float(subject.bytes());
  } else if (subject.as<double>()) {
    number = *subject.as<double>();
    if (std::isinf(*number)) machine.fail("int of an infinite number");
  }
  if (!number || !std::isfinite(*number)) return fallback;
  if (!(*number > -9.2e18 && *number < 9.2e18)) machine.fail("an integer of more than 64 bits, which is not available");
  return static_cast<int64_t>(*number);
}

Value to_float(Machine& machine, const Value& subject, const Arguments& arguments) {
  const Value given = bind(machine, "float", arguments, {"default"})[0];
  if (subject.undefined()) machine.fail(subject.undefined()->message);
  if (is_number(subject)) return number_of(subject);
  if (subject.string())
    if (const std::optional<double> value = parse_float(subject.bytes())) return *value;
  return given.is_missing() ? Value(0.0) : given;
}

Value absolute(Machine& machine, const Value& subject, const Arguments&) {
  if (subject.as<double>()) return std::fabs(*subject.as<double>());
  if (!is_integer(subject)) machine.fail(std::string("abs of a value of type ") + type_name(subject));
  return integer_of(subject) < 0 ? negative(machine, subject) : Value(integer_of(subject));
}

// To the nearest, halves to even, of the exact decimal value: as printf rounds.
double round_to(double value, int64_t precision) {
  if (!std::isfinite(value) || precision > 300) return value;
  if (precision < 0) {
    const double scale = std::pow(10.0, static_cast<double>(-precision));
    return std::nearbyint(value / scale) * scale;
  }
  char buffer[800];
  std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(precision), value);
  return std::strtod(buffer, nullptr);
}

Value round_number(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "round", arguments, {"precision", "method"});
  const int64_t precision = integer_or(machine, "round", given[0], 0);
  const std::string method = given[1].is_missing() ? "common" : to_text(machine, given[1]);
  if (method != "common" && method != "ceil" && method != "floor") machine.fail("round knows the methods common, ceil and floor");
  if (!is_number(subject)) machine.fail(std::string("round of a value of type ") + type_name(subject));
  if (precision < -300 || precision > 300) machine.fail("round to more than 300 places");
  if (method == "common") {
    if (!is_integer(subject)) return round_to(number_of(subject), precision);
    if (precision >= 0) return integer_of(subject);
    return static_cast<int64_t>(round_to(number_of(subject), precision));
  }
  const double scale = std::pow(10.0, static_cast<double>(precision)), scaled = number_of(subject) * scale;
  return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale;
}

template <class Less>
void merge_sort(Machine& machine, std::vector<std::pair<Value, Value>>& keyed, Less&& less) {
  machine.step(static_cast<int64_t>(keyed.size()) * 4);
  std::stable_sort(keyed.begin(), keyed.end(), less);
}

// Pairs of key and item, by key; `reverse` keeps the order of equal ones, as Python.
std::vector<Value> sorted(Machine& machine, std::vector<std::pair<Value, Value>> keyed, bool reverse) {
  merge_sort(machine, keyed, [&](const auto& a, const auto& b) {
    return reverse ? is_ordered(machine, "<", b.first, a.first) : is_ordered(machine, "<", a.first, b.first);
  });
  std::vector<Value> out;
  for (auto& [key, item] : keyed) out.push_back(std::move(item));
  return out;
}

Value sort_key(Machine& machine, const Value& item, const Value& attribute, bool case_sensitive) {
  std::vector<Value> keys;
  if (!attribute.string()) {
    keys.push_back(ignore_case(machine, attribute_of(machine, item, attribute), case_sensitive));
    return machine.list(std::move(keys));
  }
  const std::string& text = attribute.bytes();
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    keys.push_back(
        ignore_case(machine, attribute_of(machine, item, machine.text(text.substr(begin, end - begin))), case_sensitive));
    begin = end + 1;
  }
  return machine.list(std::move(keys));
}

Value sort(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "sort", arguments, {"reverse", "case_sensitive", "attribute"});
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : machine.items_of(subject))
    keyed.emplace_back(sort_key(machine, item, given[2], is_true(given[1])), item);
  return machine.list(sorted(machine, std::move(keyed), is_true(given[0])));
}

Value dictsort(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = given[1].is_missing() ? "key" : to_text(machine, given[1]);
  if (by != "key" && by != "value") machine.fail("dictsort sorts by \"key\" or \"value\"");
  if (subject.undefined()) machine.fail(subject.undefined()->message);
  if (!subject.dict()) machine.fail("dictsort of a value that is no dictionary");
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, value] : subject.dict()->entries)
    keyed.emplace_back(ignore_case(machine, by == "key" ? key : value, is_true(given[0])), machine.tuple({key, value}));
  return machine.list(sorted(machine, std::move(keyed), is_true(given[2])));
}

std::shared_ptr<Iterator> open_unique(Machine& machine, const Value& subject, const std::vector<Value>& given) {
  std::vector<std::pair<Value, Value>> seen;
  std::vector<Value> out;
  for (const Value& item : machine.items_of(subject)) {
    const Value key = ignore_case(machine, attribute_of(machine, item, given[1]), is_true(given[0]));
    if (!is_hashable(key)) machine.fail(std::string("unique of a value of type ") + type_name(key));
    const bool is_new =
        std::none_of(seen.begin(), seen.end(), [&](const auto& other) { return are_equal(machine, other.first, key); });
    if (!is_new) continue;
    seen.emplace_back(key, None{});
    out.push_back(item);
  }
  return machine.iterate(machine.list(std::move(out)));
}

Value unique(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "unique", arguments, {"case_sensitive", "attribute"});
  return lazily(machine, [subject, given](Machine& m) { return open_unique(m, subject, given); });
}

template <bool is_minimum>
Value extreme(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "min or max", arguments, {"case_sensitive", "attribute"});
  Value best, best_key;
  for (const Value& item : machine.items_of(subject)) {
    const Value key = ignore_case(machine, attribute_of(machine, item, given[1]), is_true(given[0]));
    if (!best.is_missing() && !is_ordered(machine, is_minimum ? "<" : ">", key, best_key)) continue;
    best = item;
    best_key = key;
  }
  return best.is_missing() ? machine.undefined("no smallest or largest item: the sequence is empty") : best;
}

Value sum(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "sum", arguments, {"attribute", "start"});
  Value total = given[1].is_missing() ? Value(int64_t{0}) : given[1];
  if (total.string()) machine.fail("sum of texts; use join");
  for (const Value& item : machine.items_of(subject))
    total = arithmetic(machine, "+", total, attribute_of(machine, item, given[0]));
  return total;
}

using Change = std::function<bool(Machine&, Value&)>;  // false: the item is left out

std::shared_ptr<Iterator> through(const std::shared_ptr<Iterator>& source, Change change) {
  return std::make_shared<Iterator>(Iterator{"generator", [source, change = std::move(change)](Machine& m, Value& out) {
                                               while (source->next(m, out)) {
                                                 m.step();
                                                 if (change(m, out)) return true;
                                               }
                                               return false;
                                             }});
}

// The items of `subject` one at a time through what `prepare` makes of the arguments.
Value transformed(Machine& machine, const Value& subject, const Arguments& arguments, Change (*prepare)(Machine&, Arguments)) {
  return lazily(machine, [subject, arguments, prepare](Machine& m) {
    if (!is_true(subject)) return m.iterate(m.undefined(""));
    Change change = prepare(m, arguments);
    return through(m.iterate(subject), std::move(change));
  });
}

Value take_first(Arguments& arguments) {
  const Value value = arguments.positional.front();
  arguments.positional.erase(arguments.positional.begin());
  return value;
}

Change prepare_map(Machine& machine, Arguments arguments) {
  if (arguments.positional.empty()) {
    const std::vector<Value> given = bind(machine, "map", arguments, {"attribute", "default"}, 1);
    return [given](Machine& m, Value& out) {
      out = attribute_of(m, out, given[0], given[1]);
      return true;
    };
  }
  const std::string name = to_text(machine, take_first(arguments));
  return [name, arguments](Machine& m, Value& out) {
    out = m.apply_filter(name, out, arguments);
    return true;
  };
}
Value map(Machine& machine, const Value& subject, const Arguments& arguments) {
  return transformed(machine, subject, arguments, prepare_map);
}

template <bool keeps, bool of_attribute>
Change prepare_select(Machine& machine, Arguments arguments) {
  if (of_attribute && arguments.positional.empty()) machine.fail("the name of an attribute is missing");
  Value attribute;  // g++ 12 captures it wrongly as a conditional expression
  if (of_attribute) attribute = take_first(arguments);
  const std::string test = arguments.positional.empty() ? "" : to_text(machine, take_first(arguments));
  return [attribute, test, arguments](Machine& m, Value& out) {
    const Value tested = attribute_of(m, out, attribute);
    return (test.empty() ? is_true(tested) : m.apply_test(test, tested, arguments)) == keeps;
  };
}
template <bool keeps, bool of_attribute>
Value select(Machine& machine, const Value& subject, const Arguments& arguments) {
  return transformed(machine, subject, arguments, prepare_select<keeps, of_attribute>);
}

Value groupby(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
  std::vector<std::pair<Value, Value>> keyed;
  const auto key_of = [&](const Value& item) { return attribute_of(machine, item, given[0], given[1]); };
  for (const Value& item : machine.items_of(subject))
    keyed.emplace_back(ignore_case(machine, key_of(item), is_true(given[2])), item);
  merge_sort(machine, keyed, [&](const auto& a, const auto& b) { return is_ordered(machine, "<", a.first, b.first); });
  std::vector<Value> groups;
  for (size_t begin = 0; begin < keyed.size();) {
    std::vector<Value> members;
    size_t end = begin;
    for (; end < keyed.size() && are_equal(machine, keyed[end].first, keyed[begin].first); ++end)
      members.push_back(keyed[end].second);
    if (end == begin) machine.fail("groupby of a value that does not equal itself");
    const Value key = key_of(members.front());
    groups.push_back(machine.tuple({key, machine.list(std::move(members))}));
    begin = end;
  }
  return machine.list(std::move(groups));
}

std::shared_ptr<Iterator> open_batch(Machine& machine, const Value& subject, const std::vector<Value>& given) {
  const int64_t size = integer_or(machine, "batch", given[0], 0);
  if (size > kMaxRange) machine.fail_limit("batch of more than 100000 items");
  std::vector<Value> rows, row;
  for (const Value& item : machine.items_of(subject)) {
    if (static_cast<int64_t>(row.size()) == size) rows.push_back(machine.list(std::exchange(row, {})));
    row.push_back(item);
  }
  if (!row.empty()) {
    while (!given[1].is_missing() && !given[1].is_none() && static_cast<int64_t>(row.size()) < size) row.push_back(given[1]);
    rows.push_back(machine.list(std::move(row)));
  }
  return machine.iterate(machine.list(std::move(rows)));
}

Value batch(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "batch", arguments, {"linecount", "fill_with"}, 1);
  return lazily(machine, [subject, given](Machine& m) { return open_batch(m, subject, given); });
}

Value indent(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "indent", arguments, {"width", "first", "blank"});
  const std::string margin = given[0].string() ? given[0].bytes() : [&] {
    const int64_t width = integer_or(machine, "indent", given[0], 4);
    if (width > 10'000) machine.fail_limit("indent by more than 10000 characters");
    return std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  }();
  if (subject.undefined()) machine.fail(subject.undefined()->message);
  const Value text = machine.text(string_of(machine, "indent", subject) + "\n");
  const std::vector<Value> lines = machine.items_of(call_method(machine, text, "splitlines", {}));
  std::string out = is_true(given[1]) ? margin : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += "\n";
    if (i > 0 && (is_true(given[2]) || !lines[i].bytes().empty())) out += margin;
    out += lines[i].bytes();
    if (out.size() > kMaxAllocatedBytes) machine.allocate(out.size());
  }
  return machine.text(std::move(out), is_safe(subject));
}

Value escape(Machine& machine, const Value& subject, const Arguments&) {
  return is_safe(subject) ? subject : machine.text(escaped(to_text(machine, subject)), true);
}
Value force_escape(Machine& machine, const Value& subject, const Arguments&) {
  return machine.text(escaped(to_text(machine, subject)), true);
}
Value safe(Machine& machine, const Value& subject, const Arguments&) { return machine.text(to_text(machine, subject), true); }

Value wordcount(Machine& machine, const Value& subject, const Arguments&) {
  const std::string text = to_text(machine, subject);
  int64_t count = 0;
  bool in_word = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    at += c.num_bytes;
    const bool is_word = c.value == '_' || is_alphabetic(c.value) || is_numeral(c.value);
    count += is_word && !in_word;
    in_word = is_word;
  }
  return count;
}

Value format(Machine& machine, const Value& subject, const Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty())
    machine.fail("format takes positional or named values, not both");
  if (arguments.named.empty()) return format_percent(machine, soft(machine, subject), machine.tuple(arguments.positional));
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [name, value] : arguments.named) entries.emplace_back(machine.text(name), value);
  return format_percent(machine, soft(machine, subject), machine.dict(std::move(entries)));
}

Value attr(Machine& machine, const Value& subject, const Arguments& arguments) {
  const Value name = bind(machine, "attr", arguments, {"name"}, 1)[0];
  if (subject.undefined()) machine.fail(subject.undefined()->message);
  const Value method = method_of(machine, subject, string_of(machine, "attr", name));
  return method.is_missing() ? machine.undefined(std::string("a value of type ") + type_name(subject) + " has no attribute \"" +
                                                 name.bytes() + "\"")
                             : method;
}

Value center(Machine& machine, const Value& subject, const Arguments& arguments) {
  const Value width = bind(machine, "center", arguments, {"width"})[0];
  return call_method(machine, soft(machine, subject), "center", {width.is_missing() ? Value(int64_t{80}) : width});
}

const std::map<std::string, FilterFunction>& all_filters() {
  static const std::map<std::string, FilterFunction> filters = {{"abs", absolute},
                                                                {"attr", attr},
                                                                {"batch", batch},
                                                                {"capitalize", change_case<capitalize>},
                                                                {"center", center},
                                                                {"count", length},
                                                                {"d", default_to},
                                                                {"default", default_to},
                                                                {"dictsort", dictsort},
                                                                {"e", escape},
                                                                {"escape", escape},
                                                                {"first", first},
                                                                {"float", to_float},
                                                                {"forceescape", force_escape},
                                                                {"format", format},
                                                                {"groupby", groupby},
                                                                {"indent", indent},
                                                                {"int", to_integer},
                                                                {"items", items},
                                                                {"join", join},
                                                                {"last", last},
                                                                {"length", length},
                                                                {"list", list},
                                                                {"lower", change_case<lower>},
                                                                {"map", map},
                                                                {"max", extreme<false>},
                                                                {"min", extreme<true>},
                                                                {"reject", select<false, false>},
                                                                {"rejectattr", select<false, true>},
                                                                {"replace", replace},
                                                                {"reverse", reverse},
                                                                {"round", round_number},
                                                                {"safe", safe},
                                                                {"select", select<true, false>},
                                                                {"selectattr", select<true, true>},
                                                                {"sort", sort},
                                                                {"string", string},
                                                                {"sum", sum},
                                                                {"title", title_words},
                                                                {"tojson", to_json},
                                                                {"trim", trim},
                                                                {"unique", unique},
                                                                {"upper", change_case<upper>},
                                                                {"wordcount", wordcount}};
  return filters;
}

}  // namespace

const FilterFunction* find_filter(const std::string& name) {
  const auto found = all_filters().find(name);
  return found == all_filters().end() ? nullptr : &found->second;
}

bool is_refused_filter(const std::string& name) {
  static const std::set<std::string> kRefused = {"filesizeformat", "pprint",    "random", "slice",    "striptags",
                                                 "truncate",       "urlencode", "urlize", "wordwrap", "xmlattr"};
  return kRefused.count(name) > 0;
}

}  // namespace distill::jinja
