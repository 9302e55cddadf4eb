#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "../unicode.h"
#include "arguments.h"
#include "methods.h"
#include "print.h"
#include "python_text.h"

namespace distill::jinja {
namespace {

using Call = Value (*)(Machine&, const Value& subject, const Arguments&);
constexpr int64_t kEnd = INT64_MAX;

Value optional_text(Machine& machine, const char* method, const Value& value) {
  if (value.is_missing() || value.is_none()) return None{};
  string_of(machine, method, value);
  return value;
}

size_t byte_place(const String& text, int64_t place) {
  if (text.is_ascii()) return static_cast<size_t>(place);
  size_t at = 0;
  for (int64_t i = 0; i < place && at < text.bytes.size(); ++i) at += code_point_at(text.bytes, at).num_bytes;
  return at;
}

size_t find_bytes(std::string_view text, std::string_view word) {
  const void* found = ::memmem(text.data(), text.size(), word.data(), word.size());
  return found ? static_cast<size_t>(static_cast<const char*>(found) - text.data()) : std::string_view::npos;
}

// `[start:end]` of a text, in bytes; nullopt when start lies beyond the end.
struct Part {
  size_t begin;
  std::string_view text;
};
std::optional<Part> part_of(Machine& machine, const char* method, const Value& subject, const Value& start, const Value& end) {
  const int64_t length = static_cast<int64_t>(subject.string()->length);
  const auto place = [&](const Value& value, int64_t otherwise) {
    int64_t at = value.is_missing() || value.is_none() ? otherwise : integer_or(machine, method, value, otherwise);
    if (at < 0) at = std::max<int64_t>(at + length, 0);
    return at;
  };
  machine.scan(subject.bytes().size());
  const int64_t first = place(start, 0), last = std::min(place(end, kEnd), length);
  if (first > length || first > last) return std::nullopt;
  const size_t begin = byte_place(*subject.string(), first), stop = byte_place(*subject.string(), last);
  return Part{begin, std::string_view(subject.bytes()).substr(begin, stop - begin)};
}

template <bool at_start, bool at_end>
Value strip(Machine& machine, const Value& subject, const Arguments& arguments) {
  const Value chars = optional_text(machine, "strip", bind(machine, "strip", arguments, {"chars"})[0]);
  std::string_view text = subject.bytes();
  machine.scan(text.size());
  std::set<char32_t> given;
  for (size_t at = 0; chars.string() && at < chars.bytes().size();) {
    const CodePoint c = code_point_at(chars.bytes(), at);
    given.insert(c.value);
    at += c.num_bytes;
  }
  const auto goes = [&](char32_t c) { return chars.string() ? given.count(c) > 0 : is_python_space(c); };
  while (at_start && !text.empty()) {
    const CodePoint c = code_point_at(text, 0);
    if (!goes(c.value)) break;
    text.remove_prefix(c.num_bytes);
  }
  while (at_end && !text.empty()) {
    const CodePoint c = code_point_before(text, text.size());
    if (!goes(c.value)) break;
    text.remove_suffix(c.num_bytes);
  }
  return machine.text(std::string(text), subject.string()->safe);
}

std::vector<std::string_view> split_at_space(std::string_view text, int64_t most) {
  std::vector<std::string_view> parts;
  text.remove_prefix(leading_space(text));
  while (!text.empty()) {
    if (static_cast<int64_t>(parts.size()) == most) {
      parts.push_back(text);
      break;
    }
    size_t end = 0;
    while (end < text.size()) {
      const CodePoint c = code_point_at(text, end);
      if (is_python_space(c.value)) break;
      end += c.num_bytes;
    }
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end);
    text.remove_prefix(leading_space(text));
  }
  return parts;
}

std::vector<std::string_view> split_at_space_from_end(std::string_view text, int64_t most) {
  std::vector<std::string_view> parts;
  text.remove_suffix(trailing_space(text));
  while (!text.empty()) {
    if (static_cast<int64_t>(parts.size()) == most) {
      parts.push_back(text);
      break;
    }
    size_t begin = text.size();
    while (begin > 0) {
      const CodePoint c = code_point_before(text, begin);
      if (is_python_space(c.value)) break;
      begin -= c.num_bytes;
    }
    parts.push_back(text.substr(begin));
    text.remove_suffix(text.size() - begin);
    text.remove_suffix(trailing_space(text));
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_at(std::string_view text, std::string_view separator, int64_t most) {
  std::vector<std::string_view> parts;
  while (static_cast<int64_t>(parts.size()) != most) {
    const size_t at = find_bytes(text, separator);
    if (at == std::string_view::npos) break;
    parts.push_back(text.substr(0, at));
    text.remove_prefix(at + separator.size());
  }
  parts.push_back(text);
  return parts;
}

std::vector<std::string_view> split_at_from_end(std::string_view text, std::string_view separator, int64_t most) {
  std::vector<std::string_view> parts;
  while (static_cast<int64_t>(parts.size()) != most) {
    const size_t at = text.rfind(separator);
    if (at == std::string_view::npos) break;
    parts.push_back(text.substr(at + separator.size()));
    text = text.substr(0, at);
  }
  parts.push_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

template <bool from_end>
Value split(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "split", arguments, {"sep", "maxsplit"});
  const Value separator = optional_text(machine, "split", given[0]);
  int64_t most = integer_or(machine, "split", given[1], -1);
  if (most < 0) most = -1;
  machine.scan(subject.bytes().size());
  std::vector<std::string_view> parts;
  if (!separator.string()) {
    parts = from_end ? split_at_space_from_end(subject.bytes(), most) : split_at_space(subject.bytes(), most);
  } else {
    if (separator.bytes().empty()) machine.fail("split at an empty text");
    parts = from_end ? split_at_from_end(subject.bytes(), separator.bytes(), most)
                     : split_at(subject.bytes(), separator.bytes(), most);
  }
  std::vector<Value> out;
  out.reserve(parts.size());
  for (const std::string_view part : parts) out.push_back(machine.text(std::string(part), subject.string()->safe));
  return machine.list(std::move(out));
}

Value splitlines(Machine& machine, const Value& subject, const Arguments& arguments) {
  const bool keeps_ends = is_true(bind(machine, "splitlines", arguments, {"keepends"})[0]);
  const std::string& text = subject.bytes();
  machine.scan(text.size());
  std::vector<Value> lines;
  for (size_t begin = 0, at = 0; begin < text.size();) {
    if (at >= text.size()) {
      lines.push_back(machine.text(text.substr(begin)));
      break;
    }
    const CodePoint c = code_point_at(text, at);
    const bool ends = (c.value >= 0x0A && c.value <= 0x0D) || (c.value >= 0x1C && c.value <= 0x1E) || c.value == 0x85 ||
                      c.value == 0x2028 || c.value == 0x2029;
    const size_t line_end = at;
    at += c.num_bytes;
    if (!ends) continue;
    if (c.value == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.push_back(machine.text(text.substr(begin, (keeps_ends ? at : line_end) - begin)));
    begin = at;
  }
  return machine.list(std::move(lines));
}

template <bool at_start>
Value has_affix(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, at_start ? "startswith" : "endswith", arguments, {"prefix", "start", "end"}, 1);
  const std::optional<Part> part = part_of(machine, "startswith", subject, given[1], given[2]);
  std::vector<Value> words = {given[0]};
  if (given[0].tuple()) words = given[0].tuple()->items;
  bool found = false;
  for (const Value& word : words) {
    const std::string& affix = string_of(machine, at_start ? "startswith" : "endswith", word);
    if (part && !found) found = at_start ? part->text.starts_with(affix) : part->text.ends_with(affix);
  }
  return found;
}

template <bool from_end>
int64_t find_place(Machine& machine, const char* method, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, method, arguments, {"sub", "start", "end"}, 1);
  const std::string& word = string_of(machine, method, given[0]);
  const std::optional<Part> part = part_of(machine, method, subject, given[1], given[2]);
  if (!part) return -1;
  const size_t at = from_end ? part->text.rfind(word) : find_bytes(part->text, word);
  if (at == std::string_view::npos) return -1;
  return static_cast<int64_t>(num_code_points(std::string_view(subject.bytes()).substr(0, part->begin + at)));
}
template <bool from_end>
Value find(Machine& machine, const Value& subject, const Arguments& arguments) {
  return find_place<from_end>(machine, "find", subject, arguments);
}
template <bool from_end>
Value index(Machine& machine, const Value& subject, const Arguments& arguments) {
  const int64_t place = find_place<from_end>(machine, "index", subject, arguments);
  if (place < 0) machine.fail("index of a text that is not there");
  return place;
}

Value count(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "count", arguments, {"sub", "start", "end"}, 1);
  const std::string& word = string_of(machine, "count", given[0]);
  const std::optional<Part> part = part_of(machine, "count", subject, given[1], given[2]);
  if (!part) return int64_t{0};
  if (word.empty()) return static_cast<int64_t>(num_code_points(part->text)) + 1;
  return static_cast<int64_t>(split_at(part->text, word, -1).size()) - 1;
}

Value replace(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "replace", arguments, {"old", "new", "count"}, 2);
  const std::string &old = string_of(machine, "replace", given[0]), &fresh = string_of(machine, "replace", given[1]);
  int64_t most = integer_or(machine, "replace", given[2], -1);
  const std::string& text = subject.bytes();
  machine.scan(text.size());
  std::string out;
  const auto put = [&] {
    out += fresh;
    if (out.size() > kMaxAllocatedBytes) machine.allocate(out.size());
  };
  if (old.empty()) {
    size_t at = 0;
    for (; most != 0; --most) {
      put();
      if (at >= text.size()) break;
      const size_t size = code_point_at(text, at).num_bytes;
      out.append(text, at, size);
      at += size;
    }
    out.append(text, std::min(at, text.size()), std::string::npos);
    return machine.text(std::move(out));
  }
  size_t at = 0;
  for (; most != 0; --most) {
    const size_t next = find_bytes(std::string_view(text).substr(at), old);
    if (next == std::string_view::npos) break;
    out.append(text, at, next);
    put();
    at += next + old.size();
  }
  out.append(text, at, std::string::npos);
  return machine.text(std::move(out));
}

