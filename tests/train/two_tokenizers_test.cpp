// Runs whose teacher has a tokenizer of its own: uld against its plain computation, any split, exact resume.
#include <gmock/gmock.h>

#include <ATen/ATen.h>

#include "distill/data/stream.h"
#include "distill/objective/objective.h"
#include "distill/teacher/teacher.h"
#include "distill/text/tokenizer.h"

#include "model/support.h"
#include "paths.h"
#include "train/run_fixture.h"

namespace distill {
namespace {

using testing::HasSubstr;

Json config_of(int64_t vocab_size, int64_t hidden, int64_t layers) {
  Json config = tiny_config(hidden, layers);
  config["vocab_size"] = vocab_size;
  return config;
}

const std::vector<std::string> kTexts = {
    "Hello world, it's a  test of two tokenizers",
    "def f(x):\n    return x ** 2  # square",
    "m\u00fcde Stra\u00dfe \u4f60\u597d \U0001F994 caf\u00e9",
    "a",
    "the old house where it was warm and the dog ran to the old house again, as it does, one evening after the other",
    "tabs\tand\ttabs",
    "x y z"};

class TwoTokenizerRuns : public Runs {
 protected:
  void SetUp() override {
    Runs::SetUp();
    save_model("teacher", config_of(900, 24, 3), 1);
    save_model("student", config_of(803, 16, 2), 2);
    add_words("teacher", "llama2", "</s>");
    add_words("student", "qwen2", "<|im_end|>");
    std::string rows;
    for (int i = 0; i < 3; ++i)
      for (const std::string& text : kTexts)
        rows += Json{{"text", text + std::string(static_cast<size_t>(i), '!')}}.dump() + "\n";
    write_file_atomically(root_ / "train.jsonl", rows);
  }

  void add_words(const std::string& model, const std::string& tokenizer, const std::string& eos) {
    const auto replace = fs::copy_options::overwrite_existing;
    fs::copy(test::test_data("text/" + tokenizer + "/tokenizer.json"), root_ / model / "tokenizer.json", replace);
    write_file_atomically(root_ / model / "tokenizer_config.json", Json{{"eos_token", eos}}.dump());
  }

