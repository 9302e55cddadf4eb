// The table of keys and words that other tools use, and the search for the nearest of ours.
#include "advice.h"

#include <algorithm>
#include <cmath>

#include "leaves.h"

namespace distill {
namespace {

// How the value that stands behind their key becomes an example of ours.
enum class Turn { same, steps, epochs, percent, text, fixed };

struct PeerKey {
  std::string_view section;  // only there; "*" anywhere
  std::string_view theirs;
  std::string_view ours;  // dotted path; "" = there is no such key, the note says why
  Turn turn;
  std::string_view example;  // when their value does not fit, and for `fixed`
  std::string_view note;
};

constexpr PeerKey kPeerKeys[] = {
    // Models.
    {"teacher", "model_name_or_path", "teacher.path", Turn::text, "models/teacher", ""},
    {"teacher", "model", "teacher.path", Turn::text, "models/teacher", ""},
    {"teacher", "name", "teacher.path", Turn::text, "models/teacher", ""},
    {"teacher", "pretrained_model_name_or_path", "teacher.path", Turn::text, "models/teacher", ""},
    {"teacher", "load_in_4bit", "teacher.quantize", Turn::fixed, "nf4", "Not available yet: remove the key."},
    {"teacher", "load_in_8bit", "teacher.quantize", Turn::fixed, "int8", "Not available yet: remove the key."},
    {"teacher", "device_map", "teacher.placement", Turn::fixed, "auto", ""},
    {"teacher", "torch_dtype", "teacher.dtype", Turn::fixed, "float16", ""},
    {"student", "model_name_or_path", "student.path", Turn::text, "models/student", ""},
    {"student", "model", "student.path", Turn::text, "models/student", ""},
    {"student", "name", "student.path", Turn::text, "models/student", ""},
    {"student", "pretrained_model_name_or_path", "student.path", Turn::text, "models/student", ""},
    {"student", "config", "student.init.config", Turn::fixed, "{model_type: llama, hidden_size: 256}", ""},
    {"student", "dtype", "student.save_dtype", Turn::fixed, "float16", "The student trains in `train.precision`."},
    {"*", "teacher_model_name_or_path", "teacher.path", Turn::text, "models/teacher", ""},
    {"*", "teacher_model", "teacher.path", Turn::text, "models/teacher", ""},
    {"*", "teacher_name_or_path", "teacher.path", Turn::text, "models/teacher", ""},
    {"*", "teacher_path", "teacher.path", Turn::text, "models/teacher", ""},
    {"*", "teacher_dtype", "teacher.dtype", Turn::fixed, "float16", ""},
    {"*", "teacher_load_in_8bit", "teacher.quantize", Turn::fixed, "int8", "Not available yet: remove the key."},
    {"*", "teacher_load_in_4bit", "teacher.quantize", Turn::fixed, "nf4", "Not available yet: remove the key."},
    {"*", "teacher_checkpointer", "teacher.path", Turn::text, "models/teacher", ""},
    {"*", "student_model", "student.path", Turn::text, "models/student", ""},
    {"*", "student_model_name_or_path", "student.path", Turn::text, "models/student", ""},
    {"*", "student_path", "student.path", Turn::text, "models/student", ""},
    {"*", "train_model", "student.path", Turn::text, "models/student", ""},
    {"*", "model_name_or_path", "student.path", Turn::text, "models/student", ""},
    {"*", "model_name", "student.path", Turn::text, "models/student", ""},
    {"*", "base_model", "student.path", Turn::text, "models/student", ""},
    {"*", "model", "student.path", Turn::text, "models/student", "The teacher goes to `teacher.path`."},
    {"*", "models", "student.path", Turn::text, "models/student", "The teacher goes to `teacher.path`."},
    {"*", "checkpointer", "student.path", Turn::text, "models/student", ""},
    {"*", "load_in_4bit", "teacher.quantize", Turn::fixed, "nf4", "Not available yet: remove the key."},
    {"*", "load_in_8bit", "teacher.quantize", Turn::fixed, "int8", "Not available yet: remove the key."},
    {"*", "use_peft", "student.lora", Turn::fixed, "{rank: 16, alpha: 32, targets: [q, v]}", ""},
    {"*", "peft_config", "student.lora", Turn::fixed, "{rank: 16, alpha: 32, targets: [q, v]}", ""},
    {"*", "lora_r", "student.lora.rank", Turn::same, "16", ""},
    {"*", "lora_rank", "student.lora.rank", Turn::same, "16", ""},
    {"*", "lora_alpha", "student.lora.alpha", Turn::same, "32", ""},
    {"*", "lora_target_modules", "student.lora.targets", Turn::fixed, "[q, v]", ""},
    {"*", "lora_dropout", "student.dropout", Turn::same, "0.1", ""},
    {"*", "disable_dropout", "student.dropout", Turn::fixed, "0", ""},
    {"*", "tokenizer", "student.init.tokenizer", Turn::text, "models/teacher",
     "A student with a `path` brings its own tokenizer."},
    {"*", "tokenizer_name", "student.init.tokenizer", Turn::text, "models/teacher", "A student with a `path` brings its own."},
    {"*", "trust_remote_code", "", Turn::same, "", "No code of a checkpoint is ever run; remove the key."},
    {"*", "attn_implementation", "", Turn::same, "", "The fastest attention that fits is chosen by itself; remove the key."},
    {"*", "use_flash_attention", "", Turn::same, "", "The fastest attention that fits is chosen by itself; remove the key."},
    {"*", "use_liger_kernel", "", Turn::same, "", "Losses are always computed in chunks; remove the key."},
    // Data.
    {"data", "dataset", "data.train", Turn::fixed, "[{path: train.jsonl}]", ""},
    {"data", "path", "data.train.0.path", Turn::text, "train.jsonl", ""},
    {"data", "validation", "data.eval", Turn::fixed, "[{path: eval.jsonl}]", ""},
    {"data", "test", "data.eval", Turn::fixed, "[{path: eval.jsonl}]", ""},
    {"data.train", "file", "data.train.0.path", Turn::text, "train.jsonl", ""},
    {"*", "dataset", "data.train", Turn::fixed, "[{path: train.jsonl}]", ""},
    {"*", "datasets", "data.train", Turn::fixed, "[{path: train.jsonl}]", ""},
    {"*", "dataset_name", "data.train", Turn::fixed, "[{path: train.jsonl}]", ""},
    {"*", "dataset_path", "data.train.0.path", Turn::text, "train.jsonl", ""},
    {"*", "data_path", "data.train.0.path", Turn::text, "train.jsonl", ""},
    {"*", "data_files", "data.train.0.path", Turn::text, "train.jsonl", ""},
    {"*", "train_dataset", "data.train", Turn::fixed, "[{path: train.jsonl}]", ""},
    {"*", "train_file", "data.train.0.path", Turn::text, "train.jsonl", ""},
    {"*", "eval_dataset", "data.eval", Turn::fixed, "[{path: eval.jsonl}]", ""},
    {"*", "validation_file", "data.eval.0.path", Turn::text, "eval.jsonl", ""},
    {"*", "dataset_text_field", "", Turn::same, "",
     "Rows hold `text`, `prompt` and `completion`, `messages` or `input_ids`; rename the field in the file."},
    {"*", "max_seq_length", "data.sequence_length", Turn::same, "1024", ""},
    {"*", "max_seq_len", "data.sequence_length", Turn::same, "1024", ""},
    {"*", "max_length", "data.sequence_length", Turn::same, "1024", ""},
    {"*", "max_prompt_length", "data.sequence_length", Turn::same, "1024", ""},
    {"*", "model_max_length", "data.sequence_length", Turn::same, "1024", ""},
    {"*", "sequence_len", "data.sequence_length", Turn::same, "1024", ""},
    {"*", "seq_length", "data.sequence_length", Turn::same, "1024", ""},
    {"*", "seq_len", "data.sequence_length", Turn::same, "1024", ""},
    {"*", "context_length", "data.sequence_length", Turn::same, "1024", ""},
    {"*", "block_size", "data.sequence_length", Turn::same, "1024", ""},
    {"*", "cutoff_len", "data.sequence_length", Turn::same, "1024", ""},
    {"*", "sample_packing", "data.packing", Turn::same, "true", ""},
    {"*", "packed", "data.packing", Turn::same, "true", ""},
    {"*", "completion_only_loss", "data.assistant_only_loss", Turn::same, "true", ""},
    {"*", "train_on_input", "data.assistant_only_loss", Turn::fixed, "false", ""},
    {"*", "train_on_inputs", "data.assistant_only_loss", Turn::fixed, "false", ""},
    {"*", "add_eos_token", "data.append_eos", Turn::same, "true", ""},
    {"*", "dataloader_num_workers", "", Turn::same, "", "Data is read ahead by itself; remove the key."},
    {"*", "group_by_length", "data.packing", Turn::fixed, "true", "Packing leaves nothing to group."},
    // Objective.
    {"objective", "type", "objective.0.function", Turn::same, "kl", ""},
    {"objective", "kind", "objective.0.function", Turn::same, "kl", ""},
    {"objective", "loss", "objective.0.function", Turn::same, "kl", ""},
    {"objective", "term", "objective.0.function", Turn::same, "kl", ""},
    {"objective", "coefficient", "objective.0.weight", Turn::same, "1.0", ""},
    {"objective", "lambda", "objective.0.weight", Turn::same, "1.0", ""},
    {"objective", "T", "objective.0.temperature", Turn::same, "2.0", ""},
    {"objective", "tau", "objective.0.temperature", Turn::same, "2.0", ""},
    {"objective", "layers", "objective.0.layer_mapping", Turn::fixed, "[[1, 2], [2, 4]]", ""},
    {"*", "temperature", "objective.0.temperature", Turn::same, "2.0", ""},
    {"*", "kd_temperature", "objective.0.temperature", Turn::same, "2.0", ""},
    {"*", "distillation_temperature", "objective.0.temperature", Turn::same, "2.0", ""},
    {"*", "beta", "objective.0.beta", Turn::same, "0.5", ""},
    {"*", "alpha", "objective.0.weight", Turn::same, "0.5",
     "A mix of teacher and labels is two terms: kl with weight alpha, cross_entropy with weight 1 - alpha."},
    {"*", "kd_ratio", "objective.0.weight", Turn::same, "0.5", "A mix of teacher and labels is two terms, kl and cross_entropy."},
    {"*", "kd_alpha", "objective.0.weight", Turn::same, "0.5", "A mix of teacher and labels is two terms, kl and cross_entropy."},
    {"*", "kd_weight", "objective.0.weight", Turn::same, "0.5",
     "A mix of teacher and labels is two terms, kl and cross_entropy."},
    {"*", "lmbda", "objective", Turn::fixed, "[{function: jsd, beta: 0.5}]",
     "Training on the student's own generations (lmbda above 0) is not available; remove the key."},
    {"*", "seq_kd", "", Turn::same, "", "Write the teacher's generations to a data file and train on it."},
    {"*", "loss", "objective", Turn::fixed, "[{function: kl}]", ""},
    {"*", "losses", "objective", Turn::fixed, "[{function: kl}]", ""},
    {"*", "loss_type", "objective.0.function", Turn::same, "kl", ""},
    {"*", "loss_functions", "objective", Turn::fixed, "[{function: kl, weight: 1.0}]", ""},
    {"*", "loss_function", "objective.0.function", Turn::same, "kl", ""},
    {"*", "kd_loss", "objective.0.function", Turn::fixed, "kl", ""},
    {"*", "distillation", "objective", Turn::fixed, "[{function: kl, temperature: 2.0}]", ""},
    {"*", "layer_mapping", "objective.0.layer_mapping", Turn::same, "uniform", ""},
    {"*", "intermediate_matches", "objective", Turn::fixed, "[{function: hidden_mse, layer_mapping: uniform}]", ""},
    {"*", "label_smoothing_factor", "", Turn::same, "", "Labels are not smoothed; remove the key."},
    // Optimizer and schedule.
    {"optimizer", "type", "optimizer.name", Turn::same, "adamw", ""},
    {"optimizer", "kind", "optimizer.name", Turn::same, "adamw", ""},
    {"*", "optim", "optimizer.name", Turn::fixed, "adamw", ""},
    {"*", "optimizer_name", "optimizer.name", Turn::same, "adamw", ""},
    {"*", "lr", "optimizer.learning_rate", Turn::same, "1e-4", ""},
    {"*", "beta1", "optimizer.betas", Turn::fixed, "[0.9, 0.999]", ""},
    {"*", "beta2", "optimizer.betas", Turn::fixed, "[0.9, 0.999]", ""},
    {"*", "adam_beta1", "optimizer.betas", Turn::fixed, "[0.9, 0.999]", ""},
    {"*", "adam_beta2", "optimizer.betas", Turn::fixed, "[0.9, 0.999]", ""},
    {"*", "adam_epsilon", "optimizer.eps", Turn::same, "1e-8", ""},
    {"*", "epsilon", "optimizer.eps", Turn::same, "1e-8", ""},
    {"*", "gradient_clipping", "optimizer.max_grad_norm", Turn::same, "1.0", ""},
    {"*", "gradient_clip_val", "optimizer.max_grad_norm", Turn::same, "1.0", ""},
    {"*", "grad_clip", "optimizer.max_grad_norm", Turn::same, "1.0", ""},
    {"*", "clip_grad_norm", "optimizer.max_grad_norm", Turn::same, "1.0", ""},
    {"schedule", "name", "schedule.kind", Turn::same, "cosine", ""},
    {"schedule", "type", "schedule.kind", Turn::same, "cosine", ""},
    {"schedule", "min_lr", "schedule.floor", Turn::fixed, "0.1", "The floor is a share of the peak."},
    {"*", "lr_scheduler_type", "schedule.kind", Turn::same, "cosine", ""},
    {"*", "lr_scheduler", "schedule.kind", Turn::same, "cosine", ""},
    {"*", "scheduler", "schedule.kind", Turn::same, "cosine", ""},
    {"*", "lr_scheduler_kwargs", "schedule.floor", Turn::fixed, "0.1", "The floor is a share of the peak."},
    {"*", "min_lr", "schedule.floor", Turn::fixed, "0.1", "The floor is a share of the peak."},
    {"*", "min_lr_ratio", "schedule.floor", Turn::same, "0.1", ""},
    {"*", "min_lr_rate", "schedule.floor", Turn::same, "0.1", ""},
    {"*", "warmup_ratio", "schedule.warmup", Turn::percent, "3%", ""},
    {"*", "warmup_steps", "schedule.warmup", Turn::steps, "100 steps", ""},
    {"*", "num_warmup_steps", "schedule.warmup", Turn::steps, "100 steps", ""},
    // The run.
    {"*", "num_train_epochs", "train.length", Turn::epochs, "2 epochs", ""},
    {"*", "num_epochs", "train.length", Turn::epochs, "2 epochs", ""},
    {"*", "epochs", "train.length", Turn::epochs, "2 epochs", ""},
    {"*", "max_steps", "train.length", Turn::steps, "10k steps", ""},
    {"*", "num_steps", "train.length", Turn::steps, "10k steps", ""},
    {"*", "num_train_steps", "train.length", Turn::steps, "10k steps", ""},
    {"*", "steps", "train.length", Turn::steps, "10k steps", ""},
    {"*", "max_steps_per_epoch", "train.length", Turn::steps, "10k steps", ""},
    {"*", "max_tokens", "train.length", Turn::fixed, "30M tokens", ""},
    {"*", "tokens", "train.length", Turn::fixed, "30M tokens", ""},
    {"*", "per_device_train_batch_size", "train.batch_size", Turn::same, "4", ""},
    {"*", "per_device_batch_size", "train.batch_size", Turn::same, "4", ""},
    {"*", "per_device_eval_batch_size", "train.batch_size", Turn::same, "4", "Evaluation uses the same."},
    {"*", "micro_batch_size", "train.batch_size", Turn::same, "4", ""},
    {"*", "train_batch_size", "train.batch_size", Turn::same, "4", ""},
    {"*", "gradient_accumulation", "train.gradient_accumulation_steps", Turn::same, "8", ""},
    {"*", "accumulation_steps", "train.gradient_accumulation_steps", Turn::same, "8", ""},
    {"*", "grad_accum", "train.gradient_accumulation_steps", Turn::same, "8", ""},
    {"*", "fp16", "train.precision", Turn::fixed, "float16", ""},
    {"*", "bf16", "train.precision", Turn::fixed, "bfloat16", ""},
    {"*", "fp32", "train.precision", Turn::fixed, "float32", ""},
    {"*", "tf32", "train.precision", Turn::fixed, "auto", ""},
    {"*", "mixed_precision", "train.precision", Turn::fixed, "float16", ""},
    {"*", "torch_dtype", "train.precision", Turn::fixed, "float16", "The teacher has `teacher.dtype`."},
    {"*", "dtype", "train.precision", Turn::fixed, "float16", "The teacher has `teacher.dtype`."},
    {"*", "gradient_checkpointing", "train.gradient_checkpointing", Turn::fixed, "full", ""},
    {"*", "enable_activation_checkpointing", "train.gradient_checkpointing", Turn::fixed, "full", ""},
    {"*", "activation_checkpointing", "train.gradient_checkpointing", Turn::fixed, "full", ""},
    {"*", "gradient_checkpointing_kwargs", "train.gradient_checkpointing", Turn::fixed, "full", ""},
    {"*", "use_cpu", "train.device", Turn::fixed, "cpu", ""},
    {"*", "no_cuda", "train.device", Turn::fixed, "cpu", ""},
    {"*", "random_seed", "train.seed", Turn::same, "17", ""},
    {"*", "data_seed", "train.seed", Turn::same, "17", ""},
    {"*", "logging_steps", "train.log_every", Turn::steps, "10 steps", ""},
    {"*", "log_every_n_steps", "train.log_every", Turn::steps, "10 steps", ""},
    {"*", "log_interval", "train.log_every", Turn::steps, "10 steps", ""},
    {"*", "eval_steps", "train.evaluate_every", Turn::steps, "200 steps", ""},
    {"*", "eval_every", "train.evaluate_every", Turn::steps, "200 steps", ""},
    {"*", "eval_strategy", "train.evaluate_every", Turn::fixed, "200 steps", ""},
    {"*", "evaluation_strategy", "train.evaluate_every", Turn::fixed, "200 steps", ""},
    {"*", "save_steps", "train.save_every", Turn::steps, "500 steps", ""},
    {"*", "save_strategy", "train.save_every", Turn::fixed, "10 minutes", ""},
    {"*", "save_interval", "train.save_every", Turn::steps, "500 steps", ""},
    {"*", "save_total_limit", "train.keep_checkpoints", Turn::same, "2", ""},
    {"*", "output_dir", "output", Turn::text, "runs/first", ""},
    {"*", "output_path", "output", Turn::text, "runs/first", ""},
    {"*", "out_dir", "output", Turn::text, "runs/first", ""},
    {"*", "project_name", "output", Turn::text, "runs/first", ""},
    {"*", "run_name", "output", Turn::text, "runs/first", ""},
    {"*", "training", "train", Turn::fixed, "{length: 2 epochs}", ""},
    {"*", "trainer", "train", Turn::fixed, "{length: 2 epochs}", ""},
    {"*", "training_args", "train", Turn::fixed, "{length: 2 epochs}", ""},
    {"*", "training_arguments", "train", Turn::fixed, "{length: 2 epochs}", ""},
    {"*", "overwrite_output_dir", "", Turn::same, "", "Pass `--fresh` to move an old run aside; remove the key."},
    {"*", "resume_from_checkpoint", "", Turn::same, "", "The same command run again continues the run; remove the key."},
    {"*", "report_to", "", Turn::same, "", "The run folder holds log.jsonl and report.html; remove the key."},
    {"*", "metric_logger", "", Turn::same, "", "The run folder holds log.jsonl and report.html; remove the key."},
    {"*", "push_to_hub", "", Turn::same, "", "Nothing is uploaded; remove the key."},
    {"*", "torch_compile", "", Turn::same, "", "There is nothing to compile; remove the key."},
    {"*", "compile", "", Turn::same, "", "There is nothing to compile; remove the key."},
    {"*", "deepspeed", "", Turn::same, "", "There is no such back end; remove the key."},
    {"*", "fsdp", "", Turn::same, "", "There is no such back end; remove the key."},
    {"*", "ddp_find_unused_parameters", "", Turn::same, "", "There is no such back end; remove the key."},
};

constexpr std::pair<std::string_view, std::string_view> kPeerWords[] = {
    {"fp16", "float16"},
    {"half", "float16"},
    {"f16", "float16"},
    {"bf16", "bfloat16"},
    {"fp32", "float32"},
    {"float", "float32"},
    {"f32", "float32"},
    {"full", "float32"},
    {"single", "float32"},
    {"fp64", "float64"},
    {"double", "float64"},
    {"mixed", "auto"},
    {"torch.float16", "float16"},
    {"torch.bfloat16", "bfloat16"},
    {"torch.float32", "float32"},
    {"true", "full"},
    {"True", "full"},
    {"false", "none"},
    {"False", "none"},
    {"null", "none"},
    {"no", "none"},
    {"off", "none"},
    {"forward_kl", "kl"},
    {"kld", "kl"},
    {"kl_div", "kl"},
    {"kl_divergence", "kl"},
    {"rkl", "reverse_kl"},
    {"gkd", "jsd"},
    {"js", "jsd"},
    {"jensen_shannon", "jsd"},
    {"ce", "cross_entropy"},
    {"sft", "cross_entropy"},
    {"nll", "cross_entropy"},
    {"mse", "hidden_mse"},
    {"hs_mse", "hidden_mse"},
    {"hs_cosine", "hidden_cosine"},
    {"cosine_embedding", "hidden_cosine"},
    {"cosine", "hidden_cosine"},
    {"attn_mse", "attention_mse"},
    {"adam", "adamw"},
    {"adamw_torch", "adamw"},
    {"adamw_torch_fused", "adamw"},
    {"adamw_hf", "adamw"},
    {"torch.optim.AdamW", "adamw"},
    {"AdamW", "adamw"},
    {"cosine_with_warmup", "cosine"},
    {"cosine_with_min_lr", "cosine"},
    {"cosine_with_restarts", "cosine"},
    {"constant_with_warmup", "constant"},
    {"inverse-sqrt", "inverse_sqrt"},
    {"inv_sqrt", "inverse_sqrt"},
    {"gpu", "device"},
    {"offload", "host"},
    {"final", "last"},
    {"4bit", "nf4"},
    {"8bit", "int8"},
    {"bnb_4bit", "nf4"},
};

// `train.length`, `2 epochs` -> `train: {length: 2 epochs}`; an index becomes brackets.
std::string nested_example(std::string_view path, const std::string& value) {
  std::string out;
  std::string tail;
  bool first = true;
  while (!path.empty()) {
    const size_t dot = path.find('.');
    const std::string word(path.substr(0, dot));
    path = dot == std::string_view::npos ? "" : path.substr(dot + 1);
    if (word == "0") {
      out += "[";
      tail.insert(0, "]");
      continue;
    }
    if (!first) {
      out += "{";
      tail.insert(0, "}");
    }
    if (out == "objective: [{" && word != "function") out += "function: kl, ";
    out += word + ": ";
    first = false;
  }
  return out + value + tail;
}

std::string did_you_mean(std::string_view path, const std::string& value) {
  return "Did you mean `" + std::string(path) + "`? For example `" + nested_example(path, value) + "`.";
}

std::optional<double> number_of(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::scalar) return std::nullopt;
  const ScalarType type = scalar_type(node);
  if (type != ScalarType::integer && type != ScalarType::real) return std::nullopt;
  const double value = real_value(node.text);
  return std::isfinite(value) && value > 0 ? std::optional(value) : std::nullopt;
}

std::string example_value(const PeerKey& row, const YamlNode& value) {
  const auto number = number_of(value);
  const std::string fallback(row.example);
  const bool is_word = value.kind == YamlNode::Kind::scalar && value.text.size() < 64 && scalar_type(value) != ScalarType::null;
  switch (row.turn) {
    case Turn::same:
      return is_word ? (value.is_plain ? value.text : yaml_text(value.text)) : fallback;
    case Turn::text:
      return is_word && !number ? yaml_text(value.text) : fallback;
    case Turn::steps:
      return number ? to_string(steps(*number)) : fallback;
    case Turn::epochs:
      return number ? to_string(epochs(*number)) : fallback;
    case Turn::percent:
      return number && *number <= 1 ? to_string(percent(*number * 100)) : fallback;
    case Turn::fixed:
      break;
  }
  return fallback;
}

bool belongs(const PeerKey& row, const std::string& section) {
  if (row.section == "*") return true;
  return section == row.section || section.rfind(std::string(row.section) + ".", 0) == 0;
}

std::string advice_of(const PeerKey& row, const YamlEntry& entry) {
  if (row.ours.empty()) return std::string(row.note);
  const bool is_off = entry.value.kind == YamlNode::Kind::scalar && !boolean_value(entry.value.text) &&
                      scalar_type(entry.value) == ScalarType::boolean && row.turn == Turn::fixed;
  if (is_off) return "Remove it; `" + std::string(row.ours) + "` is the key for this.";
  std::string note(row.note);
  for (const KnownKey& known : recipe_keys())
    if (known.path == row.ours && known.is_planned) note = "Not available yet: remove the key.";
  return did_you_mean(row.ours, example_value(row, entry.value)) + (note.empty() ? "" : " " + note);
}

// Our own key of that name in another section.
std::string advice_for_place(const YamlEntry& entry) {
  std::vector<std::string> paths;
  for (const KnownKey& known : recipe_keys())
    if (known.key == entry.key && !known.is_planned) paths.push_back("`" + known.path + "`");
  if (paths.empty()) return "";
  if (paths.size() > 1) return "Did you mean " + either(paths) + "?";
  const std::string path = paths.front().substr(1, paths.front().size() - 2);
  const bool is_scalar = entry.value.kind == YamlNode::Kind::scalar && entry.value.text.size() < 64;
  return did_you_mean(path, !is_scalar ? "..." : entry.value.is_plain ? entry.value.text : yaml_text(entry.value.text));
}

}  // namespace

std::string advice_for_key(const std::string& section, const YamlEntry& entry, const std::vector<std::string>& known) {
  for (const bool anywhere : {false, true})
    for (const PeerKey& row : kPeerKeys)
      if ((row.section == "*") == anywhere && row.theirs == entry.key && belongs(row, section)) return advice_of(row, entry);
  if (std::string place = advice_for_place(entry); !place.empty()) return place;
  if (const std::string word = nearest_key(entry.key, known); !word.empty()) return "Did you mean `" + word + "`?";
  std::vector<std::string> all;
  const std::vector<KnownKey> keys = recipe_keys();
  for (const KnownKey& key : keys) all.push_back(key.key);
  const std::string word = nearest_key(entry.key, all);
  for (const KnownKey& key : keys)
    if (!word.empty() && key.key == word) return "Did you mean `" + key.path + "`?";
  return "Remove it, or use one of " + either(known) + ".";
}

std::string word_for(const std::string& word, const std::vector<std::string>& words) {
  for (const auto& [theirs, ours] : kPeerWords)
    if (word == theirs && std::find(words.begin(), words.end(), ours) != words.end()) return std::string(ours);
  return nearest_key(word, words);
}

}  // namespace distill
