// The demo from top to bottom: corpus, tokenizer, recipes, one teacher, three pairs of students, one comparison.
// Every model is trained by the recipe that lies in the folder, on the path of `train`.
#include <cstdio>

#include "distill/cli/train.h"
#include "distill/cli/verbs_demo.h"
#include "distill/cli/verbs_eval.h"
#include "distill/core/file.h"
#include "distill/core/json_reader.h"
#include "distill/core/log.h"

#include "demo_comparison.h"
#include "demo_grammar.h"
#include "demo_recipes.h"
#include "demo_tokenizer.h"

namespace distill {
namespace {

using demo::Comparison;
using demo::Layout;

constexpr int kNumPairs = 3;
struct Split {
  const char* name;
  int64_t num_stories;
};
constexpr Split kSplits[] = {{"teacher", 12000}, {"transfer", 400}, {"heldout", 400}};  // the first also trains the tokenizer
constexpr size_t kTokenizerStories = 2000;

// A folder of our own is taken up again; anything else is left alone.
void claim_folder(const DemoOptions& options) {
  const fs::path marker = options.out / "demo.json";
  if (fs::exists(marker)) {
    const auto seed = static_cast<uint64_t>(json_int(read_json_file(marker.string()), "seed", marker.string()));
    if (seed != options.seed)
      throw CreateError({options.out.string(), "a demo of seed " + std::to_string(options.seed),
                         "one of seed " + std::to_string(seed),
                         "Pass --seed " + std::to_string(seed) + " to go on with it, or another folder with --out.", ""});
    return;
  }
  if (fs::exists(options.out) && !(fs::is_directory(options.out) && fs::is_empty(options.out)))
    throw CreateError({options.out.string(), "a new folder, or one of an earlier demo", "something else in its place",
                       "Name another folder with --out.", ""});
  make_folders(options.out);
  write_file_atomically(marker, Json{{"seed", options.seed}}.dump() + "\n");
}

std::string as_jsonl(const std::vector<std::string>& stories) {
  std::string lines;
  for (const std::string& story : stories) lines += Json{{"text", story}}.dump() + "\n";
  return lines;
}

void write_once(const fs::path& file, const std::string& text) {
  if (!fs::exists(file)) write_file_atomically(file, text);  // what the user changed stays
}

void write_corpus(const Layout& layout, uint64_t seed) {
  make_folders(layout.data("").parent_path());
  for (const Split& split : kSplits) {
    std::vector<std::string> stories = demo::tell_stories(seed, split.name, split.num_stories);
    write_once(layout.data(split.name), as_jsonl(stories));
    if (&split != &kSplits[0] || fs::exists(layout.tokenizer() / "tokenizer_config.json")) continue;
    stories.resize(kTokenizerStories);
    demo::write_tokenizer(layout.tokenizer(), stories, demo::kVocabSize);
  }
}

void write_recipes(const Layout& layout) {
  make_folders(layout.recipe("").parent_path());
  write_once(layout.recipe("teacher"), teacher_recipe(layout));
  write_once(layout.recipe("alone"), alone_recipe(layout));
  write_once(layout.recipe("distilled"), distilled_recipe(layout));
}

// Trains by the recipe `name` into the run folder `run`.
void train(const Layout& layout, const std::string& name, const std::string& run, uint64_t seed) {
  const LoadedRecipe recipe =
      load_recipe(layout.recipe(name), {"train.seed=" + std::to_string(seed), "output=" + Json(layout.run(run).string()).dump()});
  run_training(recipe, {.progress = ProgressStyle::automatic});
}

EvalEvent measure(const Layout& layout, const std::string& run) {
  Recipe recipe;
  recipe.student.path = (layout.run(run) / "student").string();
  recipe.data.eval = {SourceRecipe{layout.data("heldout").string()}};
  recipe.data.sequence_length = 256;
  recipe.train.device = "cpu";
  recipe.teacher.emplace();
  recipe.teacher->path = layout.teacher().string();
  return evaluate_recipe(recipe);
}

Comparison compare(const Layout& layout, uint64_t seed) {
  log::info("demo: training the teacher");
  train(layout, "teacher", "teacher", seed);
  Comparison comparison;
  comparison.teacher = measure(layout, "teacher");
  for (int pair = 1; pair <= kNumPairs; ++pair) {
    const std::string number = std::to_string(pair);
    log::info("demo: pair " + number + " of " + std::to_string(kNumPairs) + ": the same student alone, then distilled");
    const uint64_t pair_seed = 100 * seed + static_cast<uint64_t>(pair);
    train(layout, "alone", "alone-" + number, pair_seed);
    comparison.alone.push_back(measure(layout, "alone-" + number));
    train(layout, "distilled", "distilled-" + number, pair_seed);
    comparison.distilled.push_back(measure(layout, "distilled-" + number));
  }
  return comparison;
}

std::string try_next(const Layout& layout) {
  const std::string recipe = layout.recipe("distilled").string();
  return "\nIn " + layout.out.string() +
         ": data, tokenizer, recipes, and a run folder per model (runs/*/student loads in transformers).\n"
         "Try next:\n"
         "  distill check " +
         recipe +
         " --resolved\n"
         "  distill --config " +
         recipe + " --set objective.0.function=reverse_kl --set output=" + layout.run("reverse").string() +
         "\n"
         "  distill --config " +
         recipe + " --set objective.0.temperature=2 --set output=" + layout.run("warmer").string() +
         "\n"
         "  distill eval --model " +
         (layout.run("distilled-1") / "student").string() + " --teacher " + layout.teacher().string() + " --data " +
         layout.data("heldout").string() + "\n";
}

}  // namespace

ExitCode run_demo(const DemoOptions& options) {
  claim_folder(options);
  const Layout layout{options.out};
  write_corpus(layout, options.seed);
  write_recipes(layout);
  const Comparison comparison = compare(layout, options.seed);
  write_file_atomically(layout.out / "comparison.json", comparison.json().dump(2) + "\n");
  const std::string text = options.json ? comparison.json().dump(2) + "\n" : comparison.table() + try_next(layout);
  std::fputs(text.c_str(), stdout);
  return ExitCode::done;
}

}  // namespace distill
