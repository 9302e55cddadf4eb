// Weights in and out: every mismatch by name at once, known surplus ignored, damage refused, bits kept.
#include <algorithm>
#include <functional>

#include "distill/core/error.h"
#include "distill/core/log.h"

#include "checkpoint/files.h"
#include "model/support.h"

using namespace distill;
using namespace distill::testing_model;

namespace {

// Tensors in memory behind the face of a checkpoint.
class MemorySource : public TensorSource {
 public:
  explicit MemorySource(const std::map<std::string, at::Tensor>& tensors) {
    for (const auto& [name, tensor] : tensors) {
      tensors_.push_back(tensor);
      metas_.push_back({name, tensor.scalar_type(), tensor.sizes().vec(), tensor.nbytes(), "memory"});
    }
  }
  const std::vector<TensorMeta>& tensors() const override { return metas_; }
  at::Tensor read(size_t index, at::ScalarType dtype, at::Device device) const override {
    return tensors_[index].to(device, dtype, false, true).contiguous();
  }
  std::string where() const override { return "memory.safetensors"; }

 private:
  std::vector<TensorMeta> metas_;
  std::vector<at::Tensor> tensors_;
};

std::map<std::string, at::Tensor> stored(const std::string& name) {
  return read_tensors(data_folder() / name / "model.safetensors");
}
ModelSpec spec_of(const std::string& name) { return read_spec_file((data_folder() / name).string()); }

std::string refusal(const ModelSpec& spec, const std::map<std::string, at::Tensor>& tensors) {
  try {
    Transformer::load(spec, MemorySource(tensors), {});
  } catch (const InputError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::bad_input);
    return error.what();
  }
  return "";
}

