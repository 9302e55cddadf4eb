// The forward verb: lines in, tensors out. Batches of one, so that no padding and no neighbour can matter.
#include <unistd.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <memory>

#include "distill/checkpoint/hf_folder.h"
#include "distill/checkpoint/safetensors.h"
#include "distill/cli/verbs_forward.h"
#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/core/log.h"
#include "distill/data/lines.h"
#include "distill/data/sample.h"
#include "distill/model/transformer.h"
#include "distill/tensor/device.h"
#include "distill/tensor/dtype.h"
#include "distill/text/tokenizer.h"

namespace distill {
namespace {

at::ScalarType floating_dtype(const std::string& word) {
  const auto dtype = dtype_from_word(word);
  if (dtype && (*dtype == at::kFloat || *dtype == at::kDouble || *dtype == at::kHalf || *dtype == at::kBFloat16)) return *dtype;
  throw RecipeError(
      Complaint{"--dtype", "float32, float64, float16 or bfloat16", "`" + word + "`", "Pass one of these words.", ""});
}

// Lines to ids; the tokenizer is read when the first text comes.
class RowReader {
 public:
  RowReader(std::filesystem::path folder, const ModelSpec& spec) : folder_(std::move(folder)), spec_(spec) {}

  std::vector<int32_t> ids(const std::string& line, const std::string& where) {
    const Sample sample = parse_json_row(line, where, spec_.vocab_size, spec_.num_classes);
    std::vector<int32_t> ids;
    if (const auto* row = std::get_if<IdsSample>(&sample)) {
      ids = row->ids;
    } else if (const auto* text = std::get_if<TextSample>(&sample)) {
      ids = tokenizer().encode(text->text, true).ids;
    } else {
      const bool conversation = std::holds_alternative<MessagesSample>(sample);
      throw InputError(
          {where, "`input_ids` or `text`", conversation ? "a conversation" : "a prompt with its completion",
           conversation ? "Give the `input_ids` that `distill tokenize` answers." : "Write the whole text as `text`.", ""});
    }
    check(ids, where);
    return ids;
  }

 private:
  const Tokenizer& tokenizer() {
    if (!tokenizer_) tokenizer_ = load_tokenizer(folder_);
    return *tokenizer_;
  }

  void check(const std::vector<int32_t>& ids, const std::string& where) const {
    if (ids.empty()) throw InputError({where, "at least one token", "none", "Remove the line.", ""});
    for (int32_t id : ids)
      if (id < 0 || id >= spec_.vocab_size)
        throw InputError({where, "ids below the vocabulary of " + std::to_string(spec_.vocab_size), std::to_string(id),
                          "Use the tokenizer that belongs to this model.", ""});
    if (spec_.position == PositionKind::learned && static_cast<int64_t>(ids.size()) > spec_.max_positions)
      throw InputError({where, "at most " + std::to_string(spec_.max_positions) + " tokens: the model has no positions beyond",
                        std::to_string(ids.size()) + " tokens", "Shorten the row.", ""});
  }

  std::filesystem::path folder_;
  const ModelSpec& spec_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TokenBatch batch_of_one(const std::vector<int32_t>& ids, at::Device device) {
  const auto length = static_cast<int64_t>(ids.size());
  TokenBatch batch;
  batch.ids_BT = at::tensor(ids, at::kLong).unsqueeze(0);
  batch.positions_BT = at::arange(length, at::kLong).unsqueeze(0);
  batch.documents_BT = at::zeros({1, length}, at::kLong);
  batch.targets_BT = at::full({1, length}, -100, at::kLong);
  batch.row_keys_B = at::zeros({1}, at::kLong);
  batch.num_tokens = length;
  batch.document_lengths = {{length}};
  return batch.to(device);
}

Needs needs_of(const ForwardOptionsCli& options, const ModelSpec& spec) {
  const int64_t num_layers = spec.num_layers;
  Needs needs;
  needs.logits = spec.task != Task::embedding;
  needs.embedding = spec.task == Task::embedding;
  for (int64_t l = 0; options.hidden && l <= num_layers; ++l) needs.hidden_layers.insert(l);
  for (int64_t l = 1; options.attentions && l <= num_layers; ++l) needs.attention_layers.insert(l);
  return needs;
}

void collect(const ForwardOutput& output, Task task, size_t row, at::ScalarType dtype, std::vector<NamedTensor>& into) {
  const std::string prefix = "row" + std::to_string(row) + ".";
  const auto add = [&](const std::string& name, const at::Tensor& batched) {
    into.push_back({prefix + name, batched[0].to(at::kCPU, dtype).contiguous()});
  };
  if (output.embedding_BD.defined())
    add("embedding", output.embedding_BD);
  else
    add("logits", task == Task::sequence_classification ? output.logits_BTV().select(1, 0) : output.logits_BTV());
  for (const auto& [layer, hidden_BTD] : output.hidden_BTD) add("hidden_states." + std::to_string(layer), hidden_BTD);
  for (const auto& [layer, map_BHTT] : output.attention_BHTT) add("attentions." + std::to_string(layer - 1), map_BHTT);
}

// Complete under its name, or not there.
void write_whole(const std::filesystem::path& file, const std::vector<NamedTensor>& tensors) {
  const std::filesystem::path unfinished = file.string() + ".tmp-" + std::to_string(getpid());
  try {
    write_safetensors(unfinished, tensors);
    rename_durably(unfinished, file);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(unfinished, ignored);
    throw;
  }
}

}  // namespace

int run_forward(const ForwardOptionsCli& options) {
  const at::NoGradGuard no_grad;
  const at::ScalarType dtype = floating_dtype(options.dtype);
  const at::Device device = parse_device(options.device);
  LineReader lines = lines_of_file(options.input);
  const HfFolder folder = open_hf_folder(options.model);
  const ModelSpec spec = read_spec(folder.config, (folder.path / "config.json").string());
  const Transformer model = Transformer::load(spec, *folder.weights, {dtype, device, false});
  if (options.output.has_parent_path()) make_folders(options.output.parent_path());

  RowReader reader(folder.path, spec);
  const Needs needs = needs_of(options, spec);
  const at::ScalarType stored = dtype == at::kDouble ? at::kDouble : at::kFloat;
  std::vector<NamedTensor> tensors;
  size_t row = 0;
  for (Line line; lines.next_row(line); ++row)
    collect(model.forward(batch_of_one(reader.ids(line.text, lines.where(line.number)), device), needs, {}), spec.task, row,
            stored, tensors);
  if (row == 0)
    throw InputError(
        {options.input.string(), "at least one line with `input_ids` or `text`", "an empty file", "Add a line.", ""});
  write_whole(options.output, tensors);
  log::info(std::to_string(row) + " rows, " + std::to_string(tensors.size()) + " tensors in " + options.output.string());
  return 0;
}

}  // namespace distill
