#include "distill/train/precision.h"

#include "distill/core/error.h"
#include "distill/core/log.h"
#include "distill/tensor/usage.h"

namespace distill {
namespace {

Precision automatic(at::Device device) {
  if (device.is_cpu()) return Precision::float32;
  // bfloat16 "works" on older cards by emulation; only the compute capability tells.
  return compute_capability(device) >= 80 ? Precision::bfloat16 : Precision::float16;
}

}  // namespace

std::string PrecisionPlan::text() const {
  const std::string name = compute() == at::kHalf       ? "float16"
                           : compute() == at::kBFloat16 ? "bfloat16"
                           : compute() == at::kDouble   ? "float64"
                                                        : "float32";
  return loss_scaling ? name + " with loss scaling" : name;
}

PrecisionPlan plan_precision(Precision precision, at::Device device) {
  if (precision == Precision::automatic) precision = automatic(device);
  PrecisionPlan plan;
  switch (precision) {
    case Precision::float64:
      if (!device.is_cpu())
        throw RecipeError({"train.precision", "float64 on a CPU only", "float64 on " + device.str(),
                           "Pass --device cpu, or another precision.", ""});
      plan.master = at::kDouble;
      break;
    case Precision::float16:
      if (device.is_cpu()) log::warn("float16 on a CPU is slow and meant for tests; float32 is the better choice here");
      plan.autocast = at::kHalf;
      plan.loss_scaling = true;
      break;
    case Precision::bfloat16:
      plan.autocast = at::kBFloat16;
      break;
    default:
      break;
  }
  return plan;
}

}  // namespace distill
