// How a dotted path finds its place in the tree.
#include "overrides.h"

#include <algorithm>

namespace distill {
namespace {

struct Segment {
  std::string word;
  std::string path;  // up to here
  Spot spot;
  bool is_index = false;
};

// Lists that have items when the recipe does not mention them, so that an index can reach them.
constexpr std::pair<std::string_view, std::string_view> kDefaultLists[] = {{"objective", "[{}]"},
                                                                           {"optimizer.betas", "[0.9, 0.999]"}};

std::vector<Segment> split_path(const std::string& path, int source) {
  std::vector<Segment> segments;
  size_t begin = 0;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('.', begin), path.size());
    Segment segment{path.substr(begin, end - begin), path.substr(0, end), {source, 1, static_cast<int>(begin) + 1}};
    segment.is_index = !segment.word.empty() && segment.word.find_first_not_of("0123456789") == std::string::npos;
    segments.push_back(segment);
    begin = end + 1;
  }
  return segments;
}

YamlNode* item_at(YamlNode& list, const Segment& segment, Report& report) {
  const std::string count = std::to_string(list.items.size());
  const std::string list_path = segment.path.substr(0, segment.path.rfind('.'));
  const bool fits = segment.is_index && segment.word.size() < 9 && std::stoul(segment.word) <= list.items.size();
  if (!fits) {
    report.complain(
        segment.spot, segment.path,
        "an index from 0 to " + count + " (`" + list_path + "` has " + count + (list.items.size() == 1 ? " item)" : " items)"),
        "`" + shortened(segment.word) + "`", "Items count from 0; index " + count + " appends one.");
    return nullptr;
  }
  const size_t index = std::stoul(segment.word);
  if (index == list.items.size()) list.items.emplace_back().spot = segment.spot;
  return &list.items[index];
}

YamlNode default_list(const Segment& segment, Report& report) {
  for (const auto& [path, text] : kDefaultLists)
    if (path == segment.path) return parse_yaml(std::string(text), segment.spot, report).value_or(YamlNode{});
  YamlNode nothing;
  nothing.spot = segment.spot;
  return nothing;
}

// Goes one step down, making what is missing.
YamlNode* step_into(YamlNode& node, const Segment& segment, bool is_last, Report& report) {
  const bool is_container = node.kind == YamlNode::Kind::map || node.kind == YamlNode::Kind::list;
  if (!is_container) {
    node = YamlNode{};
    node.spot = segment.spot;
    node.kind = segment.is_index ? YamlNode::Kind::list : YamlNode::Kind::map;
  }
  if (node.kind == YamlNode::Kind::list) return item_at(node, segment, report);
  if (YamlEntry* entry = node.find(segment.word)) {
    if (is_last) entry->key_spot = segment.spot;
    return &entry->value;
  }
  node.entries.push_back({segment.word, segment.spot, default_list(segment, report)});
  return &node.entries.back().value;
}

}  // namespace

void apply_override(const std::string& text, int source, YamlNode& root, Report& report) {
  const Spot begin{source, 1, 1};
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return report.complain(begin, "", "`--set key.path=value`", "`" + shortened(text) + "`",
                           "For example `--set train.batch_size=4`.");
  }
  const std::vector<Segment> segments = split_path(text.substr(0, equals), source);
  for (const Segment& segment : segments)
    if (segment.word.empty())
      return report.complain(segment.spot, "", "a key path such as train.batch_size", "`" + shortened(segments.back().path) + "`",
                             "Separate keys with single dots.");
  std::optional<YamlNode> value = parse_yaml(text.substr(equals + 1), {source, 1, static_cast<int>(equals) + 2}, report);
  if (!value) return;
  YamlNode* node = &root;
  for (size_t i = 0; i < segments.size() && node; ++i) node = step_into(*node, segments[i], i + 1 == segments.size(), report);
  if (node) *node = *std::move(value);
}

}  // namespace distill
