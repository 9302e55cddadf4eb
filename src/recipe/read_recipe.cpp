// The typed reader. One overload of `read` per type of value; each checks type and range and says what it wanted.
#include "read_recipe.h"

#include <algorithm>
#include <cmath>

#include "distill/core/json_reader.h"

#include "advice.h"
#include "kinds.h"
#include "leaves.h"

namespace distill {
namespace {

using Kind = YamlNode::Kind;

constexpr int kDeepestJson = 64;

std::string range_text(const FieldInfo& info) {
  std::string low = info.least ? (info.is_above ? "above " : "of at least ") + number_text(*info.least) : "";
  std::string high = info.most ? (info.is_below ? "below " : "at most ") + number_text(*info.most) : "";
  if (low.empty() && high.empty()) return "";
  return " " + low + (low.empty() || high.empty() ? "" : " and ") + high;
}

bool in_range(double value, const FieldInfo& info) {
  if (info.least && (info.is_above ? value <= *info.least : value < *info.least)) return false;
  return !info.most || (info.is_below ? value < *info.most : value <= *info.most);
}

// The number that somebody meant who wrote `1_000`, `10k`, `3%` or "4"; "" when there is none.
std::string number_meant(const YamlNode& node) {
  if (node.kind != Kind::scalar) return "";
  YamlNode bare = node;
  bare.is_plain = true;
  bare.text.erase(std::remove_if(bare.text.begin(), bare.text.end(), [](char c) { return c == '_' || c == ','; }),
                  bare.text.end());
  const ScalarType type = scalar_type(bare);
  if (type == ScalarType::integer || (type == ScalarType::real && !node.is_plain)) return bare.text;
  const auto quantity = parse_duration(bare.text);
  if (quantity && quantity->unit == Unit::percent) return number_text(quantity->amount / 100);
  return quantity ? to_string({quantity->amount, Unit::none}) : "";
}

std::string unit_words(const FieldInfo& info) {
  std::vector<std::string> examples;
  for (const Unit unit : info.allowed_units) {
    if (unit == Unit::steps) examples.emplace_back("`200 steps`");
    if (unit == Unit::tokens) examples.emplace_back("`30M tokens`");
    if (unit == Unit::epochs) examples.emplace_back("`2 epochs`");
    if (unit == Unit::percent) examples.emplace_back("`3%`");
    if (unit == Unit::seconds) examples.emplace_back("`10 minutes`");
  }
  return either(examples);
}

class FieldReader {
 public:
  FieldReader(GivenKeys& given, Report& report) : given_(given), report_(report) {}

  template <Section T>
  void read(const YamlNode& node, const std::string& path, const FieldInfo& /*info*/, T& into) {
    std::vector<std::string> known;
    for (const FieldInfo& field : field_infos<T>()) known.emplace_back(field.key);
    if (node.kind != Kind::map) {
      const std::string advice = node.kind == Kind::null ? "Give it keys, or remove it." : "Write `key: value` lines under it.";
      return complain(node, path, "a mapping with keys such as " + known.front(), advice);
    }
    for (const YamlEntry& entry : node.entries)
      if (std::find(known.begin(), known.end(), entry.key) == known.end()) refuse_unknown(entry, path, known);
    for_each_field<T>(
        [&](auto member, const FieldInfo& info) { read_field(node, join_path(path, info.key), info, into.*member); });
  }

 private:
  template <class T>
  void read_field(const YamlNode& section, const std::string& path, const FieldInfo& info, T& into) {
    const YamlEntry* entry = section.find(info.key);
    if (!entry) return read_absent(section, path, info, into);
    given_[path] = {entry->key_spot, entry->value.spot};
    if (info.is_planned && !(Optional<T> && is_nothing(entry->value))) return refuse_planned(*entry, path);
    read(entry->value, path, info, into);
  }

