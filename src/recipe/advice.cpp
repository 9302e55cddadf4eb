// The search for the key or word of ours that somebody meant. What other tools use stands in peer_words.h.
#include "advice.h"

#include <algorithm>
#include <cmath>

#include "leaves.h"
#include "peer_words.h"

namespace distill {
namespace {

// `train.length`, `2 epochs` -> `train: {length: 2 epochs}`; an index becomes brackets.
std::string nested_example(std::string_view path, const std::string& value) {
  std::string out;
  std::string tail;
  bool first = true;
  while (!path.empty()) {
    const size_t dot = path.find('.');
    const std::string word(path.substr(0, dot));
    path = dot == std::string_view::npos ? "" : path.substr(dot + 1);
    if (word == "0") {
      out += "[";
      tail.insert(0, "]");
      continue;
    }
    if (!first) {
      out += "{";
      tail.insert(0, "}");
    }
    if (out == "objective: [{" && word != "function") out += "function: kl, ";
    out += word + ": ";
    first = false;
  }
  return out + value + tail;
}

std::string did_you_mean(std::string_view path, const std::string& value) {
  return "Did you mean `" + std::string(path) + "`? For example `" + nested_example(path, value) + "`.";
}

std::optional<double> number_of(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::scalar) return std::nullopt;
  const ScalarType type = scalar_type(node);
  if (type != ScalarType::integer && type != ScalarType::real) return std::nullopt;
  const double value = real_value(node.text);
  return std::isfinite(value) && value > 0 ? std::optional(value) : std::nullopt;
}

std::string example_value(const PeerKey& row, const YamlNode& value) {
  const auto number = number_of(value);
  std::string fallback(row.example);
  const bool is_word = value.kind == YamlNode::Kind::scalar && value.text.size() < 64 && scalar_type(value) != ScalarType::null;
  switch (row.turn) {
    case Turn::same:
      return is_word ? (value.is_plain ? value.text : yaml_text(value.text)) : fallback;
    case Turn::text:
      return is_word && !number ? yaml_text(value.text) : fallback;
    case Turn::steps:
      return number ? to_string(steps(*number)) : fallback;
    case Turn::epochs:
      return number ? to_string(epochs(*number)) : fallback;
    case Turn::percent:
      return number && *number <= 1 ? to_string(percent(*number * 100)) : fallback;
    case Turn::fixed:
      break;
  }
  return fallback;
}

bool belongs(const PeerKey& row, const std::string& section) {
  if (row.section == "*") return true;
  return section == row.section || section.rfind(std::string(row.section) + ".", 0) == 0;
}

std::string advice_of(const PeerKey& row, const YamlEntry& entry) {
  if (row.ours.empty()) return std::string(row.note);
  const bool is_off = entry.value.kind == YamlNode::Kind::scalar && !boolean_value(entry.value.text) &&
                      scalar_type(entry.value) == ScalarType::boolean && row.turn == Turn::fixed;
  if (is_off) return "Remove it; `" + std::string(row.ours) + "` is the key for this.";
  std::string note(row.note);
  for (const KnownKey& known : recipe_keys())
    if (known.path == row.ours && known.is_planned) note = "Not available yet: remove the key.";
  return did_you_mean(row.ours, example_value(row, entry.value)) + (note.empty() ? "" : " " + note);
}

// Our own key of that name in another section.
std::string advice_for_place(const YamlEntry& entry) {
  std::vector<std::string> paths;
  for (const KnownKey& known : recipe_keys())
    if (known.key == entry.key && !known.is_planned) paths.push_back("`" + known.path + "`");
  if (paths.empty()) return "";
  if (paths.size() > 1) return "Did you mean " + either(paths) + "?";
  const std::string path = paths.front().substr(1, paths.front().size() - 2);
  const bool is_scalar = entry.value.kind == YamlNode::Kind::scalar && entry.value.text.size() < 64;
  return did_you_mean(path, !is_scalar ? "..." : entry.value.is_plain ? entry.value.text : yaml_text(entry.value.text));
}

}  // namespace

std::string advice_for_key(const std::string& section, const YamlEntry& entry, const std::vector<std::string>& known) {
  for (const bool anywhere : {false, true})
    for (const PeerKey& row : kPeerKeys)
      if ((row.section == "*") == anywhere && row.theirs == entry.key && belongs(row, section)) return advice_of(row, entry);
  if (std::string place = advice_for_place(entry); !place.empty()) return place;
  if (const std::string word = nearest_key(entry.key, known); !word.empty()) return "Did you mean `" + word + "`?";
  std::vector<std::string> all;
  const std::vector<KnownKey> keys = recipe_keys();
  all.reserve(keys.size());
  for (const KnownKey& key : keys) all.push_back(key.key);
  const std::string word = nearest_key(entry.key, all);
  for (const KnownKey& key : keys)
    if (!word.empty() && key.key == word) return "Did you mean `" + key.path + "`?";
  return "Remove it, or use one of " + either(known) + ".";
}

std::string word_for(const std::string& word, const std::vector<std::string>& words) {
  for (const auto& [theirs, ours] : kPeerWords)
    if (word == theirs && std::find(words.begin(), words.end(), ours) != words.end()) return std::string(ours);
  return nearest_key(word, words);
}

}  // namespace distill
