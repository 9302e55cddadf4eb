// Which kind of field a type is: what every walk over the lists of fields branches on.
#pragma once

#include <optional>
#include <vector>

#include "distill/core/fields.h"

namespace distill {

template <class T>
struct IsList : std::false_type {};
template <class T>
struct IsList<std::vector<T>> : std::true_type {};
template <class T>
concept List = IsList<T>::value;
template <class T>
concept SectionList = List<T> && Section<typename T::value_type>;

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
concept Optional = IsOptional<T>::value;

// The type of the member that a pointer to member points to.
template <class Pointer>
struct MemberType;
template <class Struct, class T>
struct MemberType<T Struct::*> {
  using type = T;
};
template <class Pointer>
using member_t = typename MemberType<Pointer>::type;

// The field that a bare word stands for: `cache: none` is `cache: {mode: none}`.
template <class T>
concept HasShorthand = Section<T> && requires {
  T::kShorthand;
};

template <HasShorthand T>
std::string_view shorthand_key() {
  std::string_view key;
  for_each_field<T>([&](auto member, const FieldInfo& info) {
    if constexpr (std::is_same_v<decltype(member), std::remove_const_t<decltype(T::kShorthand)>>)
      if (member == T::kShorthand) key = info.key;
  });
  return key;
}

}  // namespace distill
