// A struct that a user writes lists its fields once, in a static template `fields(Visit&)`; reading, printing, help,
// schema, diff and fingerprint walk that list. This header is the walk; what each reader does with a field is its own.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "distill/core/units.h"

namespace distill {

// What a list says about one field besides its type. The chained calls stand behind the field in the list.
struct FieldInfo {
  std::string_view key;
  std::string_view help;
  bool is_required = false;
  bool is_planned = false;               // the key exists, but its feature does not yet: refused
  bool is_free = false;                  // may differ between two parts of one run; not in the fingerprint
  std::vector<std::string> available;    // words that may be written; empty = all of them
  std::vector<std::string> later_words;  // words that are refused as not available yet
  std::optional<double> least, most;
  bool is_above = false, is_below = false;  // `least` and `most` themselves are excluded
  std::vector<Unit> allowed_units;          // of a Duration
  Unit bare_unit = Unit::none;              // what a number without a unit means; none = refused

  FieldInfo& required() { return is_required = true, *this; }
  FieldInfo& planned() { return is_planned = true, *this; }
  FieldInfo& may_change() { return is_free = true, *this; }
  FieldInfo& only(std::vector<std::string> words) { return available = std::move(words), *this; }
  FieldInfo& later(std::vector<std::string> words) { return later_words = std::move(words), *this; }
  FieldInfo& min(double value) { return least = value, *this; }
  FieldInfo& max(double value) { return most = value, *this; }
  FieldInfo& above(double value) { return is_above = true, min(value); }
  FieldInfo& below(double value) { return is_below = true, max(value); }
  FieldInfo& units(std::vector<Unit> list, Unit bare = Unit::none) {
    return allowed_units = std::move(list), bare_unit = bare, *this;
  }
};

struct FieldCollector {
  std::vector<FieldInfo> infos;
  template <class Member>
  FieldInfo& operator()(Member /*member*/, std::string_view key, std::string_view help) {
    FieldInfo& info = infos.emplace_back();
    info.key = key;
    info.help = help;
    return info;
  }
};

// A struct with a list of fields.
template <class T>
concept Section = requires(FieldCollector& collector) {
  T::fields(collector);
};

template <Section T>
std::vector<FieldInfo> field_infos() {
  FieldCollector collector;
  T::fields(collector);
  return std::move(collector.infos);
}

// Hands every field to an action together with what the list says about it.
template <class Action>
class FieldCaller {
 public:
  FieldCaller(Action& action, const std::vector<FieldInfo>& infos) : action_(action), infos_(infos) {}
  template <class Member>
  FieldInfo& operator()(Member member, std::string_view /*key*/, std::string_view /*help*/) {
    action_(member, infos_[next_++]);
    return ignored_;
  }

 private:
  Action& action_;
  const std::vector<FieldInfo>& infos_;
  size_t next_ = 0;
  FieldInfo ignored_;  // what is chained behind the field was collected before
};

// Calls action(member pointer, info) for every field, in the order of the list. The list is walked twice, because what is
// chained behind a field is known only after the field.
template <Section T, class Action>
void for_each_field(Action&& action) {
  const std::vector<FieldInfo> infos = field_infos<T>();
  FieldCaller<std::remove_reference_t<Action>> caller(action, infos);
  T::fields(caller);
}

}  // namespace distill
