// The explicit list of families. A new one is a file under families/ and a line here.
#include "families.h"

#include <string_view>

#include "distill/core/error.h"

namespace distill {

std::span<const Family* const> families() {
  static constexpr const Family* kFamilies[] = {&kLlama, &kMistral, &kQwen2, &kQwen3,   &kGemma, &kGemma2,    &kGemma3,
                                                &kPhi3,  &kGpt2,    &kGptj,  &kGptNeoX, &kBert,  &kDistilBert};
  return kFamilies;
}

const Architecture* find_architecture(const Family& family, const std::string& name) {
  for (const Architecture& architecture : family.architectures)
    if (name == architecture.name) return &architecture;
  return nullptr;
}

const Family* find_family(const std::string& architecture) {
  for (const Family* family : families())
    if (find_architecture(*family, architecture)) return family;
  return nullptr;
}

bool is_planned(const std::string& architecture_or_model_type) {
  static constexpr std::string_view kPlanned[] = {"LlamaModel",
                                                  "LlamaForSequenceClassification",
                                                  "MistralForSequenceClassification",
                                                  "Qwen2Model",
                                                  "Qwen3Model",
                                                  "Qwen2ForSequenceClassification",
                                                  "Qwen3ForSequenceClassification",
                                                  "GPT2ForSequenceClassification",
                                                  "PhiForCausalLM",
                                                  "phi",
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
                                                  "RobertaForMaskedLM",
                                                  "roberta",
                                                  "RobertaForSequenceClassification",
                                                  "RobertaModel"};
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
