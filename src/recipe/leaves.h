// A recipe as a flat list of values with dotted paths, in the order of the lists of fields. Printing, fingerprint, diff
// and origins are made from it. Values that a recipe may not write (not read by their term, not available) are left out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "distill/recipe/recipe.h"

namespace distill {

struct Leaf {
  std::string path;      // objective.0.weight
  std::string text;      // YAML in one line
  bool is_free = false;  // may differ between two parts of one run
};

std::vector<Leaf> recipe_leaves(const Recipe& recipe);

// Values as YAML in one line; each reads back to the same value.
std::string yaml_text(const std::string& value);  // in quotes where YAML needs them
std::string yaml_text(bool value);
std::string yaml_text(int64_t value);
std::string yaml_text(double value);
std::string yaml_text(const Duration& value);
std::string yaml_text(const JsonText& value);
std::string yaml_text(const LayerMapping& value);
std::string yaml_text(const Ramp& value);
std::string yaml_text(const DropoutRecipe& value);
template <NamedEnum E>
std::string yaml_text(E value) {
  return std::string(enum_name(value));
}
template <class T>
std::string yaml_text(const NoneOr<T>& value) {
  return value.value ? yaml_text(*value.value) : "none";
}
template <class T>
std::string yaml_text(const AutoOr<T>& value) {
  return value.value ? yaml_text(*value.value) : "auto";
}
template <class T>
std::string yaml_text(const std::vector<T>& values) {
  std::string out;
  for (const T& value : values) out += (out.empty() ? "" : ", ") + yaml_text(value);
  return "[" + out + "]";
}

// Every key that the lists of fields know, items of lists under `0`: `objective.0.weight`.
struct KnownKey {
  std::string path;
  std::string key;
  bool is_planned = false;  // itself or a section around it
};
std::vector<KnownKey> recipe_keys();

}  // namespace distill
