// Tokenizers and data files that must be refused. The corpus is generated here by scripts/goldens/make_malformed_texts.py.
#include "system/malformed_corpus.h"
#include "system/tiny.h"

namespace distill::test {
namespace {

class MalformedTexts : public MalformedCorpus {
 protected:
  void SetUp() override {
    generate("make_malformed_texts.py", "texts", {"pattern"}, 9);
    most_cpu_seconds = 3;
    place.write("tiny.yaml", recipe(tiny_config(16, 1)));
    for (const char* name : {"chat.yaml", "template.yaml"})
      place.write(name, recipe(tiny_config(16, 1), ", chat_template: texts/valid/chat.jinja"));
    place.write("classes.yaml",
                recipe("{model_type: bert, architectures: [BertForSequenceClassification], vocab_size: 48, "
                       "num_labels: 3, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 4, "
                       "intermediate_size: 32, max_position_embeddings: 64, type_vocab_size: 2, hidden_act: gelu, "
                       "layer_norm_eps: 1e-12, pad_token_id: 0}") +
                    "task: sequence_classification\n");
  }

  static std::string recipe(const std::string& config, const std::string& data = "") {
    return "student: {init: {tokenizer: texts/valid/bpe, config: " + config +
           "}}\n"
           "data: {train: [{path: texts/valid/talks.jsonl}], sequence_length: 32, append_eos: false" +
           data +
           "}\n"
           "objective: [{function: cross_entropy}]\n"
           "train: {length: 1 steps, device: cpu}\n"
           "output: runs/none\n";
  }

  Command command_for(const MalformedCase& given, const std::string& output) const override {
    const std::string path = "texts/" + given.path;
    if (given.verb == "train") {
      const std::string recipe = given.given["recipe"];
      const std::string key = recipe == "template" ? "data.chat_template" : "data.train.0.path";
      return place.command(
          {"train", recipe + ".yaml", "--progress", "none", "--set", key + "=" + path, "--set", "output=" + output});
    }
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