  template <class T>
  void read_absent(const YamlNode& section, const std::string& path, const FieldInfo& info, T& into) {
    if (!info.is_required) return;
    if constexpr (Section<T>) {  // what is missing is its required keys
      YamlNode empty;
      empty.kind = Kind::map;
      empty.spot = section.spot;
      read(empty, path, info, into);
    } else {
      report_.complain(section.spot, path, "`" + path + "` (" + std::string(info.help) + ")", "no such key",
                       "Add it, for example `" + example_of(path, info) + "`.");
    }
  }

  static std::string example_of(const std::string& path, const FieldInfo& info) {
    if (path == "data.train") return "data: {train: [{path: train.jsonl}]}";
    if (path == "train.length") return "train: {length: 2 epochs}";
    if (path == "output") return "output: runs/first";
    if (path.ends_with(".sae.path")) return "sae: {path: sae.safetensors, layer: 8}";
    if (path == "student.init.config") return "config: {model_type: llama, hidden_size: 256}";
    return std::string(info.key) + ": " + (path == "teacher.path" ? "models/teacher" : "...");
  }

  static bool is_nothing(const YamlNode& node) {
    return node.kind == Kind::null || (node.kind == Kind::scalar && node.text == "none");
  }

  void complain(const YamlNode& node, const std::string& path, std::string expected, std::string advice) {
    report_.complain(node.spot, path, std::move(expected), describe(node), std::move(advice));
  }

  void refuse_unknown(const YamlEntry& entry, const std::string& section, const std::vector<std::string>& known) {
    report_.mark_failed(section);
    report_.complain(entry.key_spot, join_path(section, shortened(entry.key)),
                     section.empty() ? "a key of the recipe" : "a key of `" + section + "`", "`" + shortened(entry.key) + "`",
                     report_.is_full() ? "" : advice_for_key(section, entry, known));
  }

  void refuse_planned(const YamlEntry& entry, const std::string& path) {
    report_.complain(entry.key_spot, path, "a recipe without `" + path + "`", "`" + path + "`, which is not available yet",
                     "Remove it.");
  }

  template <class T>
  static std::string for_example(const FieldInfo& info, const T& value) {
    return "For example `" + std::string(info.key) + ": " + yaml_text(value) + "`.";
  }

  void read(const YamlNode& node, const std::string& path, const FieldInfo& info, std::string& into) {
    const bool is_text = node.kind == Kind::scalar && scalar_type(node) == ScalarType::text && !node.text.empty();
    if (is_text) {
      into = node.text;
      return;
    }
    const bool is_word = node.kind == Kind::scalar && !node.text.empty();
    complain(node, path, "a text: " + std::string(info.help),
             is_word ? "Put it in quotes: \"" + shortened(node.text) + "\"." : "Give a text, or remove the key.");
  }

  void read(const YamlNode& node, const std::string& path, const FieldInfo& info, bool& into) {
    if (node.kind == Kind::scalar && scalar_type(node) == ScalarType::boolean) {
      into = boolean_value(node.text);
      return;
    }
    std::string lower = node.text;
    for (char& letter : lower) letter = static_cast<char>(std::tolower(letter));
    const bool yes = lower == "yes" || lower == "on" || lower == "y" || lower == "1" || lower == "true";
    const bool no = lower == "no" || lower == "off" || lower == "n" || lower == "0" || lower == "false";
    complain(node, path, "true or false", yes ? "Write `true`." : no ? "Write `false`." : for_example(info, into));
  }

  void read(const YamlNode& node, const std::string& path, const FieldInfo& info, int64_t& into) {
    const bool is_integer = node.kind == Kind::scalar && scalar_type(node) == ScalarType::integer;
    const auto value = is_integer ? integer_value(node.text) : std::nullopt;
    if (value && in_range(static_cast<double>(*value), info)) {
      into = *value;
      return;
    }
    const std::string expected = "a whole number" + range_text(info);
    if (is_integer) return complain(node, path, expected + (value ? "" : " that fits in 64 bits"), for_example(info, into));
    std::string meant = number_meant(node);
    const double real = node.kind == Kind::scalar && scalar_type(node) == ScalarType::real ? real_value(node.text) : 0.5;
    if (real == std::floor(real) && std::abs(real) < 1e15) meant = to_string({real, Unit::none});  // 1e4, 8.0
    complain(node, path, expected, meant.empty() ? for_example(info, into) : "Write `" + meant + "`.");
  }

