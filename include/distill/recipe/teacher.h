// The `teacher` section of the recipe: where it is, in which type it computes, where its weights live.
#pragma once

#include "distill/recipe/values.h"

namespace distill {

enum class Quantize { none, int8, nf4 };
template <>
struct EnumNames<Quantize> {
  static constexpr std::pair<Quantize, std::string_view> kNames[] = {
      {Quantize::none, "none"}, {Quantize::int8, "int8"}, {Quantize::nf4, "nf4"}};
};
enum class Placement { automatic, device, host, disk };
template <>
struct EnumNames<Placement> {
  static constexpr std::pair<Placement, std::string_view> kNames[] = {
      {Placement::automatic, "auto"}, {Placement::device, "device"}, {Placement::host, "host"}, {Placement::disk, "disk"}};
};
enum class CacheMode { none, hidden, top_k };
template <>
struct EnumNames<CacheMode> {
  static constexpr std::pair<CacheMode, std::string_view> kNames[] = {
      {CacheMode::none, "none"}, {CacheMode::hidden, "hidden"}, {CacheMode::top_k, "top_k"}};
};

struct CacheRecipe {
  CacheMode mode = CacheMode::none;
  std::string path;
  int64_t top_k = 64;
  DTypeChoice dtype = DTypeChoice::float16;
  bool operator==(const CacheRecipe&) const = default;
  static constexpr auto kShorthand = &CacheRecipe::mode;  // `cache: none`

  template <class Visit>
  static void fields(Visit& v) {
    v(&CacheRecipe::mode, "mode", "what is kept of the teacher's output between epochs").only({"none"});
    v(&CacheRecipe::path, "path", "folder of the cache").planned().may_change();
    v(&CacheRecipe::top_k, "top_k", "logits kept per token with `mode: top_k`").planned();
    v(&CacheRecipe::dtype, "dtype", "type in which the cache stores values").planned();
  }
};

struct TeacherRecipe {
  std::string path;
  DTypeChoice dtype = DTypeChoice::automatic;
  Quantize quantize = Quantize::none;
  Trust trust = Trust::none;
  Placement placement = Placement::automatic;
  CacheRecipe cache;
  bool operator==(const TeacherRecipe&) const = default;
  static constexpr auto kShorthand = &TeacherRecipe::path;

  template <class Visit>
  static void fields(Visit& v) {
    v(&TeacherRecipe::path, "path", "Hugging Face folder of the teacher; with `trust: torchscript` a TorchScript file")
        .required();
    v(&TeacherRecipe::dtype, "dtype",
      "type that the teacher computes in; auto: float32 on a CPU, the training precision on a GPU; a script: its own");
    v(&TeacherRecipe::quantize, "quantize", "weight quantisation of the teacher").only({"none"});
    v(&TeacherRecipe::trust, "trust", "`torchscript` lets a script, which is a program, run as the teacher");
    v(&TeacherRecipe::placement, "placement", "where the teacher's weights live").only({"auto", "device"}).may_change();
    v(&TeacherRecipe::cache, "cache", "teacher outputs stored between epochs");
  }
};

}  // namespace distill
