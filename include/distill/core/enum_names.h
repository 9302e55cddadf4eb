// Enumerations whose enumerators are words of the recipe: one table per enumeration, used to read, print and document it.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace distill {

// Specialise next to the enumeration:
//   template <> struct EnumNames<Placement> {
//     static constexpr std::pair<Placement, std::string_view> kNames[] = {{Placement::host, "host"}, ...};
//   };
template <class E>
struct EnumNames;

template <class E>
concept NamedEnum = requires {
  EnumNames<E>::kNames;
};

template <NamedEnum E>
constexpr std::string_view enum_name(E value) {
  for (const auto& [candidate, name] : EnumNames<E>::kNames)
    if (candidate == value) return name;
  return "?";
}

template <NamedEnum E>
constexpr std::optional<E> enum_value(std::string_view word) {
  for (const auto& [candidate, name] : EnumNames<E>::kNames)
    if (name == word) return candidate;
  return std::nullopt;
}

template <NamedEnum E>
std::vector<std::string> enum_words() {
  std::vector<std::string> words;
  for (const auto& entry : EnumNames<E>::kNames) words.emplace_back(entry.second);
  return words;
}

}  // namespace distill
