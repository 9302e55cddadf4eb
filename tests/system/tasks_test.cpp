// Encoders through the command line: masked language models, classifiers and embeddings are trained, continued and measured.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "distill/core/random.h"

#include "system/tiny.h"

namespace distill::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string encoder_config(const std::string& architecture, int64_t hidden_size, int64_t num_layers, const std::string& more = "",
                           double initializer_range = 0.02) {
  const auto number = [](int64_t value) { return std::to_string(value); };
  return "{model_type: bert, architectures: [" + architecture + "], vocab_size: 48, hidden_size: " + number(hidden_size) +
         ", num_hidden_layers: " + number(num_layers) +
         ", num_attention_heads: 4, intermediate_size: " + number(2 * hidden_size) +
         ", max_position_embeddings: 64, type_vocab_size: 2, hidden_act: gelu, layer_norm_eps: 1e-12, pad_token_id: 0, "
         "initializer_range: " +
         std::to_string(initializer_range) + more + "}";
}

// Letters and the special tokens of an encoder: [PAD] 0, [CLS] 1, [SEP] 2, [MASK] 3, then `a`.. from 4 on, 45 ids in all.
std::string tokenizer_json(const std::string& spacing = "") {
  const std::vector<std::string> special = {"[PAD]", "[CLS]", "[SEP]", "[MASK]"};
  Json added = Json::array(), vocab = Json::object();
  for (size_t id = 0; id < special.size(); ++id) {
    vocab[special[id]] = id;
    added.push_back({{"id", id},
                     {"content", special[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  for (int id = 4; id < 45; ++id) vocab[std::string(1, static_cast<char>('A' + id - 4))] = id;
  const Json cls = {{"SpecialToken", {{"id", "[CLS]"}, {"type_id", 0}}}},
             sep = {{"SpecialToken", {{"id", "[SEP]"}, {"type_id", 0}}}};
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}, pair = {{"Sequence", {{"id", "B"}, {"type_id", 1}}}};
  const auto described = [](const char* token, int id) { return Json{{"id", token}, {"ids", {id}}, {"tokens", {token}}}; };
  const Json json = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", nullptr},
                     {"post_processor",
                      {{"type", "TemplateProcessing"},
                       {"single", {cls, text, sep}},
                       {"pair", {cls, text, sep, pair, sep}},
                       {"special_tokens", {{"[CLS]", described("[CLS]", 1)}, {"[SEP]", described("[SEP]", 2)}}}}},
                     {"decoder", nullptr},
                     {"model",
                      {{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", false},
                       {"byte_fallback", false},
                       {"vocab", vocab},
                       {"merges", Json::array()}}}};
  return json.dump() + spacing;
}

// Rows of letters; the class is the number of the first letter modulo three.
std::string letter_rows(int64_t count, uint64_t seed, bool labels) {
  std::string lines;
  uint64_t next = 0;
  const auto draw = [&](int64_t below) {
    return static_cast<int64_t>(uniform(random_key({seed}), next++) * static_cast<double>(below));
  };
  for (int64_t row = 0; row < count; ++row) {
    const int64_t first = draw(12);
    std::string text;
    for (int64_t i = 5 + draw(20); i > 0; --i) text += static_cast<char>('A' + (first + draw(4)) % 41);
    text[0] = static_cast<char>('A' + first);
    Json json = {{"text", text}};
    if (labels) json["label"] = first % 3;
    lines += json.dump() + "\n";
  }
  return lines;
}

struct TaskCase {
  const char* name;
  const char* architecture;
  const char* more;   // of the config
  const char* terms;  // of the distillation
  const char* figure;
  bool rises;
};
std::ostream& operator<<(std::ostream& out, const TaskCase& c) { return out << c.name; }

constexpr const char* kFeatures =
    "  - {function: hidden_mse, weight: 0.05}\n  - {function: attention_mse, weight: 0.1, layer_mapping: [[1, 3]]}\n";

class Tasks : public testing::TestWithParam<TaskCase> {
 protected:
  // The teacher is one update away from large random weights; an embedding has nothing to learn from data, so its teacher comes
  // from masked language modelling.
  void SetUp() override {
    std::filesystem::create_directories(place.file("words"));
    place.write("words/tokenizer.json", tokenizer_json());
    place.write("rows.jsonl", letter_rows(40, 1, true));
    place.write("held.jsonl", letter_rows(12, 2, true));
    const TaskCase task = GetParam();
    const bool vectors = std::string(task.name) == "embedding";
    ASSERT_NO_FATAL_FAILURE(make_teacher(
        place,
        "tokenizer: words, config: " + encoder_config(vectors ? "BertForMaskedLM" : task.architecture, 32, 3, task.more, 0.3)));
    place.write("tiny.yaml",
                "teacher: {path: teacher}\n"
                "student: {init: {tokenizer: words, config: " +
                    encoder_config(task.architecture, vectors ? 32 : 16, 2, task.more) + "}}\ntask: " + task.name +
                    "\n"
                    "data: {train: [{path: rows.jsonl}], eval: [{path: held.jsonl}], sequence_length: 32}\n"
                    "objective:\n" +
                    task.terms + kFeatures +
                    "optimizer: {learning_rate: 3e-3}\n"
                    "train: {length: 30 steps, batch_size: 4, device: cpu, save_every: 4 steps}\n"
                    "output: runs/whole\n");
  }
  Outcome train(const std::string& output, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"train", "tiny.yaml", "--progress", "none", "--set", "output=" + output});
    return place.run(more);
  }
  Workplace place;
};

TEST_P(Tasks, TrainingBringsTheStudentNearerToItsTeacher) {
  const Outcome outcome = train("runs/whole");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json summary = Json::parse(place.read("runs/whole/summary.json"));
  const double before = summary["student_before"][GetParam().figure], after = summary["student_after"][GetParam().figure];
  if (GetParam().rises)
    EXPECT_GT(after, before);
  else
    EXPECT_LT(after, before);
  const auto steps = logged_steps(place, "runs/whole");
  EXPECT_LT(steps.at(30)["loss"].get<double>(), steps.at(1)["loss"].get<double>());
  EXPECT_EQ(steps.at(1)["terms"].size(), 4u);
  const Outcome measured = place.run({"eval", "tiny.yaml", "--device", "cpu", "--json"});
  ASSERT_EQ(measured.exit_code, 0) << measured.err;
  EXPECT_NEAR(Json::parse(measured.out)[GetParam().figure].get<double>(), after, 1e-5 * std::abs(after) + 1e-6);
}

TEST_P(Tasks, ForwardAndInspectSayWhatTheTaskAnswers) {
  const std::string task = GetParam().name;
  const bool vectors = task == "embedding";
  ASSERT_EQ(train("runs/whole", {"--set", "train.length=1 steps"}).exit_code, 0);
  place.write("in.jsonl", "{\"text\": \"ABC\", \"label\": 1}\n{\"input_ids\": [1, 7, 2]}\n");
  const Outcome forward =
      place.run({"forward", "--model", "runs/whole/student", "--input", "in.jsonl", "--output", "out.safetensors"});
  ASSERT_EQ(forward.exit_code, 0) << forward.err;
  const std::string written = place.read("out.safetensors");
  const Json header = Json::parse(written.substr(8, written.find("}}") - 6));
  const Json shape = vectors ? Json{32} : task == "masked_lm" ? Json{5, 48} : Json{3};
  EXPECT_EQ(header.at(vectors ? "row0.embedding" : "row0.logits").at("shape"), shape) << header;
  EXPECT_EQ(header.contains("row0.logits"), !vectors);
  const Outcome inspect = place.run({"inspect", "runs/whole/student", "--json"});
  EXPECT_EQ(Json::parse(inspect.out)["config"]["task"], task) << inspect.err;
  const Outcome alone = place.run({"eval", "--model", "runs/whole/student", "--data", "held.jsonl", "--device", "cpu", "--json"});
  EXPECT_EQ(alone.exit_code, vectors ? 2 : 0) << alone.err;
  if (task == "sequence_classification") EXPECT_TRUE(Json::parse(alone.out).contains("accuracy")) << alone.out;
}

TEST_P(Tasks, StoppedAndContinuedEqualsUninterruptedBitForBit) {
  ASSERT_EQ(train("runs/whole", {"--set", "student.dropout=0.1", "--set", "train.length=14 steps"}).exit_code, 0);
  ASSERT_EQ(train("runs/parts", {"--set", "student.dropout=0.1", "--set", "train.length=14 steps", "--max-steps", "7"}).exit_code,
            0);
  ASSERT_EQ(train("runs/parts", {"--set", "student.dropout=0.1", "--set", "train.length=14 steps"}).exit_code, 0);
  const auto whole = logged_steps(place, "runs/whole"), parts = logged_steps(place, "runs/parts");
  ASSERT_EQ(parts.size(), 14u);
  for (const auto& [step, event] : whole) {
    EXPECT_EQ(parts.at(step)["loss"], event["loss"]) << step;
    EXPECT_EQ(parts.at(step)["tokens"], event["tokens"]) << step;
  }
  EXPECT_EQ(place.read("runs/parts/student/model.safetensors"), place.read("runs/whole/student/model.safetensors"));
}

TEST_P(Tasks, EveryCutOfABatchGivesTheSameLossAndGradient) {
  std::map<int64_t, Json> whole;
  for (const int rows : {8, 4, 2, 1}) {
    const std::string output = "runs/cuts-" + std::to_string(rows);
    const Outcome outcome = train(output, {"--set", "train.precision=float64", "--set", "data.packing=false", "--set",
                                           "train.length=3 steps", "--set", "train.batch_size=" + std::to_string(rows), "--set",
                                           "train.gradient_accumulation_steps=" + std::to_string(8 / rows)});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto steps = logged_steps(place, output);
    ASSERT_EQ(steps.size(), 3u);
    if (rows == 8) whole = steps;
    for (const auto& [step, event] : steps) {
      EXPECT_EQ(event["tokens"], whole.at(step)["tokens"]);
      for (const char* figure : {"loss", "grad_norm"}) {
        const double expected = whole.at(step)[figure].get<double>();
        EXPECT_NEAR(event[figure].get<double>(), expected, 1e-12 * std::abs(expected)) << rows << " rows, " << figure;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Encoders, Tasks,
    testing::Values(TaskCase{"masked_lm", "BertForMaskedLM", "",
                             "  - {function: kl}\n  - {function: cross_entropy, weight: 0.5}\n", "kl", false},
                    TaskCase{"sequence_classification", "BertForSequenceClassification",
                             ", id2label: {\"0\": x, \"1\": y, \"2\": z}",
                             "  - {function: kl}\n  - {function: cross_entropy, weight: 0.5}\n", "kl", false},
                    TaskCase{"embedding", "BertModel", "",
                             "  - {function: embedding_cosine}\n  - {function: embedding_mse, weight: 0.1}\n", "cosine", true}),
    [](const auto& info) { return std::string(info.param.name); });

// Heads that are padded differently, as in one family of models; the ids that have names agree.
TEST(VocabularyOfTwoWidths, WhatIsDroppedIsSaid) {
  const Workplace place;
  ASSERT_NO_FATAL_FAILURE(prepare_tiny(place));
  std::filesystem::create_directories(place.file("words"));
  place.write("words/tokenizer.json", tokenizer_json());
  place.write("teacher/tokenizer.json", tokenizer_json("\n"));  // other bytes, the same tokens
  const auto recipe = [&](int64_t vocab_size) {
    return "teacher: {path: teacher}\n"
           "student: {init: {tokenizer: words, config: " +
           tiny_config(16, 2, vocab_size) +
           "}}\n"
           "data: {train: [{path: rows.jsonl}], sequence_length: 32, append_eos: false}\n"
           "train: {length: 1 steps, device: cpu}\n"
           "output: runs/" +
           std::to_string(vocab_size) + "\n";
  };
  place.write("wider.yaml", recipe(56));
  const Outcome wider = place.run({"train", "wider.yaml", "--progress", "none"});
  EXPECT_EQ(wider.exit_code, 0) << wider.err;
  EXPECT_THAT(wider.err, HasSubstr("48 (teacher) and 56 (student) ids; the 8 from id 48 on, which name no token"));
  place.write("narrow.yaml", recipe(44));
  const Outcome narrow = place.run({"train", "narrow.yaml", "--progress", "none"});
  EXPECT_EQ(narrow.exit_code, 65);
  EXPECT_THAT(narrow.err, AllOf(HasSubstr("no token above the smaller vocabulary (44 ids)"), HasSubstr("id 44")));
}

}  // namespace
}  // namespace distill::test