  void read(const YamlNode& node, const std::string& path, const FieldInfo& info, double& into) {
    const ScalarType type = node.kind == Kind::scalar ? scalar_type(node) : ScalarType::null;
    const bool is_number = type == ScalarType::integer || type == ScalarType::real;
    const double value = is_number ? real_value(node.text) : 0;
    if (is_number && std::isfinite(value) && in_range(value, info)) {
      into = value;
      return;
    }
    const std::string expected = (is_number && !std::isfinite(value) ? "a finite number" : "a number") + range_text(info);
    const std::string meant = is_number ? "" : number_meant(node);
    complain(node, path, expected, meant.empty() ? for_example(info, into) : "Write `" + meant + "`.");
  }

  template <NamedEnum E>
  void read(const YamlNode& node, const std::string& path, const FieldInfo& info, E& into) {
    const std::vector<std::string> all = enum_words<E>();
    const std::vector<std::string>& available = info.available.empty() ? all : info.available;
    const auto value = node.kind == Kind::scalar ? enum_value<E>(node.text) : std::nullopt;
    const bool is_available = std::find(available.begin(), available.end(), node.text) != available.end();
    if (value && is_available) {
      into = *value;
      return;
    }
    const std::string expected = available.size() == 1 ? "`" + available.front() + "`" : "one of " + either(available);
    if (value) {
      return report_.complain(node.spot, path, expected, "`" + node.text + "`, which is not available yet",
                              available.size() == 1 ? "Use `" + available.front() + "`." : "Choose one of these.");
    }
    const std::string word = node.kind == Kind::scalar ? word_for(node.text, available) : "";
    complain(node, path, expected, word.empty() ? for_example(info, into) : "Did you mean `" + word + "`?");
  }

  template <class T>
  void read(const YamlNode& node, const std::string& path, const FieldInfo& info, std::optional<T>& into) {
    into.reset();
    if (node.kind == Kind::null || (Section<T> && is_nothing(node))) return;
    read(node, path, info, into.emplace());
  }

  template <class T>
  void read(const YamlNode& node, const std::string& path, const FieldInfo& info, NoneOr<T>& into) {
    if (is_nothing(node)) {
      into.value.reset();
      return;
    }
    T value = into.value.value_or(T{});
    read(node, path, info, value);
    into.value = value;
  }

  template <class T>
  void read(const YamlNode& node, const std::string& path, const FieldInfo& info, AutoOr<T>& into) {
    if (node.kind == Kind::scalar && node.text == "auto") {
      const auto& later = info.later_words;
      if (std::find(later.begin(), later.end(), "auto") != later.end())
        return report_.complain(node.spot, path, "a whole number" + range_text(info), "`auto`, which is not available yet",
                                for_example(info, into));
      into.value.reset();
      return;
    }
    T value = into.value.value_or(T{});
    read(node, path, info, value);
    into.value = value;
  }

  template <List T>
  void read(const YamlNode& node, const std::string& path, const FieldInfo& info, T& into) {
    if (node.kind != Kind::list) {
      std::string advice = "Write it in brackets.";
      if constexpr (!SectionList<T>) advice = into.empty() ? advice : for_example(info, into);
      return complain(node, path, "a list", advice);
    }
    if (node.items.empty() && info.is_required) complain(node, path, "at least one item", "Add one.");
    into.clear();
    for (size_t i = 0; i < node.items.size(); ++i) {
      const std::string child = join_path(path, std::to_string(i));
      given_[child] = {node.items[i].spot, node.items[i].spot};
      read(node.items[i], child, info, into.emplace_back());
    }
  }

