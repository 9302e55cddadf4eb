// The way of a recipe from a file to a checked value: text, tree, overrides, structs, rules. Throws only at the end.
#include "distill/core/file.h"
#include "distill/core/utf8.h"

#include "leaves.h"
#include "overrides.h"
#include "read_recipe.h"
#include "validate.h"

namespace distill {
namespace {

constexpr uint64_t kMostBytes = uint64_t{1} << 20;

// True when the text is UTF-8 without control characters; otherwise reports the first offence.
bool is_text(const std::string& text, int source, Report& report) {
  Spot spot{source, 1, 1};
  for (size_t i = 0; i < text.size();) {
    const auto [well_formed, length] = utf8_sequence_at(text, i);
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_control = (byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7F;
    if (!well_formed || is_control) {
      report.complain(spot, "", "a text in UTF-8", is_control ? "binary data" : "a byte that is not UTF-8",
                      is_control ? "Check that this is the right file." : "Save the recipe as UTF-8.");
      return false;
    }
    spot = text[i] == '\n' ? Spot{source, spot.line + 1, 1} : Spot{source, spot.line, spot.column + static_cast<int>(length)};
    i += length;
  }
  return true;
}

// Defaults that follow from another value.
void fill_defaults(Recipe& recipe, const GivenKeys& given) {
  for (size_t i = 0; i < recipe.objective.size(); ++i) {
    TermRecipe& term = recipe.objective[i];
    const bool minilm = term.function == TermFunction::minilm_attention || term.function == TermFunction::minilm_value;
    if (minilm && !given.contains("objective." + std::to_string(i) + ".layer_mapping"))
      term.layer_mapping = {LayerRule::last, {}};
  }
  if (!recipe.schedule.warmup) recipe.schedule.warmup = percent(recipe.schedule.kind == ScheduleKind::constant ? 0 : 3);
}

std::optional<YamlNode> read_tree(const std::string& yaml, const std::vector<std::string>& overrides, Sources& sources,
                                  Report& report) {
  if (!is_text(yaml, 0, report)) return std::nullopt;
  std::optional<YamlNode> root = parse_yaml(yaml, {}, report);
  if (!root) return std::nullopt;
  if (root->kind == YamlNode::Kind::null) {
    report.complain({}, "", "a recipe", "an empty file", "Write one with `distill init`.");
    return std::nullopt;
  }
  expand_shorthands(*root);
  for (const std::string& text : overrides) {
    const int source = sources.add("--set " + shortened(text, 100), text);
    if (is_text(text, source, report)) apply_override(text, source, *root, report);
    expand_shorthands(*root);
  }
  return root;
}

void note_places(const GivenKeys& given, const Sources& sources, LoadedRecipe& loaded) {
  for (const auto& [path, spots] : given) loaded.places[path] = {sources.where(spots.value), sources.excerpt(spots.value)};
  for (const Leaf& leaf : recipe_leaves(loaded.recipe)) {
    const auto found = given.find(leaf.path);
    loaded.origins[leaf.path] = found == given.end() ? "default" : sources.origin(found->second.value);
  }
}

Complaint unreadable(const std::filesystem::path& file, const std::string& found) {
  const bool is_model = std::filesystem::exists(file / "config.json");
  return {file.string(), "a recipe file", found,
          is_model ? "This is a model; name it in a recipe. `distill init` writes one."
                   : "Name an existing YAML file, or write one with `distill init`.",
          ""};
}

// The text of the file, or why there is none.
std::optional<std::string> file_text(const std::filesystem::path& file, std::vector<Complaint>& problems) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (!std::filesystem::exists(status)) return problems.push_back(unreadable(file, "no such file")), std::nullopt;
  if (std::filesystem::is_directory(status)) return problems.push_back(unreadable(file, "a folder")), std::nullopt;
  try {
    return read_file(file, kMostBytes);
  } catch (const Error& problem) {  // not readable, or too long for a recipe
    Complaint complaint = problem.complaints().front();
    complaint.advice = "A recipe is a short YAML file. " + complaint.advice;
    problems.push_back(complaint);
    return std::nullopt;
  }
}

}  // namespace

Complaint LoadedRecipe::complaint(const std::string& path, std::string expected, std::string found, std::string advice) const {
  std::string key = path;
  while (!places.contains(key) && key.find('.') != std::string::npos) key.resize(key.rfind('.'));
  const auto place = places.find(key);
  if (place == places.end()) return {name + ": " + path, std::move(expected), std::move(found), std::move(advice), ""};
  return {place->second.where + ": " + path, std::move(expected), std::move(found), std::move(advice), place->second.excerpt};
}

ExaminedRecipe examine_recipe_text(const std::string& yaml, const std::string& name, const std::vector<std::string>& overrides) {
  ExaminedRecipe result;
  result.loaded.name = name;
  Sources sources;
  sources.add(name, yaml);
  Report report(sources);
  if (const auto root = read_tree(yaml, overrides, sources, report)) {
    GivenKeys given;
    read_recipe(*root, result.loaded.recipe, given, report);
    if (root->kind == YamlNode::Kind::map) validate_recipe(result.loaded.recipe, given, report);
    fill_defaults(result.loaded.recipe, given);
    note_places(given, sources, result.loaded);
  }
  result.problems = report.problems();
  result.loaded.warnings = report.warnings();
  return result;
}

ExaminedRecipe examine_recipe(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  ExaminedRecipe result;
  result.loaded.name = file.string();
  const auto text = file_text(file, result.problems);
  return text ? examine_recipe_text(*text, file.string(), overrides) : result;
}

namespace {

LoadedRecipe unless_problems(ExaminedRecipe examined) {
  if (!examined.problems.empty()) throw RecipeError(std::move(examined.problems));
  return std::move(examined.loaded);
}

}  // namespace

LoadedRecipe load_recipe(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  return unless_problems(examine_recipe(file, overrides));
}

LoadedRecipe parse_recipe(const std::string& yaml, const std::string& name, const std::vector<std::string>& overrides) {
  return unless_problems(examine_recipe_text(yaml, name, overrides));
}

}  // namespace distill
