// The command line: every verb and option of the program, in one place. What a verb does stands in its own file.
#include "distill/cli/main.h"

#include <malloc.h>

#include <c10/util/Exception.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <functional>

#include "distill/cli/run_parts.h"
#include "distill/cli/train.h"
#include "distill/cli/verbs_demo.h"
#include "distill/cli/verbs_eval.h"
#include "distill/cli/verbs_export.h"
#include "distill/cli/verbs_forward.h"
#include "distill/cli/verbs_inspect.h"
#include "distill/cli/verbs_plan.h"
#include "distill/cli/verbs_recipe.h"
#include "distill/cli/verbs_shrink.h"
#include "distill/cli/verbs_tokenize.h"
#include "distill/cli/verbs_version.h"
#include "distill/core/error.h"
#include "distill/core/log.h"
#include "distill/core/stop.h"
#include "distill/model/checkpointing.h"
#include "distill/tensor/memory_error.h"

namespace distill {
namespace {

const std::vector<std::string> kLaterVerbs = {"doctor", "generate", "cache", "completion"};

// Options that several verbs share; each verb takes the ones that it reads.
struct Shared {
  std::vector<std::string> overrides;
  std::string device = "auto";
  bool json = false;
  std::string color = "auto";
  std::string progress = "auto";
  std::string log_level = "info";
};

void add_appearance(CLI::App& verb, Shared& shared) {
  verb.add_option("--color", shared.color, "auto, always or never")->check(CLI::IsMember({"auto", "always", "never"}));
  verb.add_option("--log-level", shared.log_level, "debug, info, warn, error or off")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}));
}
void add_json(CLI::App& verb, Shared& shared) { verb.add_flag("--json", shared.json, "print the result as JSON on stdout"); }
void add_overrides(CLI::App& verb, Shared& shared) {
  verb.add_option("--set", shared.overrides, "change a value of the recipe: --set optimizer.learning_rate=3e-4 (repeatable)")
      ->allow_extra_args(false)
      ->take_all();
}
CLI::Option* add_device(CLI::App& verb, Shared& shared) {
  return verb.add_option("--device", shared.device, "auto, cpu, cuda or cuda:N");
}

// What a verb runs once the whole command line has been read.
using Action = std::function<int()>;

log::Level level_of(const std::string& word) {
  const std::vector<std::string> words = {"trace", "debug", "info", "warn", "error", "off"};
  return static_cast<log::Level>(std::find(words.begin(), words.end(), word) - words.begin());
}

void add_train(CLI::App& app, Shared& shared, Action& action) {
  CLI::App& verb = *app.add_subcommand("train", "run or continue the distillation of a recipe");
  auto command = std::make_shared<TrainCommand>();
  verb.add_option("recipe", command->recipe, "the recipe file")->required();
  CLI::Option* device = add_device(verb, shared);
  add_overrides(verb, shared);
  add_json(verb, shared);
  add_appearance(verb, shared);
  verb.add_option("--progress", shared.progress, "auto, plain or none")->check(CLI::IsMember({"auto", "plain", "none"}));
  verb.add_option("--max-steps", command->options.max_steps, "stop, resumable, when the run's step count reaches this")
      ->check(CLI::PositiveNumber);
  verb.add_option("--max-minutes", command->options.max_minutes, "stop, resumable, after this many minutes")
      ->check(CLI::PositiveNumber);
  verb.add_flag("--dry-run", command->options.dry_run, "read everything, train nothing, write nothing");
  verb.add_flag("--fresh", command->options.fresh, "move an old run in the output folder aside");
  verb.add_flag("--allow-recipe-change", command->options.allow_recipe_change, "go on although the recipe changed");
  verb.add_flag("--deterministic", command->options.deterministic, "bit-equal runs on a GPU too; slower");
  verb.callback([&action, &shared, command, device] {
    action = [&shared, command, device] {
      command->overrides = shared.overrides;
      if (device->count() > 0) command->overrides.push_back("train.device=" + shared.device);
      command->json = shared.json;
      command->options.progress = shared.progress == "none"    ? ProgressStyle::none
                                  : shared.progress == "plain" ? ProgressStyle::plain
                                                               : ProgressStyle::automatic;
      return run_train(*command);
    };
  });
}

