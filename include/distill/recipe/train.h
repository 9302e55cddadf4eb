// The `train` section of the recipe: how long, in what portions and precision, and what is kept on the way.
#pragma once

#include "distill/recipe/values.h"

namespace distill {

enum class Precision { automatic, float32, float16, bfloat16, float64 };
template <>
struct EnumNames<Precision> {
  static constexpr std::pair<Precision, std::string_view> kNames[] = {{Precision::automatic, "auto"},
                                                                      {Precision::float32, "float32"},
                                                                      {Precision::float16, "float16"},
                                                                      {Precision::bfloat16, "bfloat16"},
                                                                      {Precision::float64, "float64"}};
};

enum class GradientCheckpointing { automatic, none, selective, full };
template <>
struct EnumNames<GradientCheckpointing> {
  static constexpr std::pair<GradientCheckpointing, std::string_view> kNames[] = {{GradientCheckpointing::automatic, "auto"},
                                                                                  {GradientCheckpointing::none, "none"},
                                                                                  {GradientCheckpointing::selective, "selective"},
                                                                                  {GradientCheckpointing::full, "full"}};
};

struct TrainRecipe {
  Duration length;                // steps, tokens or epochs
  AutoOr<int64_t> batch_size{4};  // sequences in one micro-batch on one device
  int64_t gradient_accumulation_steps = 1;
  Precision precision = Precision::automatic;
  GradientCheckpointing gradient_checkpointing = GradientCheckpointing::automatic;
  std::string device = "auto";  // auto, cpu, cuda, cuda:N
  int64_t seed = 17;
  std::optional<Duration> evaluate_every;  // steps; absent: only at the end
  Duration save_every = minutes(10);       // steps or seconds
  int64_t keep_checkpoints = 2;
  Duration log_every = steps(10);  // steps
  bool log_gradient_share = false;
  bool operator==(const TrainRecipe&) const = default;

  template <class Visit>
  static void fields(Visit& v) {
    v(&TrainRecipe::length, "length", "how long: `10k steps`, `30M tokens`, `2 epochs`")
        .required()
        .units({Unit::steps, Unit::tokens, Unit::epochs})
        .above(0)
        .may_change();
    v(&TrainRecipe::batch_size, "batch_size", "sequences in one micro-batch on one device").min(1).max(1 << 20).later({"auto"});
    v(&TrainRecipe::gradient_accumulation_steps, "gradient_accumulation_steps", "micro-batches in one update")
        .min(1)
        .max(1 << 20);
    v(&TrainRecipe::precision, "precision",
      "auto: float32 on a CPU, bfloat16 on sm_80 and newer, float16 with loss scaling on sm_75");
    v(&TrainRecipe::gradient_checkpointing, "gradient_checkpointing",
      "recompute activations in the backward pass: none, selective (the cheap ones), full (whole blocks), "
      "or auto: the first of these that fits into a GPU's free memory, as `distill plan` counts it; none on a CPU")
        .may_change();
    v(&TrainRecipe::device, "device", "auto, cpu, cuda or cuda:N").may_change();
    v(&TrainRecipe::seed, "seed", "key of the data order, of dropout and of fresh weights").min(0);
    v(&TrainRecipe::evaluate_every, "evaluate_every",
      "evaluate on data.eval this often; always once at the end; `200 steps`, or a bare number of steps")
        .units({Unit::steps}, Unit::steps)
        .above(0)
        .may_change();
    v(&TrainRecipe::save_every, "save_every", "a checkpoint this often: steps or minutes")
        .units({Unit::steps, Unit::seconds})
        .above(0)
        .may_change();
    v(&TrainRecipe::keep_checkpoints, "keep_checkpoints", "checkpoints that stay on disk").min(1).max(1 << 20).may_change();
    v(&TrainRecipe::log_every, "log_every", "pace of the terminal; `10 steps`, or a bare number of steps")
        .units({Unit::steps}, Unit::steps)
        .above(0)
        .may_change();
    v(&TrainRecipe::log_gradient_share, "log_gradient_share",
      "log the share of each term in the gradient every log_every; such an update is run once more for every term")
        .may_change();
  }
};

}  // namespace distill
