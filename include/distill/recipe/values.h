// Small value types that more than one section of the recipe uses: choices with names, and `x | none | auto` values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "distill/core/enum_names.h"
#include "distill/core/units.h"

namespace distill {

enum class DTypeChoice { automatic, float32, float16, bfloat16 };
template <>
struct EnumNames<DTypeChoice> {
  static constexpr std::pair<DTypeChoice, std::string_view> kNames[] = {{DTypeChoice::automatic, "auto"},
                                                                        {DTypeChoice::float32, "float32"},
                                                                        {DTypeChoice::float16, "float16"},
                                                                        {DTypeChoice::bfloat16, "bfloat16"}};
};

// Whether a model file may be a program that is run.
enum class Trust { none, torchscript };
template <>
struct EnumNames<Trust> {
  static constexpr std::pair<Trust, std::string_view> kNames[] = {{Trust::none, "none"}, {Trust::torchscript, "torchscript"}};
};

// A number that the recipe may also give as a word (`none`, `auto`, `config`): empty = the word.
template <class T>
struct NoneOr {  // written `none`
  std::optional<T> value;
  bool operator==(const NoneOr&) const = default;
};
template <class T>
struct AutoOr {  // written `auto`
  std::optional<T> value;
  bool operator==(const AutoOr&) const = default;
};

// A number that may move on a straight line: written `0.5`, or `{from: 1, to: 0.1, over: 50%}`, where it stays at `to`
// after that many steps, or that share of the run.
struct Ramp {
  double from = 0;
  double to = 0;
  Duration over;  // without a unit: it does not move
  Ramp(double value = 0) : from(value), to(value) {}
  Ramp(double first, double last, Duration duration) : from(first), to(last), over(duration) {}
  bool moves() const { return over.unit != Unit::none; }
  bool is_always(double value) const { return from == value && to == value; }
  bool operator==(const Ramp&) const = default;
};
// Its value in update `update` (counted from 1) of `total_updates`.
double ramp_value(const Ramp& ramp, int64_t update, int64_t total_updates);

// Free-form text in JSON, for sections that another tool defines (a Hugging Face config). Empty = not given.
struct JsonText {
  std::string text;
  bool operator==(const JsonText&) const = default;
};

}  // namespace distill