void add_eval(CLI::App& app, Shared& shared, Action& action) {
  CLI::App& verb = *app.add_subcommand("eval", "held-out figures of a recipe's student, or of any model folder");
  auto command = std::make_shared<EvalCommand>();
  verb.add_option("recipe", command->recipe, "the recipe file");
  verb.add_option("--model", command->model, "Hugging Face folder of the student");
  verb.add_option("--data", command->data, "held-out rows: a data file of any format that data.train reads");
  verb.add_option("--teacher", command->teacher, "Hugging Face folder of the teacher");
  CLI::Option* device = add_device(verb, shared);
  add_overrides(verb, shared);
  add_json(verb, shared);
  add_appearance(verb, shared);
  verb.callback([&action, &shared, command, device] {
    action = [&shared, command, device] {
      command->overrides = shared.overrides;
      command->device = shared.device;
      command->device_given = device->count() > 0;
      command->json = shared.json;
      return run_eval(*command);
    };
  });
}

void add_demo(CLI::App& app, Shared& shared, Action& action) {
  CLI::App& verb = *app.add_subcommand("demo", "a whole distillation on a corpus of its own, in three minutes on a CPU");
  auto options = std::make_shared<DemoOptions>();
  verb.add_option("--out", options->out, "folder for corpus, recipes and runs")->capture_default_str();
  verb.add_option("--seed", options->seed, "of the corpus, the fresh weights and the data order")->capture_default_str();
  add_json(verb, shared);
  add_appearance(verb, shared);
  verb.callback([&action, &shared, options] {
    action = [&shared, options] {
      options->json = shared.json;
      return static_cast<int>(run_demo(*options));
    };
  });
}

void add_check(CLI::App& app, Shared& shared, Action& action) {
  CLI::App& verb = *app.add_subcommand("check", "report every problem of a recipe at once");
  auto options = std::make_shared<CheckOptions>();
  verb.add_option("recipe", options->recipe, "the recipe file")->required();
  verb.add_flag("--resolved", options->resolved, "print the final recipe with the origin of each value");
  add_overrides(verb, shared);
  add_json(verb, shared);
  add_appearance(verb, shared);
  verb.callback([&action, &shared, options] {
    action = [&shared, options] {
      options->overrides = shared.overrides;
      options->json = shared.json;
      return run_check(*options);
    };
  });
}

void add_plan(CLI::App& app, Shared& shared, Action& action) {
  CLI::App& verb =
      *app.add_subcommand("plan", "what a recipe will take: memory by part, disk, work; the smallest change that fits");
  auto command = std::make_shared<PlanCommand>();
  verb.add_option("recipe", command->recipe, "the recipe file")->required();
  verb.add_option("--memory", command->memory, "plan for a machine with so much free memory: --memory \"14 GiB\"");
  CLI::Option* device = add_device(verb, shared);
  add_overrides(verb, shared);
  add_json(verb, shared);
  add_appearance(verb, shared);
  verb.callback([&action, &shared, command, device] {
    action = [&shared, command, device] {
      command->overrides = shared.overrides;
      if (device->count() > 0) command->overrides.push_back("train.device=" + shared.device);
      command->json = shared.json;
      return run_plan(*command);
    };
  });
}

void add_init(CLI::App& app, Shared& shared, Action& action) {
  CLI::App& verb = *app.add_subcommand("init", "write a commented recipe to start from");
  auto options = std::make_shared<InitOptions>();
  verb.add_option("--template", options->template_name, "t4 or cpu")->capture_default_str();
  verb.add_option("--out", options->out, "file to write; default: stdout");
  verb.add_flag("--force", options->force, "overwrite the file");
  add_appearance(verb, shared);
  verb.callback([&action, options] { action = [options] { return run_init(*options); }; });
}

void add_inspect(CLI::App& app, Shared& shared, Action& action) {
  CLI::App& verb = *app.add_subcommand("inspect", "what is in a checkpoint: config, tensors, finite or not");
  auto options = std::make_shared<InspectOptions>();
  verb.add_option("path", options->path, "a model folder, an index of shards or a .safetensors file")->required();
  add_json(verb, shared);
  add_appearance(verb, shared);
  verb.callback([&action, &shared, options] {
    action = [&shared, options] {
      options->json = shared.json;
      return run_inspect(*options);
    };
  });
}

