// config.json -> ModelSpec: what all families share is read here, the rest by the family; then every number is checked
// against the others, and every key that nobody read is refused.
#include <cmath>
#include <filesystem>

#include "distill/core/error.h"
#include "distill/core/log.h"
#include "distill/spec/spec.h"

#include "config_reader.h"
#include "families.h"

namespace distill {
namespace {

constexpr int64_t kMaxLayers = 1 << 12;
constexpr uint64_t kMaxConfigBytes = uint64_t{4} << 20;
constexpr int64_t kMaxParameters = int64_t{1} << 47;

// Keys of transformers that say nothing about the function a model computes: bookkeeping, what to return, generation defaults.
constexpr const char* kHarmless[] = {"_attn_implementation",
                                     "_attn_implementation_autoset",
                                     "_attn_implementation_internal",
                                     "_commit_hash",
                                     "_experts_implementation",
                                     "_flash_attn_2_enabled",
                                     "_name_or_path",
                                     "attn_implementation",
                                     "name_or_path",
                                     "transformers_version",
                                     "transformers.js_config",
                                     "unsloth_fixed",
                                     "unsloth_version",
                                     "use_cache",
                                     "cache_implementation",
                                     "use_bfloat16",
                                     "output_attentions",
                                     "output_hidden_states",
                                     "output_past",
                                     "output_scores",
                                     "return_dict",
                                     "return_dict_in_generate",
                                     "use_return_dict",
                                     "torchscript",
                                     "tf_legacy_loss",
                                     "tokenizer_class",
                                     "prefix",
                                     "finetuning_task",
                                     "task_specific_params",
                                     "id2label",
                                     "label2id",
                                     "num_labels",
                                     "problem_type",
                                     "chunk_size_feed_forward",
                                     "is_decoder",
                                     "tie_encoder_decoder",
                                     "initializer_factor",
                                     "gradient_checkpointing",
                                     "decoder_start_token_id",
                                     "sep_token_id",
                                     "unk_token_id",
                                     "model_max_length",
                                     "forced_bos_token_id",
                                     "forced_eos_token_id",
                                     "begin_suppress_tokens",
                                     "suppress_tokens",
                                     "bad_words_ids",
                                     "max_length",
                                     "min_length",
                                     "max_new_tokens",
                                     "do_sample",
                                     "early_stopping",
                                     "num_beams",
                                     "num_beam_groups",
                                     "diversity_penalty",
                                     "temperature",
                                     "top_k",
                                     "top_p",
                                     "typical_p",
                                     "repetition_penalty",
                                     "length_penalty",
                                     "no_repeat_ngram_size",
                                     "encoder_no_repeat_ngram_size",
                                     "num_return_sequences",
                                     "exponential_decay_length_penalty",
                                     "remove_invalid_values"};

[[noreturn]] void refuse_architecture(const std::string& where, const std::string& name) {
  const std::string found = name.size() > 80 ? name.substr(0, 77) + "..." : name;
  std::string available;
  for (const Family* family : families())
    for (const Architecture& one : family->architectures) available += (available.empty() ? "" : ", ") + std::string(one.name);
  const bool planned = is_planned(found);
  throw InputError({where, "an architecture that is available (" + available + ")", found,
                    planned ? found + " is not available yet." : "Choose a model of one of these architectures.", ""});
}

// A family and what its model is for.
struct Choice {
  const Family* family;
  Task task;
};

// By the entry of `architectures`; a config written by hand may give `model_type` alone.
Choice choose_family(ConfigReader& config) {
  const Json* list = config.find("architectures");
  const std::string type = config.word_or("model_type", "");
  if (!list || (list->is_array() && list->empty())) {
    if (type.empty()) config.refuse("architectures", "a list with the model's class", "none");
    for (const Family* family : families())
      if (type == family->model_type) return {family, family->architectures.front().task};
    refuse_architecture(config.where(), type);
  }
  if (!list->is_array() || list->size() != 1 || !list->front().is_string())
    config.refuse("architectures", "a list with one class", short_text(*list));
  const std::string name = list->front().get<std::string>();
  const Family* family = find_family(name);
  if (!family) refuse_architecture(config.where(), name);
  if (!type.empty() && type != family->model_type)
    config.refuse("model_type", std::string("\"") + family->model_type + "\" for " + name, "\"" + type + "\"");
  return {family, find_architecture(*family, name)->task};
}

constexpr std::pair<Task, const char*> kTaskWords[] = {{Task::causal_lm, "causal_lm"},
                                                       {Task::masked_lm, "masked_lm"},
                                                       {Task::sequence_classification, "sequence_classification"},
                                                       {Task::embedding, "embedding"}};

// The class that the family has for the task: the first one, as some tasks have several.
const Architecture& class_for(const Family& family, Task task, const ConfigReader& config) {
  std::string words;
  for (const Architecture& one : family.architectures) {
    if (one.task == task) return one;
    for (const auto& [known, word] : kTaskWords)
      if (known == one.task && words.find(word) == words.npos) words += (words.empty() ? "" : ", ") + std::string(word);
  }
  std::string found;
  for (const auto& [known, word] : kTaskWords)
    if (known == task) found = word;
  throw InputError({config.where(), std::string("a task that ") + family.model_type + " models are built for (" + words + ")",
                    found, "Choose another model, or another `task`.", ""});
}

Activation read_activation(ConfigReader& config, const ConfigKeys& keys) {
  const std::string word = config.word_or(keys.activation, keys.default_activation);
  if (word == "silu" || word == "swish") return Activation::silu;
  if (word == "gelu" || word == "gelu_python") return Activation::gelu;
  for (const char* tanh_form : {"gelu_pytorch_tanh", "gelu_python_tanh", "gelu_new", "gelu_fast"})
    if (word == tanh_form) return Activation::gelu_tanh;
  if (word == "relu") return Activation::relu;
  config.refuse(keys.activation, "silu, gelu, gelu_pytorch_tanh or relu", "\"" + word + "\"");
}

void read_sizes(ConfigReader& config, const ConfigKeys& keys, ModelSpec& spec) {
  spec.vocab_size = config.size("vocab_size");
  spec.hidden_size = config.size(keys.hidden_size);
  if (keys.four_times_wider && !config.find(keys.intermediate_size)) {
    config.harmless(keys.intermediate_size);
    spec.intermediate_size = 4 * spec.hidden_size;
  } else {
    spec.intermediate_size = config.size(keys.intermediate_size);
  }
  spec.num_layers = config.size(keys.num_layers, kMaxLayers);
  spec.num_heads = config.size(keys.num_heads);
  spec.num_kv_heads = keys.num_kv_heads ? config.size_or(keys.num_kv_heads, spec.num_heads) : spec.num_heads;
  spec.layers.resize(static_cast<size_t>(spec.num_layers));
  const bool own_head_size = keys.head_size && config.find(keys.head_size);
  if (!own_head_size && spec.hidden_size % spec.num_heads != 0)
    config.refuse(keys.hidden_size, std::string("a multiple of ") + keys.num_heads + " (" + std::to_string(spec.num_heads) + ")",
                  std::to_string(spec.hidden_size));
  spec.head_size = own_head_size ? config.size(keys.head_size) : spec.hidden_size / spec.num_heads;
}

// Classes by `id2label`, whose keys are 0, 1, ...; `num_labels` alone in configs written by hand; transformers takes 2.
int64_t read_num_classes(ConfigReader& config) {
  config.must_be("problem_type", "single_label_classification");
  const Json* labels = config.find("id2label");
  const int64_t written = config.size_or("num_labels", 0, 1 << 24);
  if (!labels) return written ? written : 2;
  if (!labels->is_object() || labels->empty())
    config.refuse("id2label", "an object with a name for every class", short_text(*labels));
  for (size_t i = 0; i < labels->size(); ++i)
    if (!labels->contains(std::to_string(i)))
      config.refuse("id2label", "the keys \"0\" to \"" + std::to_string(labels->size() - 1) + "\"", short_text(*labels));
  const auto count = static_cast<int64_t>(labels->size());
  if (written && written != count)
    config.refuse("num_labels", "the number of entries of id2label (" + std::to_string(count) + ")", std::to_string(written));
  return count;
}

// Ids that no row of the embedding has are met on the hub (pad_token_id -1): they name no token.
std::optional<int64_t> token_id(ConfigReader& config, const char* key, const Json& value, const ModelSpec& spec) {
  if (!value.is_number_integer()) config.refuse(key, "a token id", short_text(value));
  const auto id = value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX} ? INT64_MAX : value.get<int64_t>();
  if (id >= 0 && id < spec.vocab_size) return id;
  if (id != -1)
    log::warn(config.where() + ": \"" + key + "\" is " + short_text(value) + ", outside the vocabulary of " +
              std::to_string(spec.vocab_size) + "; ignored.");
  return std::nullopt;
}

void read_token_ids(ConfigReader& config, ModelSpec& spec) {
  if (const Json* bos = config.find("bos_token_id")) spec.bos_id = token_id(config, "bos_token_id", *bos, spec);
  if (const Json* pad = config.find("pad_token_id")) spec.pad_id = token_id(config, "pad_token_id", *pad, spec);
  const Json* eos = config.find("eos_token_id");
  if (!eos) return;
  const Json list = eos->is_array() ? *eos : Json::array({*eos});
  for (const Json& entry : list)
    if (const auto id = token_id(config, "eos_token_id", entry, spec)) spec.eos_ids.push_back(*id);
}

std::string read_dtype(ConfigReader& config) {
  const std::string old_word = config.word_or("torch_dtype", "float32");
  std::string word = config.word_or("dtype", old_word);
  if (word.rfind("torch.", 0) == 0) word = word.substr(6);
  for (const char* known : {"float32", "float16", "bfloat16", "float64"})
    if (word == known) return word;
  config.refuse("dtype", "float32, float16, bfloat16 or float64", "\"" + word + "\"");
}

// Settings that turn a model into another one; their neutral values pass.
void refuse_variants(ConfigReader& config) {
  for (const char* flag : {"is_encoder_decoder", "add_cross_attention"}) config.must_be(flag, false);
  config.must_be("tie_last_hidden_states", true);
  if (const Json* quantization = config.find("quantization_config"))
    throw InputError({config.where(), "weights that are not quantised", "\"quantization_config\": " + short_text(*quantization),
                      "Quantised checkpoints are not available yet: take the original in float16, bfloat16 or float32.", ""});
  config.harmless("auto_map");  // code that a checkpoint brings is never run; the built-in architecture of that name is
}

void check_rates(ConfigReader& config, const ConfigKeys& keys, const ModelSpec& spec) {
  if (!(spec.norm_eps > 0 && spec.norm_eps < 1)) config.refuse(keys.norm_eps, "between 0 and 1", short_text(Json(spec.norm_eps)));
  if (!(spec.attention_dropout >= 0 && spec.attention_dropout < 1))
    config.refuse(keys.attention_dropout, "a rate of at least 0 and below 1", short_text(Json(spec.attention_dropout)));
  for (const double rate : {spec.hidden_dropout, spec.embedding_dropout, spec.classifier_dropout})
    if (!(rate >= 0 && rate < 1))
      throw InputError(
          {config.where(), "dropout rates of at least 0 and below 1", short_text(Json(rate)), "Correct the rate.", ""});
  if (!(spec.initializer_range >= 0 && spec.initializer_range <= 1))
    config.refuse("initializer_range", "between 0 and 1", short_text(Json(spec.initializer_range)));
}

// In floating point, so that absurd sizes cannot overflow on the way to being refused.
void check_sizes(ConfigReader& config, const ModelSpec& spec) {
  if (spec.num_heads % spec.num_kv_heads != 0)
    config.refuse("num_key_value_heads", "a divisor of num_attention_heads (" + std::to_string(spec.num_heads) + ")",
                  std::to_string(spec.num_kv_heads));
  const auto layers = static_cast<double>(spec.num_layers), hidden = static_cast<double>(spec.hidden_size);
  const auto heads = static_cast<double>(spec.num_heads), head_size = static_cast<double>(spec.head_size);
  const double block = hidden * (2 * heads * head_size + 3 * static_cast<double>(spec.intermediate_size));
  const double tables = 2 * static_cast<double>(spec.vocab_size) + static_cast<double>(spec.num_classes) +
                        (spec.position == PositionKind::learned ? static_cast<double>(spec.max_positions) : 0);
  const double total = layers * block + tables * hidden;
  if (total > static_cast<double>(kMaxParameters))
    throw InputError({config.where(), "sizes of a model that can exist",
                      short_text(Json(total)) + " parameters from vocab_size, "
                                                "hidden_size, intermediate_size, num_hidden_layers and num_attention_heads",
                      "Correct the sizes, or take config.json again from the model's source.", ""});
}

}  // namespace

