// Tokenizers and data files that must be refused. The corpus is generated here by scripts/goldens/make_malformed_texts.py.
#include "system/malformed_corpus.h"
#include "system/tiny.h"

namespace distill::test {
namespace {

class MalformedTexts : public MalformedCorpus {
 protected:
  void SetUp() override {
    generate("make_malformed_texts.py", "texts", {"pattern"}, 5);
    hang_seconds = 10;
    place.write("tiny.yaml", recipe(tiny_config(16, 1)));
    place.write("classes.yaml",
                recipe("{model_type: bert, architectures: [BertForSequenceClassification], vocab_size: 48, "
                       "num_labels: 3, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 4, "
                       "intermediate_size: 32, max_position_embeddings: 64, type_vocab_size: 2, hidden_act: gelu, "
                       "layer_norm_eps: 1e-12, pad_token_id: 0}") +
                    "task: sequence_classification\n");
  }

  static std::string recipe(const std::string& config) {
    return "student: {init: {tokenizer: texts/valid/bpe, config: " + config +
           "}}\n"
           "data: {train: [{path: rows.jsonl}], sequence_length: 32, append_eos: false}\n"
           "objective: [{function: cross_entropy}]\n"
           "train: {length: 1 steps, device: cpu}\n"
           "output: runs/none\n";
  }

  Command command_for(const MalformedCase& given, const std::string& output) const override {
    const std::string path = "texts/" + given.path;
    if (given.verb == "train")
      return place.command({"train", given.given["recipe"].get<std::string>() + ".yaml", "--progress", "none", "--set",
                            "data.train.0.path=" + path, "--set", "output=" + output});
    Command command = place.command({"tokenize", "--model", path});
    command.input = place.read(path + "/lines.jsonl");
    return command;
  }
};

TEST_F(MalformedTexts, EachIsRefusedWithItsNameItsLineAndItsFaultInLittleMemoryAndLeavesNoRun) {
  const std::vector<MalformedEnding> endings = run_all(false);
  ASSERT_GE(endings.size(), 100u);
  report(endings);
  print_extremes(endings, "malformed texts");
}

TEST_F(MalformedTexts, TheSoundOnesTheyComeFromAreRead) {
  const std::vector<MalformedEnding> endings = run_all(true);
  ASSERT_GE(endings.size(), 10u);
  report(endings);
}

}  // namespace
}  // namespace distill::test
