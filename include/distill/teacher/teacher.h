// The one face of a teacher: live now; quantised, streamed or cached later.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "distill/model/output.h"
#include "distill/recipe/teacher.h"
#include "distill/spec/spec.h"
#include "distill/tensor/token_batch.h"

namespace distill {

class Teacher {
 public:
  virtual ~Teacher() = default;
  // No gradients; the weights are never copied. Tensors of the output are in the teacher's own type.
  virtual ForwardOutput forward(const TokenBatch& batch, const Needs& needs) = 0;
  virtual const ModelSpec& spec() const = 0;
  // Of the products inside its blocks.
  virtual at::ScalarType compute_dtype() const { return at::kFloat; }
  virtual int64_t num_parameters() const { return count_parameters(spec()); }
};

// `compute_dtype`: the training precision on this device, taken when the recipe says `auto`. `task`: what the model is read for;
// empty: what its config.json says.
std::unique_ptr<Teacher> open_teacher(const TeacherRecipe& recipe, at::ScalarType compute_dtype, at::Device device,
                                      std::optional<Task> task = std::nullopt);

}  // namespace distill
