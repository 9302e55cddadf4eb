// What becomes of one row: special tokens, end of sequence, labels, cutting.
#include "distill/data/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/byte_tokenizer.h"

namespace distill {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int32_t kX = kIgnored;

std::vector<int32_t> ids_of(const Document& document) {
  std::vector<int32_t> ids;
  for (const Token token : document.tokens) ids.push_back(token.id());
  return ids;
}

std::vector<int32_t> labels_of(const Document& document) {
  std::vector<int32_t> labels;
  for (size_t t = 0; t < document.tokens.size(); ++t) {
    const Token token = document.tokens[t];
    labels.push_back(!token.kept() ? kX : document.labels.empty() ? token.id() : document.labels[t]);
  }
  return labels;
}

Document rendered(const Sample& sample, const ByteTokenizer& tokenizer, const DataRecipe& recipe = {}) {
  return render(sample, render_rules(recipe, &tokenizer, 301), "data.jsonl:7");
}

const int32_t c = byte_id('c'), d = byte_id('d'), b = byte_id('b'), a = byte_id('a');

TEST(Render, TextGetsSpecialTokensOnceAndEndsWithAKeptEos) {
  const Document document = rendered(TextSample{"cd"}, {});
  EXPECT_THAT(ids_of(document), ElementsAre(1, c, d, 2));
  EXPECT_THAT(labels_of(document), ElementsAre(kX, c, d, 2));
}

TEST(Render, TextThatEndsWithEosAlreadyGetsNoSecondOne) {
  ByteTokenizer tokenizer;
  tokenizer.ends = true;
  EXPECT_THAT(ids_of(rendered(TextSample{"cd"}, tokenizer)), ElementsAre(1, c, d, 2));
  EXPECT_THAT(ids_of(rendered(TextSample{"cd</s>"}, {})), ElementsAre(1, c, d, 2));
}

TEST(Render, WithoutAppendEosTheTextIsLeftAsItIs) {
  DataRecipe recipe;
  recipe.append_eos = false;
  ByteTokenizer tokenizer;
  tokenizer.eos = std::nullopt;
  EXPECT_THAT(ids_of(rendered(TextSample{"cd"}, tokenizer, recipe)), ElementsAre(1, c, d));
}

TEST(Render, AppendEosWithoutAnEosTokenIsRefusedWithAdvice) {
  ByteTokenizer tokenizer;
  tokenizer.eos = std::nullopt;
  try {
    rendered(TextSample{"cd"}, tokenizer);
    FAIL() << "expected an error";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("data.jsonl:7"));
    EXPECT_THAT(error.what(), HasSubstr("append_eos: false"));
  }
}

TEST(Render, InputIdsNeedNoEosToken) {
  ByteTokenizer tokenizer;
  tokenizer.eos = std::nullopt;
  EXPECT_THAT(ids_of(rendered(IdsSample{{5, 6}, {}}, tokenizer)), ElementsAre(5, 6));
}

TEST(Render, TheFirstTokenIsNeverALabel) {
  ByteTokenizer tokenizer;
  tokenizer.begins = false;
  EXPECT_THAT(labels_of(rendered(TextSample{"cd"}, tokenizer)), ElementsAre(kX, d, 2));
  EXPECT_THAT(labels_of(rendered(IdsSample{{5, 6}, {5, 6}}, tokenizer)), ElementsAre(kX, 6));
  EXPECT_THAT(labels_of(rendered(CompletionSample{"", "cd"}, tokenizer)), ElementsAre(kX, d, 2));
}

TEST(Render, OnlyTheCompletionAndItsEosAreLearned) {
  const Document document = rendered(CompletionSample{"cc", "dd"}, {});
  EXPECT_THAT(ids_of(document), ElementsAre(1, c, c, d, d, 2));
  EXPECT_THAT(labels_of(document), ElementsAre(kX, kX, kX, d, d, 2));
}

TEST(Render, ATokenThatStartsInThePromptIsNotLearned) {
  const Document document = rendered(CompletionSample{"ca", "bd"}, {});  // one text "cabd": c, ab, d
  EXPECT_THAT(ids_of(document), ElementsAre(1, c, 300, d, 2));
  EXPECT_THAT(labels_of(document), ElementsAre(kX, kX, kX, d, 2));
}