ModelSpec read_spec(const Json& json, const std::string& where, std::optional<Task> task) {
  ConfigReader config(json, where);
  const Choice choice = choose_family(config);
  const Family& family = *choice.family;
  ModelSpec spec;
  spec.model_type = family.model_type;
  spec.task = task.value_or(choice.task);
  spec.architecture = class_for(family, spec.task, config).name;
  refuse_variants(config);
  read_sizes(config, family.keys, spec);
  if (spec.task == Task::sequence_classification) spec.num_classes = read_num_classes(config);
  spec.activation = read_activation(config, family.keys);
  spec.norm_eps =
      family.keys.norm_eps ? config.number_or(family.keys.norm_eps, family.keys.default_norm_eps) : family.keys.default_norm_eps;
  spec.attention_dropout = config.number_or(family.keys.attention_dropout, family.keys.default_attention_dropout);
  spec.initializer_range = config.number_or("initializer_range", 0.02);
  read_token_ids(config, spec);
  spec.stored_dtype = read_dtype(config);
  family.read_facts(config, spec);
  check_rates(config, family.keys, spec);
  check_sizes(config, spec);
  for (const char* key : kHarmless) config.harmless(key);
  config.refuse_the_rest();
  spec.config = json;
  // A config written by hand may leave these out; transformers needs them to load what is saved.
  spec.config["architectures"] = Json::array({spec.architecture});
  spec.config["model_type"] = spec.model_type;
  return spec;
}

ModelSpec read_spec_file(const std::string& folder, std::optional<Task> task) {
  const std::string file = (std::filesystem::path(folder) / "config.json").string();
  return read_spec(read_json_file(file, kMaxConfigBytes), file, task);
}

}  // namespace distill