TEST(Loading, MissingExtraAndMisshapenTensorsAreNamedAtOnce) {
  auto tensors = stored("llama_plain");
  tensors.erase("model.norm.weight");
  tensors.erase("model.layers.1.mlp.up_proj.weight");
  tensors["model.layers.0.self_attn.q_proj.bias"] = at::zeros({24});
  tensors["model.embed_tokens.weight"] = at::zeros({7, 24});
  const std::string text = refusal(spec_of("llama_plain"), tensors);
  for (const char* part :
       {"2 missing", "model.norm.weight", "model.layers.1.mlp.up_proj.weight", "1 extra", "model.layers.0.self_attn.q_proj.bias",
        "1 misshapen", "[7, 24] instead of [43, 24]", "memory.safetensors"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
}

TEST(Loading, RotaryBuffersOfOldCheckpointsAreIgnored) {
  auto tensors = stored("llama_plain");
  tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = at::zeros({3});
  EXPECT_EQ(refusal(spec_of("llama_plain"), tensors), "");
}

TEST(Loading, ACopyOfATiedHeadIsIgnoredAndADifferentOneWarnedOf) {
  auto tensors = stored("llama_tied");
  tensors["lm_head.weight"] = tensors.at("model.embed_tokens.weight");
  const size_t before = log::warnings().size();
  EXPECT_EQ(refusal(spec_of("llama_tied"), tensors), "");
  EXPECT_EQ(log::warnings().size(), before);
  tensors["lm_head.weight"] = tensors.at("lm_head.weight") + 1;
  EXPECT_EQ(refusal(spec_of("llama_tied"), tensors), "");
  ASSERT_EQ(log::warnings().size(), before + 1);
  EXPECT_NE(log::warnings().back().find("lm_head.weight differs"), std::string::npos);
}

TEST(Loading, WeightsThatAreNotFiniteAreNamed) {
  auto tensors = stored("llama_plain");
  tensors["model.norm.weight"][3] = NAN;
  tensors["lm_head.weight"][1][2] = -INFINITY;
  const std::string text = refusal(spec_of("llama_plain"), tensors);
  EXPECT_NE(text.find("model.norm.weight (1 of 24)"), std::string::npos) << text;
  EXPECT_NE(text.find("lm_head.weight (1 of 1032)"), std::string::npos) << text;
}

TEST(Loading, OverflowInANarrowerTypeIsCountedAndNamed) {
  auto tensors = stored("llama_plain");
  for (auto& [name, tensor] : tensors) tensor = tensor.to(at::kBFloat16);
  tensors["model.norm.weight"].slice(0, 0, 2).fill_(1e6);
  LoadOptions options;
  options.dtype = at::kHalf;
  Transformer::load(spec_of("llama_plain"), MemorySource(tensors), options);
  const std::string warning = log::warnings().back();
  EXPECT_NE(warning.find("model.norm.weight (2)"), std::string::npos) << warning;
}

TEST(Loading, OverflowIsRefusedWhereAModelIsToBeSaved) {
  auto tensors = stored("llama_plain");
  tensors["model.norm.weight"].slice(0, 0, 2).fill_(1e6);
  LoadOptions options;
  options.dtype = at::kHalf;
  try {
    read_weights(spec_of("llama_plain"), MemorySource(tensors), options, Narrowing::refused);
    FAIL() << "read";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("float16 can hold, found larger ones in model.norm.weight (2)"), std::string::npos)
        << error.what();
  }
}

TEST(Loading, ParametersAreTheStoredTensorsBitForBitUnderTheirNames) {
  for (const char* name : kCases) {
    auto tensors = stored(name);
    if (std::string(name) == "bert_untied") tensors.erase("cls.predictions.bias");  // transformers' code never reads it then
    const Transformer model = load_case(name);
    EXPECT_EQ(model.parameters().size(), tensors.size());
    for (const NamedTensor& parameter : model.parameters()) {
      EXPECT_TRUE(at::equal(parameter.tensor, tensors.at(parameter.name))) << parameter.name;
      EXPECT_EQ(parameter.matrix, parameter.tensor.dim() == 2) << parameter.name;
    }
  }
}

TEST(Loading, EveryFamilySavedAndLoadedAgainIsTheSameBitForBit) {
  const test::TemporaryFolder folder;
  for (const char* name : kCases) {
    SCOPED_TRACE(name);
    const Transformer model = load_case(name);
    save_hf_folder(folder / "saved", model.spec().config, model.parameters(), {});
    const HfFolder saved = open_hf_folder(folder / "saved");
    const Transformer again = Transformer::load(read_spec(saved.config, name), *saved.weights, {});
    ASSERT_EQ(again.parameters().size(), model.parameters().size());
    for (size_t i = 0; i < model.parameters().size(); ++i) {
      EXPECT_EQ(again.parameters()[i].name, model.parameters()[i].name);
      EXPECT_TRUE(at::equal(again.parameters()[i].tensor, model.parameters()[i].tensor)) << model.parameters()[i].name;
    }
  }
}

std::map<std::string, at::Tensor> renamed(const std::map<std::string, at::Tensor>& tensors,
                                          const std::function<std::string(const std::string&)>& name_of) {
  std::map<std::string, at::Tensor> result;
  for (const auto& [name, tensor] : tensors) result[name_of(name)] = tensor;
  return result;
}

TEST(Loading, FilesOfTheBareModelServeTheWholeOneAndTheOtherWayRound) {
  const auto without = [](const std::string& prefix) {
    return [prefix](const std::string& name) { return name.rfind(prefix, 0) == 0 ? name.substr(prefix.size()) : name; };
  };
  auto gpt2 = renamed(stored("gpt2_plain"), without("transformer."));
  gpt2["h.0.attn.bias"] = at::ones({1, 1, 40, 40});  // the causal mask of old files
  gpt2["h.0.attn.masked_bias"] = at::full({}, -1e4);
  EXPECT_EQ(refusal(spec_of("gpt2_plain"), gpt2), "");
  EXPECT_EQ(refusal(spec_of("bert_masked"), renamed(stored("bert_masked"), without("bert."))), "");
  // A masked LM read for its sentence vectors: no pooler, and a head that nobody reads.
  const std::string folder = (data_folder() / "bert_masked").string();
  EXPECT_EQ(refusal(read_spec_file(folder, Task::embedding), stored("bert_masked")), "");
  const std::string as_classifier = refusal(read_spec_file(folder, Task::sequence_classification), stored("bert_masked"));
  EXPECT_NE(as_classifier.find("classifier.weight"), std::string::npos) << as_classifier;
}

TEST(Loading, TheOldNamesOfLayerNormsAreKnown) {
  const auto greek = [](const std::string& name) {
    for (const auto& [end, old_end] :
         {std::pair("LayerNorm.weight", "LayerNorm.gamma"), std::pair("LayerNorm.bias", "LayerNorm.beta")})
      if (name.ends_with(end)) return name.substr(0, name.size() - std::string_view(end).size()) + old_end;
    return name;
  };
  EXPECT_EQ(refusal(spec_of("bert_masked"), renamed(stored("bert_masked"), greek)), "");
}

TEST(Loading, APoolerThatNobodyReadsIsKeptAndNeverTrained) {
  LoadOptions options;
  options.trainable = true;
  const Transformer model = load_case("bert_embedding", options);
  int found = 0;
  for (const NamedTensor& parameter : model.parameters()) {
    const bool pooler = parameter.name.rfind("pooler.", 0) == 0;
    found += pooler;
    EXPECT_EQ(parameter.tensor.requires_grad(), !pooler) << parameter.name;
  }
  EXPECT_EQ(found, 2);
}

TEST(Loading, FreezingKnowsThePartsOfEncoders) {
  LoadOptions options;
  options.trainable = true;
  Transformer model = load_case("bert_classes", options);
  model.freeze({"embeddings", "head"});
  for (const NamedTensor& parameter : model.parameters()) {
    const bool frozen = parameter.name.find("embeddings.") != std::string::npos ||
                        parameter.name.find("pooler") != std::string::npos ||
                        parameter.name.find("classifier") != std::string::npos;
    EXPECT_EQ(parameter.tensor.requires_grad(), !frozen) << parameter.name;
  }
}

TEST(Loading, FreshWeightsFollowSeedAndNameAlone) {
  const ModelSpec spec = spec_of("qwen2_plain");
  const Transformer first = Transformer::initialise(spec, 3, {}), again = Transformer::initialise(spec, 3, {}),
                    other = Transformer::initialise(spec, 4, {});
  for (size_t i = 0; i < first.parameters().size(); ++i) {
    const NamedTensor& parameter = first.parameters()[i];
    EXPECT_TRUE(at::equal(parameter.tensor, again.parameters()[i].tensor));
    if (!parameter.matrix) continue;
    EXPECT_FALSE(at::equal(parameter.tensor, other.parameters()[i].tensor));
    EXPECT_NEAR(parameter.tensor.std().item<double>(), spec.initializer_range, 0.15 * spec.initializer_range) << parameter.name;
  }
  EXPECT_EQ(first.parameters().back().name, "lm_head.weight");
}

TEST(Loading, FreezingReachesTheNamedPartsAndRefusesOtherWords) {
  LoadOptions options;
  options.trainable = true;
  Transformer model = load_case("llama_plain", options);
  model.freeze({"layers.1", "norms"});
  for (const NamedTensor& parameter : model.parameters()) {
    const bool frozen = parameter.name.find("layers.1.") != std::string::npos || parameter.name.find("norm") != std::string::npos;
    EXPECT_EQ(parameter.tensor.requires_grad(), !frozen) << parameter.name;
  }
  try {
    model.freeze({"layers.2", "heads", "embeddings"});
    FAIL();
  } catch (const RecipeError& error) {
    EXPECT_EQ(error.complaints().size(), 2u);
  }
}

TEST(Embedding, GradientsAddIntoThePresentGradWithoutATableOfTheirOwn) {
  LoadOptions options;
  options.trainable = true;
  options.dtype = at::kDouble;
  const Transformer model = load_case("llama_tied", options);
  const at::Tensor weight = model.parameters()[0].tensor;
  weight.mutable_grad() = at::ones_like(weight);
  const void* place = weight.grad().data_ptr();
  const TokenBatch batch = make_batch({{{3, 3, 5, 3}}});
  backward(model.forward(batch, {}, {}).final_hidden_BTD.sum());
  EXPECT_EQ(weight.grad().data_ptr(), place);
  const at::Tensor added = weight.grad() - 1;
  for (int64_t id = 0; id < weight.size(0); ++id) EXPECT_EQ(added[id].abs().max().item<double>() > 0, id == 3 || id == 5) << id;
}

}  // namespace
