#include "distill/teacher/script_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>

#include <limits>

#include "distill/core/error.h"
#include "distill/model/transformer.h"

#include "script_answer.h"

namespace distill {
namespace {

// Ids that every vocabulary has.
TokenBatch tiny_batch(int64_t rows, int64_t length, at::Device device) {
  const auto ids = at::TensorOptions().dtype(at::kLong).device(device);
  TokenBatch batch;
  batch.positions_BT = at::arange(length, ids).expand({rows, length}).contiguous();
  batch.ids_BT = batch.positions_BT.remainder(2);
  batch.documents_BT = at::zeros({rows, length}, ids);
  batch.num_tokens = rows * length;
  return batch;
}

at::Tensor argument_for(const std::string& name, const TokenBatch& batch) {
  if (name == "attention_mask") return batch.documents_BT.ge(0).to(at::kLong);
  if (name == "position_ids") return batch.positions_BT;
  return {};
}

ScriptSignals run_script(const TorchScript& script, const TokenBatch& batch) {
  const std::vector<ScriptArgument> expected = script.arguments();
  std::vector<std::pair<std::string, at::Tensor>> arguments = {{expected.at(0).name, batch.ids_BT}};
  for (size_t i = 1; i < expected.size(); ++i)
    if (const at::Tensor value = argument_for(expected[i].name, batch); value.defined())
      arguments.emplace_back(expected[i].name, value);
  return read_signals(script, script.run(arguments), batch.rows(), batch.length());
}

ModelSpec facts_of(const ScriptSignals& signals) {
  ModelSpec spec;
  spec.model_type = spec.architecture = "TorchScript";
  spec.vocab_size = signals.logits_BTV.size(2);
  if (!signals.attention_BHTT.empty()) {
    spec.num_layers = static_cast<int64_t>(signals.attention_BHTT.size());
    spec.num_heads = signals.attention_BHTT[0].size(1);
  }
  if (!signals.hidden_BTD.empty()) {
    spec.num_layers = static_cast<int64_t>(signals.hidden_BTD.size()) - 1;
    spec.hidden_size = signals.hidden_BTD[0].size(2);
  }
  spec.max_positions = std::numeric_limits<int64_t>::max();  // a script does not say
  return spec;
}

bool same_facts(const ModelSpec& a, const ModelSpec& b) {
  return a.vocab_size == b.vocab_size && a.num_layers == b.num_layers && a.num_heads == b.num_heads &&
         a.hidden_size == b.hidden_size;
}

void refuse_untrainable(const TorchScript& script, const std::string& found, const std::string& advice) {
  throw InputError({script.file().string(), "a script with parameters that can be trained", found, advice, ""});
}

}  // namespace

void ScriptModel::check_arguments() const {
  const std::vector<ScriptArgument> arguments = script_.arguments();
  std::string unknown;
  for (size_t i = 1; i < arguments.size(); ++i) {
    const std::string& name = arguments[i].name;
    if (!arguments[i].has_default && name != "attention_mask" && name != "position_ids")
      unknown += (unknown.empty() ? "`" : ", `") + name + "`";
  }
  if (!arguments.empty() && unknown.empty()) return;
  throw InputError({script_.file().string(),
                    "a forward() of token ids, then `attention_mask` and `position_ids` when it wants them",
                    arguments.empty() ? "one without arguments" : "more arguments without a default: " + unknown,
                    "Wrap the module in one that takes (input_ids, attention_mask), and script that.", ""});
}

// Two inputs of different shapes: what depends on the shape is not a fact, and a module that was traced for one shape fails here
// and not in the middle of a run.
void ScriptModel::learn_facts(const ScriptOptions& options) {
  ScriptSignals signals = run_script(script_, tiny_batch(2, 5, options.device));
  spec_ = facts_of(signals);
  if (options.trainable && !signals.logits_BTV.requires_grad())
    refuse_untrainable(script_, "logits that do not depend on its parameters", "Script the module without torch.no_grad().");
  const ModelSpec again = facts_of(run_script(script_, tiny_batch(3, 7, options.device)));
  if (!same_facts(spec_, again))
    throw InputError({script_.file().string(), "logits, hidden states and attention maps of one width for every batch",
                      "others for 3 rows of 7 ids than for 2 rows of 5", "Script the module instead of tracing it.", ""});
}

ScriptModel ScriptModel::open(const std::filesystem::path& path, const ScriptOptions& options) {
  ScriptModel model(TorchScript::load(torchscript_file(path), options.device));
  model.check_arguments();
  if (options.dtype) model.script_.convert(*options.dtype);
  if (options.trainable) {
    model.script_.make_trainable();
    if (model.script_.parameters().empty())
      refuse_untrainable(model.script_, "none; torch.jit.freeze turns parameters into constants",
                         "Save the module without torch.jit.freeze, or use it as the teacher.");
  }
  model.parameters_ = model.script_.parameters();
  const at::AutoGradMode with_graph(options.trainable);
  model.learn_facts(options);
  return model;
}

ForwardOutput ScriptModel::forward(const TokenBatch& batch, const Needs& needs, const ForwardOptions& options) const {
  if (options.recompute != Recompute::none || options.attention_dropout + options.hidden_dropout + options.embedding_dropout > 0)
    throw Bug("a script was asked for dropout or recomputation");
  if (!batch.one_document_per_row) throw Bug("a script was given packed rows");
  const ScriptSignals signals = run_script(script_, batch);
  ForwardOutput output;
  output.final_hidden_BTD = signals.logits_BTV;
  output.head.identity_width = signals.logits_BTV.size(2);
  for (const int64_t layer : needs.hidden_layers) output.hidden_BTD[layer] = signals.hidden_BTD.at(static_cast<size_t>(layer));
  if (needs.attention_layers.empty()) return output;
  const at::Tensor padding_B1T1 = batch.documents_BT.lt(0).unsqueeze(1).unsqueeze(3);
  for (const int64_t layer : needs.attention_layers)
    output.attention_BHTT[layer] = signals.attention_BHTT.at(static_cast<size_t>(layer - 1)).masked_fill(padding_B1T1, 0);
  return output;
}

}  // namespace distill