Value join(Machine& machine, const Value& subject, const Arguments& arguments) {
  std::string out;
  bool is_first = true;
  for (const Value& item : machine.items_of(bind(machine, "join", arguments, {"iterable"}, 1)[0])) {
    if (!is_first) out += subject.bytes();
    is_first = false;
    out += string_of(machine, "join", item);
    if (out.size() > kMaxAllocatedBytes) machine.allocate(out.size());
  }
  return machine.text(std::move(out));
}

template <std::string (*change)(std::string_view)>
Value changed(Machine& machine, const Value& subject, const Arguments& arguments) {
  bind(machine, "the method", arguments, {});
  return machine.text(change(subject.bytes()), subject.string()->safe);
}

template <bool (*is_one)(char32_t)>
Value all_are(Machine& machine, const Value& subject, const Arguments&) {
  const std::string& text = subject.bytes();
  machine.scan(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (!is_one(c.value)) return false;
    at += c.num_bytes;
  }
  return !text.empty();
}
bool is_alphanumeric(char32_t c) { return is_alphabetic(c) || is_numeral(c); }

template <bool (*is_one)(char32_t), bool (*is_other)(char32_t)>
Value is_cased(Machine& machine, const Value& subject, const Arguments&) {
  const std::string& text = subject.bytes();
  machine.scan(text.size());
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    at += c.num_bytes;
    if (is_other(c.value) || is_title(c.value)) return false;
    found |= is_one(c.value);
  }
  return found;
}

