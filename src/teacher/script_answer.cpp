#include "script_answer.h"

#include "distill/core/error.h"
#include "distill/tensor/shape.h"

namespace distill {
namespace {

struct Reader {
  const TorchScript& script;
  int64_t rows, length;
  ScriptSignals signals;

  bool is_per_token(const at::Tensor& x) const {
    return x.dim() == 3 && x.is_floating_point() && x.size(0) == rows && x.size(1) == length && x.size(2) > 0;
  }
  bool is_attention(const at::Tensor& x) const {
    return x.dim() == 4 && x.is_floating_point() && x.size(0) == rows && x.size(1) > 0 && x.size(2) == length &&
           x.size(3) == length;
  }

  [[noreturn]] void refuse(const std::string& found) const {
    throw InputError({script.file().string(),
                      "logits [batch, length, vocabulary], alone or first in a tuple, list or dictionary (`logits`), then hidden "
                      "states and attention maps",
                      found,
                      "Let forward() return them for a batch of " + std::to_string(rows) + " rows of " + std::to_string(length) +
                          " ids, and save the script again.",
                      ""});
  }

  // Unnamed values go where their shapes say; the first is the logits.
  void take_by_shape(const ScriptValue& value) {
    for (const at::Tensor& tensor : value.tensors) {
      if (is_per_token(tensor)) signals.hidden_BTD.push_back(tensor);
      if (is_attention(tensor)) signals.attention_BHTT.push_back(tensor);
    }
  }

  std::vector<at::Tensor> layers_of(const ScriptValue& value, int64_t rank) const {
    if (value.is_list || value.tensors.empty() || value.tensors[0].dim() != rank + 1) return value.tensors;
    return value.tensors[0].unbind(0);  // stacked
  }

  void take_by_name(const ScriptValue& value) {
    if (value.name == "logits" && value.tensors.size() == 1) signals.logits_BTV = value.tensors[0];
    if (value.name == "hidden_states") signals.hidden_BTD = layers_of(value, 3);
    if (value.name == "attentions") signals.attention_BHTT = layers_of(value, 4);
  }

  void check() const {
    if (!signals.logits_BTV.defined()) refuse(script.return_type() + " without logits");
    if (!is_per_token(signals.logits_BTV)) refuse("logits of shape " + shape_text(signals.logits_BTV));
    for (const at::Tensor& layer : signals.hidden_BTD)
      if (!is_per_token(layer) || layer.size(2) != signals.hidden_BTD[0].size(2))
        refuse("a hidden state of shape " + shape_text(layer));
    for (const at::Tensor& layer : signals.attention_BHTT)
      if (!is_attention(layer) || layer.size(1) != signals.attention_BHTT[0].size(1))
        refuse("an attention map of shape " + shape_text(layer));
    const size_t num_hidden = signals.hidden_BTD.size(), num_attention = signals.attention_BHTT.size();
    if (num_hidden > 0 && num_attention > 0 && num_hidden != num_attention + 1)
      refuse(std::to_string(num_hidden) + " hidden states with " + std::to_string(num_attention) +
             " attention maps; with L layers there are L + 1 and L");
  }
};

}  // namespace

ScriptSignals read_signals(const TorchScript& script, const std::vector<ScriptValue>& values, int64_t rows, int64_t length) {
  Reader reader{script, rows, length, {}};
  const bool named = !values.empty() && !values[0].name.empty();
  for (size_t i = 0; i < values.size(); ++i) {
    if (named)
      reader.take_by_name(values[i]);
    else if (i > 0)
      reader.take_by_shape(values[i]);
    else if (!values[i].is_list)
      reader.signals.logits_BTV = values[i].tensors[0];
  }
  if (reader.signals.hidden_BTD.size() == 1) reader.signals.hidden_BTD.clear();  // no list of layers
  reader.check();
  return reader.signals;
}

}  // namespace distill
