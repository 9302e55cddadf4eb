// Short forms written out, so that every later step sees one form: lists as lists, sections as mappings.
#include "kinds.h"
#include "read_recipe.h"

namespace distill {
namespace {

bool is_nothing(const YamlNode& node) {
  return node.kind == YamlNode::Kind::null || (node.kind == YamlNode::Kind::scalar && node.text == "none");
}

void wrap_in_list(YamlNode& node) {
  YamlNode list;
  list.kind = YamlNode::Kind::list;
  list.spot = node.spot;
  list.num_nodes = node.num_nodes + 1;
  list.items.push_back(std::move(node));
  node = std::move(list);
}

void wrap_in_map(YamlNode& node, std::string_view key) {
  YamlNode map;
  map.kind = YamlNode::Kind::map;
  map.spot = node.spot;
  map.num_nodes = node.num_nodes + 1;
  map.entries.push_back({std::string(key), node.spot, std::move(node)});
  node = std::move(map);
}

template <class T>
struct Expand {
  static void apply(YamlNode& /*node*/) {}
};
template <Section T>
struct Expand<T> {
  static void apply(YamlNode& node) {
    if constexpr (HasShorthand<T>)
      if (node.kind == YamlNode::Kind::scalar) wrap_in_map(node, shorthand_key<T>());
    for_each_field<T>([&](auto member, const FieldInfo& info) {
      if (YamlEntry* entry = node.find(info.key)) Expand<member_t<decltype(member)>>::apply(entry->value);
    });
  }
};
template <class T>
struct Expand<std::optional<T>> {
  static void apply(YamlNode& node) {
    if (!is_nothing(node)) Expand<T>::apply(node);
  }
};
template <class T>
requires(Section<T> || NamedEnum<T> || std::is_same_v<T, std::string>) struct Expand<std::vector<T>> {
  static void apply(YamlNode& node) {
    if (node.kind == YamlNode::Kind::scalar || node.kind == YamlNode::Kind::map) wrap_in_list(node);
    for (YamlNode& item : node.items) Expand<T>::apply(item);
  }
};

}  // namespace

void expand_shorthands(YamlNode& root) { Expand<Recipe>::apply(root); }

}  // namespace distill
