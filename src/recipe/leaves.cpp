// The walk that flattens a recipe, and the one-line YAML of every type of value.
#include "leaves.h"

#include "distill/core/json_reader.h"

#include "kinds.h"
#include "yaml_node.h"

namespace distill {
namespace {

class LeafCollector {
 public:
  std::vector<Leaf> leaves;

  template <Section T>
  void add(const T& section, const std::string& path, bool is_free) {
    const size_t before = leaves.size();
    for_each_field<T>([&](auto member, const FieldInfo& info) {
      if (info.is_planned) return;
      if constexpr (requires { section.reads(info.key); })
        if (!section.reads(info.key)) return;
      add(section.*member, join_path(path, info.key), is_free || info.is_free);
    });
    if (leaves.size() == before) leaves.push_back({path, "{}", is_free});
  }
  template <class T>
  void add(const std::optional<T>& value, const std::string& path, bool is_free) {
    if (value) add(*value, path, is_free);
  }
  template <class T>
  void add(const T& value, const std::string& path, bool is_free) {
    if constexpr (std::is_same_v<T, std::string>)
      if (value.empty()) return;  // not given
    leaves.push_back({path, yaml_text(value), is_free});
  }
  template <SectionList T>
  void add(const T& items, const std::string& path, bool is_free) {
    if (items.empty()) leaves.push_back({path, "[]", is_free});
    for (size_t i = 0; i < items.size(); ++i) add(items[i], join_path(path, std::to_string(i)), is_free);
  }
};

template <class T>
struct KeysOf {
  static void add(std::vector<KnownKey>& /*keys*/, const std::string& /*path*/, bool /*planned*/) {}
};
template <Section T>
struct KeysOf<T> {
  static void add(std::vector<KnownKey>& keys, const std::string& path, bool planned) {
    for_each_field<T>([&](auto member, const FieldInfo& info) {
      const std::string child = join_path(path, info.key);
      keys.push_back({child, std::string(info.key), planned || info.is_planned});
      KeysOf<member_t<decltype(member)>>::add(keys, child, planned || info.is_planned);
    });
  }
};
template <class T>
struct KeysOf<std::optional<T>> : KeysOf<T> {};
template <class T>
struct KeysOf<std::vector<T>> {
  static void add(std::vector<KnownKey>& keys, const std::string& path, bool planned) {
    KeysOf<T>::add(keys, join_path(path, "0"), planned);
  }
};

bool is_plain_safe(const std::string& text) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
  if (text.empty() || text.front() == '-' || text.find_first_not_of(kLetters) != std::string::npos) return false;
  YamlNode node;
  node.text = text;
  node.is_plain = true;
  return scalar_type(node) == ScalarType::text;
}

std::string flow_yaml(const Json& json) {
  if (json.is_string()) return yaml_text(json.get<std::string>());
  if (!json.is_structured()) return json.dump();
  std::string out;
  for (const auto& [key, value] : json.items()) {
    if (!out.empty()) out += ", ";
    out += (json.is_object() ? yaml_text(key) + ": " : "") + flow_yaml(value);
  }
  return json.is_object() ? "{" + out + "}" : "[" + out + "]";
}

}  // namespace

std::vector<Leaf> recipe_leaves(const Recipe& recipe) {
  LeafCollector collector;
  collector.add(recipe, "", false);
  return std::move(collector.leaves);
}

std::vector<KnownKey> recipe_keys() {
  std::vector<KnownKey> keys;
  KeysOf<Recipe>::add(keys, "", false);
  return keys;
}

std::string yaml_text(const std::string& value) { return is_plain_safe(value) ? value : Json(value).dump(); }
std::string yaml_text(bool value) { return value ? "true" : "false"; }
std::string yaml_text(int64_t value) { return std::to_string(value); }
std::string yaml_text(double value) { return number_text(value); }
std::string yaml_text(const Duration& value) { return to_string(value); }
std::string yaml_text(const JsonText& value) { return value.text.empty() ? "{}" : flow_yaml(parse_json(value.text, "config")); }
std::string yaml_text(const DropoutRecipe& value) { return value.from_config ? "config" : yaml_text(value.rate); }

std::string yaml_text(const Ramp& value) {
  if (!value.moves()) return yaml_text(value.from);
  return "{from: " + yaml_text(value.from) + ", to: " + yaml_text(value.to) + ", over: " + yaml_text(value.over) + "}";
}

std::string yaml_text(const LayerMapping& value) {
  switch (value.rule) {
    case LayerRule::uniform:
      return "uniform";
    case LayerRule::last:
      return "last";
    case LayerRule::all:
      return "all";
    case LayerRule::learned:
      return "learned";
    case LayerRule::pairs:
      break;
  }
  std::string out;
  for (const auto& [student, teacher] : value.pairs)
    out += (out.empty() ? "[" : ", [") + std::to_string(student) + ", " + std::to_string(teacher) + "]";
  return "[" + out + "]";
}

}  // namespace distill
