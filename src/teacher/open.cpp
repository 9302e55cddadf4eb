#include "distill/checkpoint/hf_folder.h"
#include "distill/teacher/dtype.h"
#include "distill/teacher/live.h"
#include "distill/teacher/script.h"

namespace distill {
namespace {

at::ScalarType dtype_of(DTypeChoice choice, at::ScalarType automatic) {
  switch (choice) {
    case DTypeChoice::float32:
      return at::kFloat;
    case DTypeChoice::float16:
      return at::kHalf;
    case DTypeChoice::bfloat16:
      return at::kBFloat16;
    case DTypeChoice::automatic:
      break;
  }
  return automatic;
}

// A script computes in the types that it was saved in, unless the recipe names another.
std::unique_ptr<Teacher> open_script(const TeacherRecipe& recipe, at::Device device) {
  ScriptOptions options{device, std::nullopt, /*trainable=*/false};
  if (recipe.dtype != DTypeChoice::automatic) options.dtype = dtype_of(recipe.dtype, at::kFloat);
  return std::make_unique<ScriptTeacher>(ScriptModel::open(recipe.path, options));
}

}  // namespace

at::ScalarType teacher_dtype(const TeacherRecipe& recipe, at::ScalarType compute_dtype, bool on_cpu) {
  // On a CPU low precision saves nothing that matters, so `auto` keeps the teacher exact; float64 proofs want it wide.
  return dtype_of(recipe.dtype, on_cpu && compute_dtype != at::kDouble ? at::kFloat : compute_dtype);
}

std::unique_ptr<Teacher> open_teacher(const TeacherRecipe& recipe, at::ScalarType compute_dtype, at::Device device,
                                      std::optional<Task> task) {
  if (recipe.trust == Trust::torchscript) return open_script(recipe, device);
  const HfFolder folder = open_hf_folder(recipe.path);
  const ModelSpec spec = read_spec(folder.config, (folder.path / "config.json").string(), task);
  LoadOptions options;
  options.dtype = teacher_dtype(recipe, compute_dtype, device.is_cpu());
  options.device = device;
  return std::make_unique<LiveTeacher>(Transformer::load(spec, *folder.weights, options));
}

}  // namespace distill