  void read(const YamlNode& node, const std::string& path, const FieldInfo& info, Duration& into) {
    const std::string expected = "a quantity such as " + unit_words(info);
    const auto value = node.kind == Kind::scalar ? parse_duration(node.text) : std::nullopt;
    if (!value) return complain(node, path, expected, quantity_advice(node, info));
    Duration found = *value;
    if (found.unit == Unit::none) found.unit = info.bare_unit;
    const auto& allowed = info.allowed_units;
    if (found.unit == Unit::none || std::find(allowed.begin(), allowed.end(), found.unit) == allowed.end())
      return complain(node, path, expected, unit_advice(found, info));
    if (!in_range(found.amount, info))
      return complain(node, path, "an amount" + range_text(info), "For example " + unit_words(info) + ".");
    if (found.unit == Unit::percent && found.amount > 100)
      return complain(node, path, "at most 100%", "Write a share of the whole length, for example `3%`.");
    const bool counts = found.unit == Unit::steps || found.unit == Unit::tokens;
    if (counts && (found.amount != std::floor(found.amount) || found.amount > 1e15))
      return complain(node, path, "a whole number of steps or tokens, at most 1e15", "For example " + unit_words(info) + ".");
    into = found;
  }

  // For `10 stepz`, `ten steps`, `1_000 steps`.
  static std::string quantity_advice(const YamlNode& node, const FieldInfo& info) {
    std::string general = "For example " + unit_words(info) + ".";
    if (node.kind != Kind::scalar || node.text.size() > 64) return general;
    const size_t word_at = node.text.find_first_not_of("0123456789.,_+-eE \t");
    if (word_at == std::string::npos || word_at == 0) return general;
    std::string number = node.text.substr(0, word_at);
    number.erase(std::remove_if(number.begin(), number.end(), [](char c) { return c == '_' || c == ','; }), number.end());
    const std::string unit =
        nearest_word(node.text.substr(word_at), {"steps", "tokens", "epochs", "minutes", "hours", "seconds", "%"});
    while (!number.empty() && number.back() == ' ') number.pop_back();
    return unit.empty() || !parse_duration(number + " " + unit) ? general : "Did you mean `" + number + " " + unit + "`?";
  }

  // For a number without a unit, or with one that does not belong here.
  static std::string unit_advice(const Duration& found, const FieldInfo& info) {
    if (found.unit != Unit::none) return "For example " + unit_words(info) + ".";
    std::vector<std::string> choices;
    for (const Unit unit : info.allowed_units)
      choices.push_back("`" + to_string({unit == Unit::seconds ? found.amount * 60 : found.amount, unit}) + "`");
    return "Say the unit: " + either(choices) + ".";
  }

  void read(const YamlNode& node, const std::string& path, const FieldInfo& info, DropoutRecipe& into) {
    into.from_config = node.kind == Kind::scalar && node.text == "config";
    if (into.from_config) return;
    if (node.kind == Kind::scalar && scalar_type(node) == ScalarType::text)
      return complain(node, path, "a number" + range_text(info) + ", or `config`", "For example `dropout: 0.1`.");
    read(node, path, info, into.rate);
  }

  void read(const YamlNode& node, const std::string& path, const FieldInfo& info, Ramp& into) {
    if (node.kind != Kind::map) {
      double value = into.from;
      read(node, path, info, value);
      into = value;
      return;
    }
    const std::vector<std::string> known = {"from", "to", "over"};
    bool all_known = true;
    for (const YamlEntry& entry : node.entries) {
      if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
      all_known = false;
      refuse_unknown(entry, path, known);
    }
    if (!all_known) return;
    for (const std::string& key : known)
      if (!node.find(key))
        return complain(node, path, "`from`, `to` and `over`", "For example `{from: 1, to: 0.1, over: 50%}`, or one number.");
    read(node.find("from")->value, join_path(path, "from"), info, into.from);
    read(node.find("to")->value, join_path(path, "to"), info, into.to);
    const FieldInfo over = FieldInfo{"over", ""}.units({Unit::steps, Unit::percent}).above(0);
    read(node.find("over")->value, join_path(path, "over"), over, into.over);
  }

