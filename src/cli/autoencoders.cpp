#include "distill/cli/autoencoders.h"

#include <filesystem>

#include "distill/checkpoint/open.h"
#include "distill/core/hub_cache.h"
#include "distill/objective/autoencoder.h"
#include "distill/spec/spec.h"

namespace distill {
namespace {

namespace fs = std::filesystem;

// Nothing is known of a script, nor of a folder that is not here or that will be refused when it is opened.
SaeTeacher teacher_of(const Recipe& recipe) {
  if (!recipe.teacher || recipe.teacher->trust == Trust::torchscript) return {};
  const auto folder = find_model_or_none(recipe.teacher->path);
  std::error_code error;
  if (!folder || !fs::is_regular_file(*folder / "config.json", error)) return {};
  try {
    const ModelSpec spec = read_spec_file(folder->string());
    return {spec.hidden_size, spec.num_layers};
  } catch (const Error&) {
    return {};
  }
}

std::vector<SaeFault> faults_of(const SaeRecipe& recipe, const SaeTeacher& teacher) {
  try {
    return examine_autoencoder(recipe, *open_weights(sae_weights_file(recipe.path)), teacher).faults;
  } catch (const Error& error) {  // no file of weights
    std::vector<SaeFault> faults;
    for (const Complaint& complaint : error.complaints()) faults.push_back({"path", complaint});
    return faults;
  }
}

}  // namespace

std::vector<Complaint> autoencoder_problems(const LoadedRecipe& loaded) {
  std::vector<Complaint> problems;
  const SaeTeacher teacher = teacher_of(loaded.recipe);
  for (size_t i = 0; i < loaded.recipe.objective.size(); ++i) {
    const TermRecipe& term = loaded.recipe.objective[i];
    std::error_code error;
    if (!term.sae || term.sae->path.empty() || !fs::is_regular_file(sae_weights_file(term.sae->path), error)) continue;
    for (const auto& [key, fault] : faults_of(*term.sae, teacher))
      problems.push_back(loaded.complaint("objective." + std::to_string(i) + ".sae." + key,
                                          fault.expected + " (" + fault.where + ")", fault.found, fault.advice));
  }
  return problems;
}

}  // namespace distill
