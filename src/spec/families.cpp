// The explicit list of families. A new one is a file under families/ and a line here.
#include "families.h"

#include <string_view>

#include "distill/core/error.h"

namespace distill {

std::span<const Family* const> families() {
  static constexpr const Family* kFamilies[] = {&kLlama, &kQwen2};
  return kFamilies;
}

const Family* find_family(const std::string& architecture) {
  for (const Family* family : families())
    if (architecture == family->architecture) return family;
  return nullptr;
}

bool is_planned(const std::string& architecture_or_model_type) {
  static constexpr std::string_view kPlanned[] = {"LlamaModel",
                                                  "LlamaForSequenceClassification",
                                                  "Qwen2Model",
                                                  "Qwen2ForSequenceClassification",
                                                  "MistralForCausalLM",
                                                  "mistral",
                                                  "Qwen3ForCausalLM",
                                                  "qwen3",
                                                  "GemmaForCausalLM",
                                                  "gemma",
                                                  "Gemma2ForCausalLM",
                                                  "gemma2",
                                                  "Gemma3ForCausalLM",
                                                  "gemma3_text",
                                                  "PhiForCausalLM",
                                                  "phi",
                                                  "Phi3ForCausalLM",
                                                  "phi3",
                                                  "GPT2LMHeadModel",
                                                  "gpt2",
                                                  "GPTNeoXForCausalLM",
                                                  "gpt_neox",
                                                  "GPTJForCausalLM",
                                                  "gptj",
                                                  "OPTForCausalLM",
                                                  "opt",
                                                  "StableLmForCausalLM",
                                                  "stablelm",
                                                  "OlmoForCausalLM",
                                                  "olmo",
                                                  "Olmo2ForCausalLM",
                                                  "olmo2",
                                                  "CohereForCausalLM",
                                                  "cohere",
                                                  "BertForMaskedLM",
                                                  "bert",
                                                  "BertForSequenceClassification",
                                                  "BertModel",
                                                  "RobertaForMaskedLM",
                                                  "roberta",
                                                  "RobertaForSequenceClassification",
                                                  "DistilBertForMaskedLM",
                                                  "distilbert",
                                                  "DistilBertForSequenceClassification"};
  for (const std::string_view word : kPlanned)
    if (architecture_or_model_type == word) return true;
  return false;
}

const Family& family_of(const ModelSpec& spec) {
  const Family* family = find_family(spec.architecture);
  if (!family) throw Bug("a ModelSpec of the unknown architecture " + spec.architecture);
  return *family;
}

}  // namespace distill