  void read(const YamlNode& node, const std::string& path, const FieldInfo& /*info*/, LayerMapping& into) {
    constexpr std::pair<const char*, LayerRule> kWords[] = {
        {"uniform", LayerRule::uniform}, {"last", LayerRule::last}, {"all", LayerRule::all}, {"learned", LayerRule::learned}};
    for (const auto& [word, rule] : kWords)
      if (node.kind == Kind::scalar && node.text == word) return void(into = {rule, {}});
    const std::string expected = "uniform, last, all, learned, or pairs [[student, teacher], ...]";
    if (node.kind != Kind::list || node.items.empty()) {
      const std::string word = node.kind == Kind::scalar ? word_for(node.text, {"uniform", "last", "all", "learned"}) : "";
      return complain(node, path, expected, word.empty() ? "For example `[[1, 2], [2, 4]]`." : "Did you mean `" + word + "`?");
    }
    into = {LayerRule::pairs, {}};
    for (const YamlNode& item : node.items) read_pair(item, path, into);
  }

  void read_pair(const YamlNode& node, const std::string& path, LayerMapping& into) {
    const FieldInfo layer = FieldInfo{"layer_mapping", ""}.min(0).max(100000);
    const bool is_pair = node.kind == Kind::list && node.items.size() == 2;
    if (!is_pair)
      return complain(node, path, "pairs of two layers, [[student, teacher], ...]", "For example `[[1, 2], [2, 4]]`.");
    std::pair<int64_t, int64_t> layers{1, 1};
    read(node.items[0], path, layer, layers.first);
    read(node.items[1], path, layer, layers.second);
    into.pairs.push_back(layers);
  }

  void read(const YamlNode& node, const std::string& path, const FieldInfo& /*info*/, JsonText& into) {
    if (node.kind != Kind::map || node.entries.empty())
      return complain(node, path, "the mapping of a config.json", "For example `{model_type: llama, hidden_size: 256}`.");
    into.text = json_of(node, path).dump();
  }

  Json json_of(const YamlNode& node, const std::string& path, int depth = 0) {
    if (depth > kDeepestJson) {
      complain(node, path, "a mapping nested at most " + std::to_string(kDeepestJson) + " deep", "Check the brackets.");
      return nullptr;
    }
    Json json;
    switch (node.kind) {
      case Kind::null:
        break;
      case Kind::scalar:
        return json_scalar(node, path);
      case Kind::list:
        json = Json::array();
        for (const YamlNode& item : node.items) json.push_back(json_of(item, path, depth + 1));
        break;
      case Kind::map:
        json = Json::object();
        for (const YamlEntry& entry : node.entries) json[entry.key] = json_of(entry.value, path, depth + 1);
        break;
    }
    return json;
  }

  Json json_scalar(const YamlNode& node, const std::string& path) {
    const ScalarType type = scalar_type(node);
    if (type == ScalarType::boolean) return boolean_value(node.text);
    if (type == ScalarType::text) return node.text;
    const auto whole = type == ScalarType::integer ? integer_value(node.text) : std::nullopt;
    if (whole) return *whole;
    const double real = real_value(node.text);
    if (type == ScalarType::integer || !std::isfinite(real)) {
      complain(node, path, "a finite number that fits in 64 bits", "Correct the number.");
      return nullptr;
    }
    return real;
  }

  GivenKeys& given_;
  Report& report_;
};

}  // namespace

void read_recipe(const YamlNode& root, Recipe& recipe, GivenKeys& given, Report& report) {
  FieldReader(given, report).read(root, "", FieldInfo{}, recipe);
}

}  // namespace distill