  std::string yaml(const std::string& name, const std::string& train, const std::string& data = "") const {
    return "data: {train: [{path: " + (root_ / "train.jsonl").string() + "}], sequence_length: 64" + data +
           "}\nobjective: [{function: uld, weight: 0.7, temperature: 1.5}, {function: cross_entropy, weight: 0.3}]\n"
           "optimizer: {learning_rate: 1e-2}\ntrain: {" +
           train + "}\noutput: " + (root_ / name).string();
  }
};

// One text on its own as a model reads it.
struct Read {
  Encoding encoding;
  at::Tensor logits_TV;
};

Read read_alone(const std::string& text, const Tokenizer& tokenizer, const Transformer& model) {
  Read read{tokenizer.encode(text, true), {}};
  read.encoding.ids.push_back(*tokenizer.eos_id());
  const auto end = static_cast<uint32_t>(text.size());
  read.encoding.offsets.emplace_back(end, end + 1);  // the end is read like one more character
  const testing_model::Document document(read.encoding.ids.begin(), read.encoding.ids.end());
  Needs needs;
  needs.logits = true;
  read.logits_TV = model.forward(testing_model::make_batch({{document}}), needs, {}).logits_BTV()[0];
  return read;
}

// What position i - 1 has read, where token i begins there.
std::optional<uint32_t> read_before(const Encoding& encoding, size_t i) {
  uint32_t read = 0;
  for (size_t t = 0; t < i; ++t) read = std::max(read, encoding.offsets[t].second);
  const auto [begin, end] = encoding.offsets[i];
  return end > begin && begin >= read ? std::optional(read) : std::nullopt;
}

at::Tensor sorted_probabilities(const at::Tensor& logits_V, double temperature) {
  return std::get<0>(at::softmax(logits_V / temperature, 0).sort(0, true));
}

struct Plain {
  at::Tensor uld, cross_entropy;
  int64_t pairs = 0, kept = 0;
};

// Every text alone, whole rows sorted in float64, every pair of positions looked at.
Plain plain_terms(const Tokenizer& of_student, const Transformer& student, const Tokenizer& of_teacher,
                  const Transformer& teacher) {
  Plain plain{at::zeros({}, at::kDouble), at::zeros({}, at::kDouble)};
  for (const std::string& text : kTexts) {
    const Read ours = read_alone(text, of_student, student), theirs = read_alone(text, of_teacher, teacher);
    for (size_t i = 1; i < ours.encoding.ids.size(); ++i, ++plain.kept) {
      const at::Tensor logits_V = ours.logits_TV[static_cast<int64_t>(i) - 1];
      plain.cross_entropy = plain.cross_entropy - at::log_softmax(logits_V, 0)[ours.encoding.ids[i]];
      const auto read = read_before(ours.encoding, i);
      for (size_t k = 1; read && k < theirs.encoding.ids.size(); ++k) {
        if (read != read_before(theirs.encoding, k)) continue;
        const at::Tensor mine = at::constant_pad_nd(sorted_probabilities(logits_V, 1.5), {0, 900 - 803});
        plain.uld = plain.uld + (mine - sorted_probabilities(theirs.logits_TV[static_cast<int64_t>(k) - 1], 1.5)).abs().sum();
        ++plain.pairs;
      }
    }
  }
  return plain;
}

// Packed rows through the data, both models and the objective, against the texts one by one.
void compare_with_plain(const fs::path& root, double weight_of_labels) {
  std::string lines;
  for (const std::string& text : kTexts) lines += Json{{"text", text}}.dump() + "\n";
  write_file_atomically(root / "texts.jsonl", lines);
  const auto of_student = load_tokenizer(root / "student");
  const std::shared_ptr<const Tokenizer> of_teacher = load_tokenizer(root / "teacher");
  const LoadOptions exact{at::kDouble, at::kCPU, /*trainable=*/true};
  const Transformer student = Transformer::initialise(read_spec(config_of(803, 16, 2), "s"), 2, exact);
  const Transformer teacher = Transformer::initialise(read_spec(config_of(900, 24, 3), "t"), 1, {at::kDouble, at::kCPU});
  const Plain plain = plain_terms(*of_student, student, *of_teacher, teacher);
  ASSERT_GT(plain.pairs, plain.kept / 3);
  ASSERT_LT(plain.pairs, plain.kept);
  testing_model::backward(0.7 * plain.uld / plain.pairs + weight_of_labels * plain.cross_entropy / plain.kept);
  auto wanted = testing_model::gradients(student);
  for (auto& [name, gradient] : wanted) gradient = gradient.clone();
  testing_model::clear_gradients(student);

  DataRecipe data;
  data.sequence_length = 90;
  DataLimits limits{803, 0, {}};
  limits.teacher = TeacherReader{of_teacher, 900, 0, {}};
  StreamOptions options;
  options.batch_size = 1;
  options.accumulation = 8;
  UpdateStream stream(load_rows({{(root / "texts.jsonl").string(), 1}}, data, "data.train", of_student.get(), limits, 17),
                      options);
  const Update update = stream.next();
  ASSERT_EQ(stream.updates_per_epoch(), 1);
  ASSERT_GT(update.micro_batches.size(), 1u);
  EXPECT_FALSE(update.micro_batches[0].one_document_per_row);
  EXPECT_EQ(update.paired_tokens, plain.pairs);
  EXPECT_EQ(update.kept_tokens, plain.kept);

  TermRecipe uld, labels;
  uld.function = TermFunction::uld;
  uld.weight = 0.7;
  uld.temperature = 1.5;
  labels.function = TermFunction::cross_entropy;
  labels.weight = weight_of_labels;
  ObjectiveOptions objective_options;
  objective_options.master_dtype = objective_options.compute_dtype = at::kDouble;
  objective_options.vocabulary_limit = 803;
  std::vector<TermRecipe> terms{uld};
  if (weight_of_labels > 0) terms.push_back(labels);
  Objective objective(terms, {2, 16, 2, 803}, ModelShape{3, 24, 2, 900}, objective_options);
  at::Tensor values = at::zeros({static_cast<int64_t>(terms.size())}, at::kDouble);
  for (const TokenBatch& batch : update.micro_batches) {
    const ForwardOutput given = teacher.forward(batch.read_by_teacher(), objective.teacher_needs(), {});
    const UpdateCounts counts{static_cast<double>(update.kept_tokens), 0, static_cast<double>(update.paired_tokens)};
    values += objective.backward(student.forward(batch, objective.student_needs(), {}), &given, batch, counts, {});
  }
  EXPECT_NEAR(values[0].item<double>(), plain.uld.item<double>() / plain.pairs, 1e-12);
  if (weight_of_labels > 0) EXPECT_NEAR(values[1].item<double>(), plain.cross_entropy.item<double>() / plain.kept, 1e-12);
  const auto found = testing_model::gradients(student);
  ASSERT_EQ(found.size(), wanted.size());
  for (const auto& [name, gradient] : wanted) EXPECT_LT(testing_model::relative_error(found.at(name), gradient), 1e-10) << name;
}

TEST_F(TwoTokenizerRuns, ValueAndGradientEqualThePlainComputationOverWholeSortedRows) { compare_with_plain(root_, 0.3); }

// Nobody else reads logits then: those of positions without a counterpart are not made.
TEST_F(TwoTokenizerRuns, UldAloneEqualsThePlainComputationToo) { compare_with_plain(root_, 0); }

TEST_F(TwoTokenizerRuns, AnySplitOfTheSameBatchGivesTheSameLossAndGradient) {
  for (const char* packing : {", packing: true", ", packing: false"}) {
    std::vector<std::vector<Json>> runs;
    for (const auto& [batch, accumulation] : std::vector<std::pair<int, int>>{{4, 1}, {2, 2}, {1, 4}}) {
      const std::string name = "split" + std::to_string(batch);
      train(recipe(yaml(name,
                        "length: 3 steps, precision: float64, batch_size: " + std::to_string(batch) +
                            ", gradient_accumulation_steps: " + std::to_string(accumulation),
                        packing)),
            {.fresh = true});
      runs.push_back(steps_of(root_ / name));
    }
    ASSERT_EQ(runs[0].size(), 3u);
    for (const std::vector<Json>& other : runs) {
      for (size_t i = 0; i < 3; ++i) {
        for (const char* term : {"uld", "cross_entropy"})
          EXPECT_NEAR(other[i]["terms"][term].get<double>() / runs[0][i]["terms"][term].get<double>(), 1, 1e-12) << term << i;
        EXPECT_NEAR(other[i]["grad_norm"].get<double>() / runs[0][i]["grad_norm"].get<double>(), 1, 1e-11) << i;
        EXPECT_EQ(other[i]["tokens"], runs[0][i]["tokens"]);
        EXPECT_EQ(other[i]["paired_tokens"], runs[0][i]["paired_tokens"]);
        EXPECT_LT(other[i]["paired_tokens"], other[i]["tokens"]);
      }
    }
  }
}

// 12 updates are four epochs, shuffled; the rows come from a prepared folder the second time.
TEST_F(TwoTokenizerRuns, AStoppedRunGoesOnBitForBit) {
  const auto make = [&](const std::string& name) {
    return recipe(yaml(name, "length: 12 steps, batch_size: 1, gradient_accumulation_steps: 2",
                       ", prepared: " + (root_ / (name + ".prepared")).string()));
  };
  train(make("straight"));
  TrainOptions five;
  five.max_steps = 5;
  EXPECT_FALSE(train(make("broken"), five).finished);
  EXPECT_TRUE(train(make("broken")).finished);
  const std::vector<Json> straight = steps_of(root_ / "straight"), broken = steps_of(root_ / "broken");
  ASSERT_EQ(straight.size(), 12u);
  ASSERT_EQ(broken.size(), 12u);
  for (size_t i = 0; i < 12; ++i)
    for (const char* key : {"loss", "grad_norm", "tokens", "paired_tokens"})
      EXPECT_EQ(straight[i][key], broken[i][key]) << key << i;
  EXPECT_LT(straight.back()["terms"]["uld"], straight.front()["terms"]["uld"]);
  for (const char* file : {"model.safetensors", "optimizer.safetensors"})
    EXPECT_EQ(bytes_of_checkpoint(root_ / "straight", "00000012", file), bytes_of_checkpoint(root_ / "broken", "00000012", file));

  // The same rows for the student, others for the teacher: the run does not go on with them.
  add_words("teacher", "llama3", "<|end_of_text|>");
  try {
    train(recipe(yaml("broken", "length: 14 steps, batch_size: 1, gradient_accumulation_steps: 2",
                      ", prepared: " + (root_ / "broken.prepared").string())));
    FAIL() << "a run went on with other rows";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("the training rows that this run began with"));
  }
}

}  // namespace
}  // namespace distill