void add_forward(CLI::App& app, Shared& shared, Action& action) {
  CLI::App& verb = *app.add_subcommand("forward", "logits, hidden states and attention maps of each line of a file");
  auto options = std::make_shared<ForwardOptionsCli>();
  verb.add_option("--model", options->model, "Hugging Face folder")->required();
  verb.add_option("--input", options->input, "JSONL: {\"input_ids\": [..]} or {\"text\": ..}")->required();
  verb.add_option("--output", options->output, "safetensors file to write")->required();
  verb.add_flag("--hidden", options->hidden, "write row{i}.hidden_states.{l} too");
  verb.add_flag("--attentions", options->attentions, "write row{i}.attentions.{l} too");
  verb.add_option("--dtype", options->dtype, "float32, float16, bfloat16 or float64")->capture_default_str();
  add_device(verb, shared);
  add_appearance(verb, shared);
  verb.callback([&action, &shared, options] {
    action = [&shared, options] {
      options->device = shared.device;
      return run_forward(*options);
    };
  });
}

void add_tokenize(CLI::App& app, Shared& shared, Action& action) {
  CLI::App& verb = *app.add_subcommand(
      "tokenize", "JSONL with `text` or `messages` on stdin to JSONL with `input_ids` and `decoded` on stdout");
  auto options = std::make_shared<TokenizeOptions>();
  auto without = std::make_shared<bool>(false);
  verb.add_option("--model", options->model, "folder with a tokenizer.json")->required();
  verb.add_flag("--no-special-tokens", *without, "leave out what the post-processor adds");
  add_appearance(verb, shared);
  verb.callback([&action, options, without] {
    action = [options, without] {
      options->special_tokens = !*without;
      return run_tokenize(*options);
    };
  });
}

CLI::Option* add_saved_dtype(CLI::App& verb, std::string& dtype) {
  return verb.add_option("--dtype", dtype, "auto (as stored), float32, float16 or bfloat16")
      ->check(CLI::IsMember({"auto", "float32", "float16", "bfloat16"}))
      ->capture_default_str();
}

void add_export(CLI::App& app, Shared& shared, Action& action) {
  CLI::App& verb = *app.add_subcommand("export", "a run's student, or any model folder, as a Hugging Face folder");
  auto options = std::make_shared<ExportOptions>();
  verb.add_option("source", options->source, "a run folder, a model folder or a hub id")->required();
  verb.add_option("--out", options->out, "folder to write")->required();
  add_saved_dtype(verb, options->dtype);
  verb.add_option("--shard-size", options->shard_size, "largest file of weights")->capture_default_str();
  verb.add_option("--adapter", options->adapter, "folder of a PEFT LoRA adapter to merge into the weights");
  add_json(verb, shared);
  add_appearance(verb, shared);
  verb.callback([&action, &shared, options] {
    action = [&shared, options] {
      options->json = shared.json;
      return run_export(*options);
    };
  });
}

void add_shrink(CLI::App& app, Shared& shared, Action& action) {
  CLI::App& verb = *app.add_subcommand("shrink", "a smaller model cut out of a model folder, as a student to begin with");
  auto options = std::make_shared<ShrinkOptions>();
  verb.add_option("--model", options->model, "a model folder, a run folder or a hub id")->required();
  verb.add_option("--out", options->out, "folder to write")->required();
  verb.add_option("--layers", options->plan.layers, "blocks to keep, from 0: --layers 0,2,4")->delimiter(',');
  verb.add_option("--hidden-size", options->plan.hidden_size, "channels to keep: those with the largest weights");
  verb.add_option("--heads", options->plan.num_heads, "query heads to keep in each block");
  verb.add_option("--kv-heads", options->plan.num_kv_heads, "key/value heads to keep in each block");
  verb.add_option("--intermediate-size", options->plan.intermediate_size, "feed-forward units to keep in each block");
  add_saved_dtype(verb, options->dtype);
  add_json(verb, shared);
  add_appearance(verb, shared);
  verb.callback([&action, &shared, options] {
    action = [&shared, options] {
      options->json = shared.json;
      return run_shrink(*options);
    };
  });
}

void add_facts(CLI::App& app, Shared& shared, Action& action) {
  CLI::App& schema = *app.add_subcommand("schema", "JSON Schema of the recipe");
  add_appearance(schema, shared);
  schema.callback([&action] { action = [] { return run_schema(); }; });
  CLI::App& version = *app.add_subcommand("version", "what was built, against what");
  add_json(version, shared);
  add_appearance(version, shared);
  version.callback([&action, &shared] { action = [&shared] { return run_version(shared.json); }; });
}