template <bool at_start>
Value without_affix(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::string affix = string_of(machine, "removeprefix", bind(machine, "removeprefix", arguments, {"affix"}, 1)[0]);
  const std::string& text = subject.bytes();
  if (at_start && text.starts_with(affix)) return machine.text(text.substr(affix.size()));
  if (!at_start && text.ends_with(affix)) return machine.text(text.substr(0, text.size() - affix.size()));
  return subject;
}

template <bool from_end>
Value partition(Machine& machine, const Value& subject, const Arguments& arguments) {
  const Value separator = bind(machine, "partition", arguments, {"sep"}, 1)[0];
  const std::string& word = string_of(machine, "partition", separator);
  if (word.empty()) machine.fail("partition at an empty text");
  const std::string& text = subject.bytes();
  machine.scan(text.size());
  const size_t at = from_end ? text.rfind(word) : find_bytes(text, word);
  const Value empty = machine.text("");
  if (at == std::string::npos) return from_end ? machine.tuple({empty, empty, subject}) : machine.tuple({subject, empty, empty});
  return machine.tuple({machine.text(text.substr(0, at)), separator, machine.text(text.substr(at + word.size()))});
}

enum class Side { left, right, center };
template <Side side>
Value justify(Machine& machine, const Value& subject, const Arguments& arguments) {
  const std::vector<Value> given = bind(machine, "center", arguments, {"width", "fillchar"}, 1);
  const int64_t width = integer_or(machine, "center", given[0], 0);
  const std::string fill = given[1].is_missing() ? " " : string_of(machine, "center", given[1]);
  if (num_code_points(fill) != 1) machine.fail("the filling is one character");
  const int64_t missing = width - static_cast<int64_t>(subject.string()->length);
  if (missing <= 0) return subject;
  if (missing > static_cast<int64_t>(kMaxOutputBytes)) machine.fail_limit("a text is filled to more than 16 MiB");
  const int64_t before = side == Side::left ? 0 : side == Side::right ? missing : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < before; ++i) out += fill;
  out += subject.bytes();
  for (int64_t i = before; i < missing; ++i) out += fill;
  return machine.text(std::move(out), subject.string()->safe);
}

