// A look at the paths that a recipe names, so that `check` finds a misspelled folder without opening a model.
#include <filesystem>

#include "distill/core/hub_cache.h"
#include "distill/recipe/recipe.h"

namespace distill {
namespace {

namespace fs = std::filesystem;

std::string advice_for_path(const std::string& path) {
  if (!path.empty() && path.front() == '~') return "Write the whole path; `~` is not expanded.";
  std::error_code error;
  return "Correct the path. Relative paths start at the working directory, " + fs::current_path(error).string() + ".";
}

void check_model(const LoadedRecipe& loaded, const std::string& key, const std::string& path, Trust trust,
                 std::vector<Complaint>& problems) {
  if (path.empty()) return;
  const auto folder = find_model_or_none(path);
  std::error_code error;
  const bool script = trust == Trust::torchscript;
  const bool is_folder = folder && fs::is_directory(*folder, error);
  if (!folder)
    problems.push_back(loaded.complaint(key,
                                        script ? "a TorchScript file" : "a Hugging Face folder, or a hub id in the local cache",
                                        "nothing at `" + path + "`", advice_for_path(path)));
  else if (script && is_folder && !fs::exists(*folder / "model.pt", error))
    problems.push_back(loaded.complaint(key, "a TorchScript file, or a folder with model.pt", "a folder without model.pt",
                                        "Name the file, or remove `trust: torchscript` for a Hugging Face folder."));
  else if (!script && is_folder && !fs::exists(*folder / "config.json", error))
    problems.push_back(loaded.complaint(key, "a Hugging Face folder", "a folder without config.json",
                                        "Name the folder that holds config.json and the weights."));
}

// Names only: this room reads no tokenizer.
bool holds_tokenizer(const fs::path& folder) {
  std::error_code error;
  for (const char* name :
       {"tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.txt", "merges.txt"})
    if (fs::exists(folder / name, error)) return true;
  return false;
}

void check_tokenizer(const LoadedRecipe& loaded, const std::string& key, const std::string& path,
                     std::vector<Complaint>& problems) {
  if (!path.empty() && !holds_tokenizer(find_model_or_none(path).value_or(path)))
    problems.push_back(
        loaded.complaint(key, "a folder with tokenizer.json, a SentencePiece model, vocab.txt, or vocab.json with merges.txt",
                         "none in `" + path + "`", advice_for_path(path)));
}

void check_source(const LoadedRecipe& loaded, const std::string& key, const std::string& path, std::vector<Complaint>& problems) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status))
    problems.push_back(loaded.complaint(key, "a data file", "nothing at `" + path + "`", advice_for_path(path)));
  else if (fs::is_directory(status) && !fs::exists(fs::path(path) / "state.json", error))
    problems.push_back(loaded.complaint(key, "a data file, or a folder of datasets.save_to_disk",
                                        "the folder `" + path + "` without state.json",
                                        "Name a data file in it, or the folder of one split."));
}

void check_template(const LoadedRecipe& loaded, const std::string& path, std::vector<Complaint>& problems) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status))
    problems.push_back(loaded.complaint("data.chat_template", "a file with a Jinja template", "nothing at `" + path + "`",
                                        advice_for_path(path)));
  else if (fs::is_directory(status))
    problems.push_back(loaded.complaint("data.chat_template", "a file with a Jinja template", "the folder `" + path + "`",
                                        "Name the file in it, such as chat_template.jinja."));
}

void check_autoencoder(const LoadedRecipe& loaded, size_t term, std::vector<Complaint>& problems) {
  const auto& sae = loaded.recipe.objective[term].sae;
  std::error_code error;
  if (!sae || sae->path.empty() || fs::is_regular_file(sae->path, error)) return;
  const fs::path folder = sae->path;
  const bool is_there = fs::exists(folder, error);
  if (is_there && fs::is_regular_file(folder / "cfg.json", error) &&
      fs::is_regular_file(folder / "sae_weights.safetensors", error))
    return;
  problems.push_back(loaded.complaint("objective." + std::to_string(term) + ".sae.path",
                                      "a sparse autoencoder: a SAELens folder, or a safetensors file, or one of torch.save",
                                      (is_there ? "the folder `" + sae->path + "` without cfg.json and sae_weights.safetensors"
                                                : "nothing at `" + sae->path + "`"),
                                      is_there ? "Name the file in it." : advice_for_path(sae->path)));
}

void check_output(const LoadedRecipe& loaded, const std::string& path, std::vector<Complaint>& problems) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::exists(status) && !fs::is_directory(status))
    problems.push_back(loaded.complaint("output", "a folder, or a path where one can be made", "the file `" + path + "`",
                                        "Choose another name."));
}

}  // namespace

std::vector<Complaint> missing_files(const LoadedRecipe& loaded) {
  const Recipe& recipe = loaded.recipe;
  std::vector<Complaint> problems;
  if (recipe.teacher) check_model(loaded, "teacher.path", recipe.teacher->path, recipe.teacher->trust, problems);
  check_model(loaded, "student.path", recipe.student.path, recipe.student.trust, problems);
  if (recipe.student.init) check_tokenizer(loaded, "student.init.tokenizer", recipe.student.init->tokenizer, problems);
  for (size_t i = 0; i < recipe.data.train.size(); ++i)
    check_source(loaded, "data.train." + std::to_string(i) + ".path", recipe.data.train[i].path, problems);
  for (size_t i = 0; i < recipe.data.eval.size(); ++i)
    check_source(loaded, "data.eval." + std::to_string(i) + ".path", recipe.data.eval[i].path, problems);
  for (size_t i = 0; i < recipe.objective.size(); ++i) check_autoencoder(loaded, i, problems);
  if (!recipe.data.chat_template.empty()) check_template(loaded, recipe.data.chat_template, problems);
  if (!recipe.output.empty()) check_output(loaded, recipe.output, problems);
  return problems;
}

}  // namespace distill
