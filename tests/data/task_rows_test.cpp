// Rows of encoders: where their targets are, for masked language models, classifiers and embeddings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ops/equal.h>

#include <functional>
#include <map>
#include <set>

#include "distill/data/batch.h"
#include "distill/data/masking.h"

#include "data/byte_tokenizer.h"

namespace distill {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int32_t kMask = 259;

std::vector<int64_t> values(const at::Tensor& tensor) {
  const int64_t* data = tensor.const_data_ptr<int64_t>();
  return {data, data + tensor.numel()};
}

TaskRules rules_of(Targets targets) {
  TaskRules task;
  task.targets = targets;
  if (targets == Targets::row_class) task.num_classes = 3;
  return task;
}

ByteTokenizer encoder_tokenizer() {
  ByteTokenizer tokenizer;
  tokenizer.ends = true;  // <s> text </s>
  tokenizer.eos.reset();
  tokenizer.mask = kMask;
  return tokenizer;
}

DataRecipe recipe_of(int64_t sequence_length, Overflow overflow = Overflow::truncate) {
  DataRecipe recipe;
  recipe.sequence_length = sequence_length;
  recipe.overflow = overflow;
  return recipe;
}

std::string text_of_length(int64_t length) {
  std::string text;
  for (int64_t i = 0; i < length; ++i) text += static_cast<char>('c' + i % 20);
  return text;
}

std::string text_row(const std::string& text, const std::string& more = "") {
  return "{\"text\": \"" + text + "\"" + more + "}\n";
}

// 40 documents of 1 to 40 letters.
std::shared_ptr<const Rows> masked_rows(bool packing = true, double probability = 0.15) {
  const ScratchFolder folder;
  const ByteTokenizer tokenizer = encoder_tokenizer();
  std::string lines;
  for (int64_t i = 1; i <= 40; ++i) lines += text_row(text_of_length(i));
  DataRecipe recipe = recipe_of(64);
  recipe.packing = packing;
  TaskRules task = rules_of(Targets::masked_tokens);
  task.mask_probability = probability;
  return load_one(folder.write("d.jsonl", lines), recipe, &tokenizer, 0, task);
}

StreamOptions options_of(int64_t batch_size, int64_t accumulation, uint64_t seed = 17) {
  StreamOptions options;
  options.batch_size = batch_size;
  options.accumulation = accumulation;
  options.seed = seed;
  return options;
}

// What the models read and must say of every row of an update, by the row's key, without padding.
using Shown = std::map<int64_t, std::vector<std::pair<int64_t, int64_t>>>;  // row key: (id, target) of its tokens
Shown shown_in(const Update& update) {
  Shown rows;
  for (const TokenBatch& batch : update.micro_batches) {
    const auto ids = values(batch.ids_BT), targets = values(batch.targets_BT), documents = values(batch.documents_BT);
    for (int64_t i = 0; i < batch.rows() * batch.length(); ++i)
      if (documents[i] >= 0) rows[values(batch.row_keys_B)[i / batch.length()]].emplace_back(ids[i], targets[i]);
  }
  return rows;
}

TEST(Masking, HidesAFixedShareOfEveryDocumentAndNeverASpecialToken) {
  const auto rows = masked_rows();
  UpdateStream stream(rows, options_of(3, 2));
  for (int64_t u = 0; u < 2 * stream.updates_per_epoch(); ++u) {
    const Update update = stream.next();
    int64_t kept = 0;
    for (const TokenBatch& batch : update.micro_batches) {
      const auto ids = values(batch.ids_BT), targets = values(batch.targets_BT), places = values(batch.kept_N);
      int64_t expected = 0;
      for (const auto& lengths : batch.document_lengths)
        for (const int64_t length : lengths)
          expected += std::max<int64_t>(1, std::llround(0.15 * static_cast<double>(length - 2)));
      EXPECT_EQ(batch.num_kept, expected);
      EXPECT_EQ(std::count_if(targets.begin(), targets.end(), [](int64_t t) { return t != kIgnored; }), expected);
      EXPECT_TRUE(std::is_sorted(places.begin(), places.end()));
      for (size_t i = 0; i < places.size(); ++i) {
        EXPECT_EQ(targets[places[i]], values(batch.kept_targets_N)[i]) << "no shift";
        EXPECT_GT(targets[places[i]], 2) << "<s> and </s> are never predicted";
      }
      for (size_t i = 0; i < ids.size(); ++i)
        if (ids[i] == kMask) EXPECT_NE(targets[i], kIgnored);
      kept += batch.num_kept;
    }
    EXPECT_EQ(update.kept_tokens, kept);
  }
}

TEST(Masking, EightOfTenAreHiddenOneReplacedAndOneLeft) {
  std::vector<Token> tokens;
  for (int32_t i = 0; i < 1000; ++i) tokens.push_back(Token::of(3 + i % 50, i % 5 != 0));
  MaskWords words{kMask, {}};
  for (int32_t id = 60; id < 80; ++id) words.ordinary_ids.push_back(id);
  double hidden = 0, replaced = 0, left = 0;
  std::vector<int> chosen(tokens.size());
  for (uint64_t key = 0; key < 400; ++key) {
    const auto masked = choose_masked(tokens, 120, words, key);
    ASSERT_EQ(masked.size(), 120u);
    std::set<uint32_t> places;
    for (const MaskedToken& one : masked) {
      places.insert(one.place);
      ++chosen[one.place];
      const bool own = one.shown == tokens[one.place].id(), other = one.shown >= 60 && one.shown < 80;
      EXPECT_TRUE(one.shown == kMask || own || other) << one.shown;
      hidden += one.shown == kMask;
      left += own;
      replaced += other;
    }
    EXPECT_EQ(places.size(), 120u) << "each at most once";
  }
  const double all = 400 * 120;  // standard errors below 0.002
  EXPECT_NEAR(hidden / all, 0.8, 0.01);
  EXPECT_NEAR(replaced / all, 0.1, 0.01);
  EXPECT_NEAR(left / all, 0.1, 0.01);
  for (size_t t = 0; t < tokens.size(); ++t) {
    if (tokens[t].kept())
      EXPECT_NEAR(chosen[t] / 400.0, 0.15, 0.1) << "any candidate is as likely as another";
    else
      EXPECT_EQ(chosen[t], 0);
  }
}

TEST(Masking, IsAFunctionOfSeedEpochAndRowHoweverAnUpdateIsSplit) {
  const auto rows = masked_rows();
  UpdateStream whole(rows, options_of(8, 1)), other_seed(rows, options_of(8, 1, 18));
  std::vector<Shown> expected;
  for (int u = 0; u < 6; ++u) expected.push_back(shown_in(whole.next()));
  for (const auto& [batch_size, accumulation] : {std::pair{4, 2}, {2, 4}, {1, 8}}) {
    UpdateStream split(rows, options_of(batch_size, accumulation));
    for (const Shown& want : expected) EXPECT_EQ(shown_in(split.next()), want) << batch_size;
  }
  UpdateStream resumed(rows, options_of(2, 4));
  resumed.next();
  resumed.seek(4);
  EXPECT_EQ(shown_in(resumed.next()), expected[4]);
  EXPECT_NE(shown_in(other_seed.next()), expected[0]);
}

TEST(Masking, IsNewInEveryEpochAndTheSameAtEveryEvaluation) {
  const auto rows = masked_rows(/*packing=*/false);
  StreamOptions options = options_of(40, 1);
  options.shuffle = false;
  UpdateStream stream(rows, options);
  const Update first = stream.next(), second = stream.next();
  EXPECT_TRUE(at::equal(first.micro_batches[0].documents_BT, second.micro_batches[0].documents_BT));
  EXPECT_FALSE(at::equal(first.micro_batches[0].targets_BT, second.micro_batches[0].targets_BT));
  const TokenBatch once = evaluation_batch(*rows, 40, 0), again = evaluation_batch(*rows, 40, 0);
  EXPECT_TRUE(at::equal(once.ids_BT, again.ids_BT));
  EXPECT_FALSE(at::equal(once.targets_BT, first.micro_batches[0].targets_BT));
  const auto in_parts = evaluation_batch(*rows, 1, 39);  // the longest row, alone
  EXPECT_TRUE(at::equal(in_parts.targets_BT[0], once.targets_BT[39]));
}

TEST(Masking, TheOtherTokensAreTheDocumentsOwn) {
  const auto rows = masked_rows(/*packing=*/false);
  const TokenBatch batch = evaluation_batch(*rows, 40, 0);
  const auto ids = values(batch.ids_BT), targets = values(batch.targets_BT);
  RowBuffer buffer;
  for (int64_t b = 0; b < 40; ++b) {
    const auto own = ids_of(rows->read({0, static_cast<uint64_t>(b)}, buffer)[0]);
    for (size_t t = 0; t < own.size(); ++t) {
      const size_t at = b * batch.length() + t;
      EXPECT_EQ(targets[at] == kIgnored ? ids[at] : targets[at], own[t]);
    }
  }
}

TEST(Masking, CountsAndLengthInTokensAreThoseOfMaskedTokens) {
  const auto rows = masked_rows();
  UpdateStream stream(rows, options_of(3, 1));
  double seen = 0;
  for (int64_t u = 1; u <= 30; ++u) {
    seen += static_cast<double>(stream.next().kept_tokens);
    EXPECT_EQ(stream.updates_for_tokens(seen), u);
    EXPECT_EQ(stream.updates_for_tokens(seen + 0.5), u + 1);
  }
  int64_t expected = 0;
  for (int64_t length = 1; length <= 40; ++length) expected += std::max<int64_t>(1, std::llround(0.15 * double(length)));
  EXPECT_EQ(counts_of(*rows).kept_tokens, expected);
}

TEST(Masking, OfInputIdsChoosesAmongLabelledTokens) {
  const ScratchFolder folder;
  const ByteTokenizer tokenizer = encoder_tokenizer();
  const TaskRules task = rules_of(Targets::masked_tokens);
  const auto rows = load_one(folder.write("d.jsonl",
                                          "{\"input_ids\": [1, 50, 51, 52, 2], \"labels\": [1, -100, 51, -100, 2]}\n"
                                          "{\"input_ids\": [1, 2]}\n{\"input_ids\": [60]}\n"),
                             recipe_of(8), &tokenizer, 0, task);
  EXPECT_EQ(counts_of(*rows).dropped, 1) << "special tokens alone";
  EXPECT_EQ(counts_of(*rows).kept_tokens, 2);
  const TokenBatch batch = evaluation_batch(*rows, 4, 0);
  EXPECT_THAT(values(batch.kept_N), ElementsAre(2, 5)) << "a first token may be masked";
  EXPECT_THAT(values(batch.kept_targets_N), ElementsAre(51, 60));
}

TEST(Masking, RowsThatAreMaskedAlreadyAndTokenizersWithoutAMaskAreRefused) {
  const ScratchFolder folder;
  ByteTokenizer tokenizer = encoder_tokenizer();
  const TaskRules task = rules_of(Targets::masked_tokens);
  const std::string masked =
      folder.write("m.jsonl", "{\"input_ids\": [1, 50]}\n{\"input_ids\": [1, 259], \"labels\": [-100, 50]}\n");
  EXPECT_THAT(message_of([&] { load_one(masked, recipe_of(8), &tokenizer, 0, task); }),
              AllOf(HasSubstr("m.jsonl:2"), HasSubstr("label 50 for id 259 at index 1")));
  const std::string good = folder.write("d.jsonl", ids_row(50, 5));
  EXPECT_THAT(message_of([&] { load_one(good, recipe_of(8), nullptr, 0, task); }), HasSubstr("no tokenizer"));
  tokenizer.mask.reset();
  EXPECT_THAT(message_of([&] { load_one(good, recipe_of(8), &tokenizer, 0, task); }),
              AllOf(HasSubstr("a mask token"), HasSubstr("mask_token")));
  tokenizer.mask = 301;
  EXPECT_THAT(message_of([&] { load_one(good, recipe_of(8), &tokenizer, 0, task); }), HasSubstr("outside the vocabulary of 301"));
}

TEST(EncoderRows, KeepTheTokensAroundTheTextWhenCut) {
  const ScratchFolder folder;
  const ByteTokenizer tokenizer = encoder_tokenizer();
  const std::string path = folder.write("d.jsonl", text_row("cdefghi"));
  const auto ids_with = [&](const DataRecipe& recipe) {
    RowBuffer buffer;
    const auto rows = load_one(path, recipe, &tokenizer, 0, rules_of(Targets::masked_tokens));
    std::vector<std::vector<int32_t>> all;
    for (const DocumentView& document : documents_of(rows->sources[0], buffer)) all.push_back(ids_of(document));
    return all;
  };
  const auto id = byte_id;
  EXPECT_THAT(ids_with(recipe_of(5)), ElementsAre(ElementsAre(1, id('c'), id('d'), id('e'), 2)));
  EXPECT_THAT(ids_with(recipe_of(5, Overflow::split)),
              ElementsAre(ElementsAre(1, id('c'), id('d'), id('e'), 2), ElementsAre(1, id('f'), id('g'), id('h'), 2),
                          ElementsAre(1, id('i'), 2)));
  EXPECT_THAT(ids_with(recipe_of(9)), ElementsAre(testing::SizeIs(9))) << "no end of sequence is appended";
  EXPECT_THAT(message_of([&] { ids_with(recipe_of(2)); }), HasSubstr("more than the 2 tokens around every text"));
}

TEST(ClassRows, AreOneSampleEachWithTheirClassAsTarget) {
  const ScratchFolder folder;
  const ByteTokenizer tokenizer = encoder_tokenizer();
  const auto rows = load_one(
      folder.write("d.jsonl", text_row("cc", ", \"label\": 2") + text_row("d") + "{\"input_ids\": [7, 8, 9], \"labels\": 0}\n"),
      recipe_of(64), &tokenizer, 0, rules_of(Targets::row_class));
  EXPECT_EQ(counts_of(*rows).dropped, 1);
  EXPECT_EQ(counts_of(*rows).rows, 2) << "never packed";
  EXPECT_EQ(counts_of(*rows).kept_tokens, 2);
  const TokenBatch batch = evaluation_batch(*rows, 4, 0);
  EXPECT_TRUE(batch.one_document_per_row);
  EXPECT_THAT(values(batch.kept_N), ElementsAre(0, 1)) << "rows, not positions";
  EXPECT_THAT(values(batch.kept_targets_N), ElementsAre(2, 0));
  for (const int64_t target : values(batch.targets_BT)) EXPECT_EQ(target, kIgnored);
}

TEST(ClassRows, WithoutALabelStayWhenNoTermReadsLabels) {
  const ScratchFolder folder;
  const ByteTokenizer tokenizer = encoder_tokenizer();
  TaskRules task = rules_of(Targets::row_class);
  const std::string path = folder.write("d.jsonl", text_row("cc", ", \"label\": 2") + text_row("d"));
  task.labels_needed = false;
  const auto rows = load_one(path, recipe_of(64), &tokenizer, 0, task);
  EXPECT_EQ(counts_of(*rows).dropped, 0);
  EXPECT_THAT(values(evaluation_batch(*rows, 4, 0).kept_targets_N), ElementsAre(2, kIgnored));
  const std::string bare = folder.write("e.jsonl", text_row("d"));
  task.labels_needed = true;
  EXPECT_THAT(message_of([&] { load_one(bare, recipe_of(64), &tokenizer, 0, task); }), HasSubstr("Give every row a \"label\""));
  const std::string pair = folder.write("p.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\", \"label\": 1}\n");
  EXPECT_THAT(message_of([&] { load_one(pair, recipe_of(64), &tokenizer, 0, task); }), HasSubstr("a prompt with its completion"));
}

TEST(ClassRows, AnotherClassIsOtherData) {
  const ScratchFolder folder;
  const ByteTokenizer tokenizer = encoder_tokenizer();
  const auto fingerprint = [&](const std::string& label) {
    return fingerprint_of(*load_one(folder.write("d.jsonl", text_row("cc", ", \"label\": " + label)), recipe_of(64), &tokenizer,
                                    0, rules_of(Targets::row_class)));
  };
  EXPECT_NE(fingerprint("1"), fingerprint("2"));
}

TEST(VectorRows, KeepEveryRowOnce) {
  const ScratchFolder folder;
  const ByteTokenizer tokenizer = encoder_tokenizer();
  const auto rows = load_one(folder.write("d.jsonl", text_row("cc") + ids_row(7, 1) + "{\"input_ids\": []}\n"), recipe_of(64),
                             &tokenizer, 0, rules_of(Targets::row_vector));
  EXPECT_EQ(counts_of(*rows).dropped, 1);
  const TokenBatch batch = evaluation_batch(*rows, 4, 0);
  EXPECT_THAT(values(batch.kept_N), ElementsAre(0, 1));
  EXPECT_EQ(batch.num_kept, 2);
  UpdateStream stream(rows, options_of(1, 2));
  EXPECT_EQ(stream.next().kept_tokens, 2) << "rows are what an update counts";
}

}  // namespace
}  // namespace distill
