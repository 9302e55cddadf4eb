// The resolved recipe as YAML, and what two recipes share: fingerprint and differences. All from the flat list of values.
#include <algorithm>
#include <map>

#include "distill/core/file.h"
#include "distill/recipe/recipe.h"

#include "leaves.h"

namespace distill {
namespace {

constexpr size_t kOriginColumn = 48;

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> words;
  size_t begin = 0;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('.', begin), path.size());
    words.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

bool is_index(const std::string& word) { return word.find_first_not_of("0123456789") == std::string::npos; }

std::string origin_comment(const Leaf& leaf, const Origins* origins, size_t width) {
  if (!origins) return "";
  const auto origin = origins->find(leaf.path);
  const std::string text = origin == origins->end() ? "default" : origin->second;
  return std::string(width < kOriginColumn ? kOriginColumn - width : 2, ' ') + "# " + text;
}

std::map<std::string, std::string> pinned_values(const Recipe& recipe) {
  std::map<std::string, std::string> values;
  for (const Leaf& leaf : recipe_leaves(recipe))
    if (!leaf.is_free) values[leaf.path] = leaf.text;
  return values;
}

std::string change_text(const std::string& path, const std::string& before, const std::string& after) {
  return std::string(path).append(": ").append(before).append(" -> ").append(after);
}

}  // namespace

std::string recipe_yaml(const Recipe& recipe, const Origins* origins) {
  std::string out;
  std::vector<std::string> before;
  for (const Leaf& leaf : recipe_leaves(recipe)) {
    const std::vector<std::string> words = split(leaf.path);
    const size_t shortest = std::min(words.size(), before.size());
    const auto shared = static_cast<size_t>(
        std::mismatch(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(shortest), before.begin()).first -
        words.begin());
    for (size_t level = shared; level < words.size(); ++level) {
      if (is_index(words[level])) continue;
      const bool opens_item = level > shared && is_index(words[level - 1]);
      std::string line = opens_item ? std::string(2 * (level - 1), ' ') + "- " : std::string(2 * level, ' ');
      line += words[level] + ":";
      if (level + 1 == words.size()) line += " " + leaf.text + origin_comment(leaf, origins, line.size() + leaf.text.size() + 1);
      out += line + "\n";
    }
    before = words;
  }
  return out;
}

std::string recipe_fingerprint(const Recipe& recipe) {
  std::string all;
  for (const auto& [path, text] : pinned_values(recipe)) all.append(path).append("=").append(text).append("\n");
  return sha256_hex(all).substr(0, 16);
}

std::vector<std::string> recipe_changes(const Recipe& before, const Recipe& after) {
  const auto old_values = pinned_values(before);
  const auto new_values = pinned_values(after);
  std::vector<std::string> lines;
  for (const auto& [path, text] : old_values) {
    const auto found = new_values.find(path);
    const std::string now = found == new_values.end() ? "(none)" : found->second;
    if (now != text) lines.push_back(change_text(path, text, now));
  }
  for (const auto& [path, text] : new_values)
    if (!old_values.contains(path)) lines.push_back(change_text(path, "(none)", text));
  return lines;
}

}  // namespace distill