Value zfill(Machine& machine, const Value& subject, const Arguments& arguments) {
  const int64_t width = integer_or(machine, "zfill", bind(machine, "zfill", arguments, {"width"}, 1)[0], 0);
  const int64_t missing = width - static_cast<int64_t>(subject.string()->length);
  if (missing <= 0) return subject;
  if (missing > static_cast<int64_t>(kMaxOutputBytes)) machine.fail_limit("a text is filled to more than 16 MiB");
  const std::string& text = subject.bytes();
  const size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+');
  return machine.text(text.substr(0, sign) + std::string(static_cast<size_t>(missing), '0') + text.substr(sign));
}

// `{}`, `{0}` and `{name}` of str.format, with attributes and items; format specifications are not available.
class BraceFormat {
 public:
  BraceFormat(Machine& machine, const Arguments& arguments) : machine_(machine), arguments_(arguments) {}

  std::string run(const std::string& format) {
    std::string out;
    for (size_t at = 0; at < format.size();) {
      const char c = format[at++];
      if (c != '{' && c != '}') {
        out += c;
      } else if (at < format.size() && format[at] == c) {
        out += c;
        ++at;
      } else if (c == '}') {
        machine_.fail("a single \"}\" in a format");
      } else {
        const size_t end = format.find('}', at);
        if (end == std::string::npos) machine_.fail("a \"{\" without its \"}\" in a format");
        out += field(format.substr(at, end - at));
        at = end + 1;
        machine_.allocate(out.size() / 16);
      }
    }
    return out;
  }