// `distill --config recipe.yaml ...` is the main job: it equals `distill train recipe.yaml ...`.
std::vector<std::string> with_verb(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty() || !words.front().starts_with("-")) return words;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] != "--config" && !words[i].starts_with("--config=")) continue;
    std::string recipe;
    if (words[i].size() > 8)
      recipe = words[i].substr(9);
    else if (i + 1 < words.size())
      recipe = words[i + 1];
    else
      return words;
    words.erase(words.begin() + static_cast<long>(i), words.begin() + static_cast<long>(i) + (words[i].size() > 8 ? 1 : 2));
    words.insert(words.begin(), {"train", recipe});
    return words;
  }
  return words;
}

void refuse_later_verbs(const std::vector<std::string>& words, const CLI::App& app) {
  if (words.empty() || words.front().starts_with("-")) return;
  const std::string& verb = words.front();
  if (std::find(kLaterVerbs.begin(), kLaterVerbs.end(), verb) != kLaterVerbs.end())
    throw RecipeError({"distill " + verb, "a verb that is there", "one that is not available yet",
                       "Run `distill --help` for the verbs of this version.", ""});
  std::vector<std::string> known;
  for (const CLI::App* subcommand : app.get_subcommands([](const CLI::App*) { return true; }))
    known.push_back(subcommand->get_name());
  if (std::find(known.begin(), known.end(), verb) != known.end()) return;
  const std::string near = nearest_word(verb, known);
  throw RecipeError({"distill", "a verb", "\"" + verb + "\"",
                     near.empty() ? "Run `distill --help` for the verbs." : "Did you mean `distill " + near + "`?", ""});
}

// glibc gives big blocks back to the system at every free and takes them again page by page: 1.3-2.4 times slower with the
// tensors of a training step. Blocks up to 1 GiB stay in the process.
void keep_big_blocks() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
}

int run(int argc, char** argv) {
  Shared shared;
  Action action;
  CLI::App app(
      "Knowledge distillation of language models: one recipe, two checkpoints, a distilled student.\n"
      "The main job: distill --config recipe.yaml");
  app.name("distill");
  app.require_subcommand(0, 1);
  add_train(app, shared, action);
  add_demo(app, shared, action);
  add_eval(app, shared, action);
  add_check(app, shared, action);
  add_plan(app, shared, action);
  add_init(app, shared, action);
  add_inspect(app, shared, action);
  add_forward(app, shared, action);
  add_tokenize(app, shared, action);
  add_export(app, shared, action);
  add_shrink(app, shared, action);
  add_facts(app, shared, action);
  std::vector<std::string> words = with_verb(argc, argv);
  refuse_later_verbs(words, app);
  std::reverse(words.begin(), words.end());  // CLI11 reads a vector from its end
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    throw RecipeError({"distill", "a command line that can be read", error.what(), "Run the verb with --help.", ""});
  }
  log::configure(level_of(shared.log_level), shared.color);
  if (!action) {
    std::fputs(app.help().c_str(), stdout);
    return 0;
  }
  return action();
}

// Memory that ran out outside an update: while a model was loaded, or rows were read.
int report_unexpected(const std::exception& error, const char* what) {
  log::set_status_line("");
  const auto memory = memory_complaint(error, "this command",
                                       "Take smaller models, a narrower type (teacher.dtype: float16) or a machine with more "
                                       "memory, or end what else holds some here.");
  const Error told = memory ? Error(MemoryError(*memory)) : Error(Bug(what));
  log::error(told.what());
  return static_cast<int>(told.exit_code());
}

}  // namespace

int cli_main(int argc, char** argv) {
  keep_big_blocks();
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe and a full disk are errors of a write, not deaths
  std::signal(SIGXFSZ, SIG_IGN);
  install_stop_handlers();
  install_saved_tensor_hooks();
  choose_cuda_backends();
  log::configure(log::Level::info, "auto");
  try {
    return run(argc, argv);
  } catch (const Error& error) {
    log::set_status_line("");
    log::error(error.what());
    return static_cast<int>(error.exit_code());
  } catch (const c10::Error& error) {
    return report_unexpected(error, error.what_without_backtrace());
  } catch (const std::exception& error) {
    return report_unexpected(error, error.what());
  }
}

}  // namespace distill