TEST(Render, TheEosOfThePostProcessorBelongsToTheCompletion) {
  ByteTokenizer tokenizer;
  tokenizer.ends = true;
  EXPECT_THAT(labels_of(rendered(CompletionSample{"cc", "d"}, tokenizer)), ElementsAre(kX, kX, kX, d, 2));
  EXPECT_THAT(ids_of(rendered(CompletionSample{"cc", ""}, tokenizer)), ElementsAre(1, c, c, 2));
  EXPECT_THAT(labels_of(rendered(CompletionSample{"cc", ""}, tokenizer)), ElementsAre(kX, kX, kX, 2));
}

TEST(Render, AnEosInsideThePromptIsNotTheCompletionsEnd) {
  const Document document = rendered(CompletionSample{"c</s>", ""}, {});
  EXPECT_THAT(ids_of(document), ElementsAre(1, c, 2, 2));
  EXPECT_THAT(labels_of(document), ElementsAre(kX, kX, kX, 2));
}

TEST(Render, WithoutAssistantOnlyLossThePromptIsLearnedToo) {
  DataRecipe recipe;
  recipe.assistant_only_loss = false;
  EXPECT_THAT(labels_of(rendered(CompletionSample{"ca", "bd"}, {}, recipe)), ElementsAre(kX, c, 300, d, 2));
}

TEST(Render, InputIdsAndLabelsAreNeverTouched) {
  const Document plain = rendered(IdsSample{{5, 6, 7}, {}}, {});
  EXPECT_THAT(ids_of(plain), ElementsAre(5, 6, 7));
  EXPECT_THAT(labels_of(plain), ElementsAre(kX, 6, 7));
  const Document masked = rendered(IdsSample{{5, 6, 7}, {5, kX, 7}}, {});
  EXPECT_THAT(labels_of(masked), ElementsAre(kX, kX, 7));
  EXPECT_THAT(masked.labels, IsEmpty()) << "labels that equal the ids take no memory";
  EXPECT_THAT(labels_of(rendered(IdsSample{{5, 6, 7}, {9, 8, 9}}, {})), ElementsAre(kX, 8, 9));
}

TEST(Render, IdsOutsideTheModelsVocabularyAreRefusedWithTheirToken) {
  const ByteTokenizer tokenizer;
  const RenderRules rules = render_rules({}, &tokenizer, 300);
  try {
    render(TextSample{"cab"}, rules, "data.jsonl:7");
    FAIL() << "expected an error";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("data.jsonl:7: expected token ids below the model's vocabulary size 300, found id 300 (ab)"));
  }
}

TEST(Render, TextWithoutATokenizerIsRefused) {
  const RenderRules rules = render_rules({}, nullptr, 301);
  EXPECT_THROW(render(TextSample{"c"}, rules, "data.jsonl:7"), InputError);
  EXPECT_THAT(ids_of(render(IdsSample{{5, 6}, {}}, rules, "data.jsonl:7")), ElementsAre(5, 6));
}

TEST(Render, ErrorsOfTheTokenizerNameTheLine) {
  try {
    rendered(TextSample{"\xff"}, {});
    FAIL() << "expected an error";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("data.jsonl:7: expected UTF-8"));
  }
}

TEST(Cut, TruncationKeepsTheFrontOnly) {
  const auto pieces = cut(rendered(IdsSample{{5, 6, 7, 8, 9}, {}}, {}), 3, Overflow::truncate);
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_THAT(ids_of(pieces[0]), ElementsAre(5, 6, 7));
}

TEST(Cut, SplitPiecesShareNoTokenAndBeginAnew) {
  const auto pieces = cut(rendered(TextSample{"cdcdc"}, {}), 3, Overflow::split);  // <s> c d | c d c | </s>
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_THAT(ids_of(pieces[1]), ElementsAre(c, d, c));
  EXPECT_THAT(labels_of(pieces[0]), ElementsAre(kX, c, d));
  EXPECT_THAT(labels_of(pieces[1]), ElementsAre(kX, d, c));
  EXPECT_THAT(labels_of(pieces[2]), ElementsAre(kX));
  EXPECT_EQ(num_kept(pieces[2]), 0);
}

TEST(Cut, LabelsFollowTheirPieces) {
  const auto pieces = cut(rendered(IdsSample{{5, 6, 7, 8}, {1, 2, 3, 4}}, {}), 2, Overflow::split);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_THAT(labels_of(pieces[0]), ElementsAre(kX, 2));
  EXPECT_THAT(labels_of(pieces[1]), ElementsAre(kX, 4));
}

TEST(Cut, ADocumentOfExactlyTheLengthIsWhole) {
  EXPECT_EQ(cut(rendered(IdsSample{{5, 6, 7}, {}}, {}), 3, Overflow::split).size(), 1u);
}

}  // namespace
}  // namespace distill