 private:
  std::string field(const std::string& text) {
    if (text.find_first_of(":!{.[") != std::string::npos)
      machine_.fail("the field \"{" + text + "}\" of a format: only numbers and names are available");
    if (text.empty()) return to_text(machine_, positional(next_++));
    if (text.find_first_not_of("0123456789") == std::string::npos)
      return to_text(machine_, positional(std::strtoull(text.c_str(), nullptr, 10)));
    for (const auto& [name, value] : arguments_.named)
      if (name == text) return to_text(machine_, value);
    machine_.fail("the format names \"" + text + "\", which is not passed");
  }
  const Value& positional(size_t i) {
    if (i >= arguments_.positional.size()) machine_.fail("the format takes more values than are passed");
    return arguments_.positional[i];
  }

  Machine& machine_;
  const Arguments& arguments_;
  size_t next_ = 0;
};
Value format(Machine& machine, const Value& subject, const Arguments& arguments) {
  return machine.text(BraceFormat(machine, arguments).run(subject.bytes()));
}

const std::map<std::string, Call>& all_methods() {
  static const std::map<std::string, Call> methods = {{"strip", strip<true, true>},
                                                      {"lstrip", strip<true, false>},
                                                      {"rstrip", strip<false, true>},
                                                      {"split", split<false>},
                                                      {"rsplit", split<true>},
                                                      {"splitlines", splitlines},
                                                      {"startswith", has_affix<true>},
                                                      {"endswith", has_affix<false>},
                                                      {"upper", changed<upper>},
                                                      {"lower", changed<lower>},
                                                      {"title", changed<title>},
                                                      {"capitalize", changed<capitalize>},
                                                      {"swapcase", changed<swap_case>},
                                                      {"replace", replace},
                                                      {"find", find<false>},
                                                      {"rfind", find<true>},
                                                      {"index", index<false>},
                                                      {"rindex", index<true>},
                                                      {"count", count},
                                                      {"join", join},
                                                      {"format", format},
                                                      {"isdigit", all_are<is_digit>},
                                                      {"isdecimal", all_are<is_decimal>},
                                                      {"isnumeric", all_are<is_numeral>},
                                                      {"isalpha", all_are<is_alphabetic>},
                                                      {"isalnum", all_are<is_alphanumeric>},
                                                      {"isspace", all_are<is_python_space>},
                                                      {"isupper", is_cased<is_upper, is_lower>},
                                                      {"islower", is_cased<is_lower, is_upper>},
                                                      {"removeprefix", without_affix<true>},
                                                      {"removesuffix", without_affix<false>},
                                                      {"partition", partition<false>},
                                                      {"rpartition", partition<true>},
                                                      {"ljust", justify<Side::left>},
                                                      {"rjust", justify<Side::right>},
                                                      {"center", justify<Side::center>},
                                                      {"zfill", zfill}};
  return methods;
}

// Methods that return the same with a text that was marked safe.
bool keeps_safe(const std::string& name) {
  static const std::set<std::string> kSafe = {"strip", "lstrip", "rstrip",     "split",    "rsplit",     "upper",
                                              "lower", "title",  "capitalize", "swapcase", "startswith", "endswith",
                                              "find",  "rfind",  "index",      "rindex",   "count"};
  return kSafe.count(name) > 0;
}

bool is_missing_method(const std::string& name) {
  static const std::set<std::string> kMissing = {"casefold",     "encode",      "expandtabs", "format_map", "isascii",
                                                 "isidentifier", "isprintable", "istitle",    "maketrans",  "translate"};
  return kMissing.count(name) > 0;
}

}  // namespace

Value string_method(Machine& machine, const Value& subject, const std::string& name) {
  const auto found = all_methods().find(name);
  if (found == all_methods().end()) {
    if (is_missing_method(name)) machine.fail("the method \"" + name + "\" of texts is not available");
    return {};
  }
  if (subject.string()->safe && !keeps_safe(name) && name.substr(0, 2) != "is")
    machine.fail("the method \"" + name + "\" of a text that was marked safe is not available");
  return std::shared_ptr<const Function>(std::make_shared<Function>(
      Function{name, [subject, call = found->second](Machine& m, const Arguments& a) { return call(m, subject, a); }}));
}

}  // namespace distill::jinja
