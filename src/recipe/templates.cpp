// The texts of the templates, part of the program so that `distill init` needs no files. A test keeps configs/ equal to them.
#include "distill/recipe/templates.h"

#include "distill/core/error.h"

namespace distill {
namespace {

constexpr std::string_view kT4 = R"yaml(# A distillation on one 16 GB GPU, such as the T4 of Google Colab.
#
#   distill check t4.yaml        every mistake at once, with line and column
#   distill --config t4.yaml     the run; the same command again continues it
#
# Change first: the two model folders, the data file, the output folder.

teacher:
  path: models/teacher           # a Hugging Face folder: config.json, *.safetensors, tokenizer.json
student:
  path: models/student           # a smaller model with the same vocabulary

data:
  train: [{path: data/train.jsonl}]     # one JSON object per line: {"text": ...}, {"messages": [...]}, or {"prompt": ..., "completion": ...}
  # eval: [{path: data/eval.jsonl}]     # held-out rows; then the end of the run reports how well the student predicts them
  sequence_length: 1024          # tokens per row; halve it when memory runs out
  packing: true                  # several documents per row; they never attend to each other

objective:                       # total = sum of weight * term
  - {function: kl, weight: 1.0, temperature: 1.0}     # follow the teacher; in short runs 1 taught better than 2
  - {function: cross_entropy, weight: 0.5}            # follow the data

optimizer: {name: adamw, learning_rate: 1e-4, weight_decay: 0.01, max_grad_norm: 1.0}
schedule: {kind: cosine, warmup: 3%, floor: 0.1}

train:
  length: 1 epoch                # or `2000 steps`, or `30M tokens`
  batch_size: 4                  # rows in memory at once; halve it when memory runs out ...
  gradient_accumulation_steps: 8 # ... and double this: 4 x 8 = 32 rows move the weights once
  precision: auto                # float16 with loss scaling on a T4, bfloat16 on newer GPUs
  gradient_checkpointing: auto   # recomputes activations instead of keeping them
  device: auto
  seed: 17
  # evaluate_every: 200 steps    # needs data.eval
  save_every: 10 minutes         # a session that ends without warning loses at most this
  keep_checkpoints: 2
  log_every: 10 steps

output: runs/t4                  # on Colab, a folder of your Drive outlives the session
)yaml";

constexpr std::string_view kCpu = R"yaml(# A short run on a CPU: a smoke test of models and data, or a job for CI.
#
#   distill check cpu.yaml       every mistake at once, with line and column
#   distill --config cpu.yaml    the run; the same command again continues it
#
# Change first: the two model folders, the data file, the output folder. Then `length` for a run that learns something.

teacher:
  path: models/teacher           # a Hugging Face folder: config.json, *.safetensors, tokenizer.json
student:
  path: models/student           # a smaller model with the same vocabulary

data:
  train: [{path: data/train.jsonl}]     # one JSON object per line: {"text": ...}, {"messages": [...]}, or {"prompt": ..., "completion": ...}
  # eval: [{path: data/eval.jsonl}]     # held-out rows; then the end of the run reports how well the student predicts them
  sequence_length: 128           # tokens per row

objective:                       # total = sum of weight * term
  - {function: kl, weight: 1.0, temperature: 1.0}     # follow the teacher; in short runs 1 taught better than 2
  - {function: cross_entropy, weight: 0.5}            # follow the data

optimizer: {name: adamw, learning_rate: 1e-4}
schedule: {kind: cosine, warmup: 3%}

train:
  length: 20 steps               # or `2 epochs`, or `1M tokens`
  batch_size: 4
  precision: float32
  device: cpu
  seed: 17
  save_every: 10 minutes
  log_every: 1 step

output: runs/cpu
)yaml";

}  // namespace

const std::vector<RecipeTemplate>& recipe_templates() {
  static const std::vector<RecipeTemplate> templates = {
      {"t4", "one 16 GB GPU, such as the T4 of Google Colab", kT4},
      {"cpu", "a short run on a CPU: a smoke test, or a job for CI", kCpu},
  };
  return templates;
}

const RecipeTemplate& recipe_template(const std::string& name) {
  std::vector<std::string> names;
  std::string list;
  for (const RecipeTemplate& entry : recipe_templates()) {
    if (entry.name == name) return entry;
    names.emplace_back(entry.name);
    list += (list.empty() ? "" : "; ") + std::string(entry.name) + " (" + std::string(entry.purpose) + ")";
  }
  const std::string near = nearest_word(name, names);
  throw RecipeError({"--template", "one of " + list, "`" + name + "`",
                     near.empty() ? "For example `distill init --template cpu`." : "Did you mean `" + near + "`?", ""});
}

}  // namespace distill
