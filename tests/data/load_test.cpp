// Whole files to rows: counts, packing, cutting, errors with file and line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <functional>

#include "distill/core/log.h"
#include "distill/core/stop.h"
#include "distill/data/rows.h"

#include "data/byte_tokenizer.h"

namespace distill {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

DataRecipe recipe_of(int64_t sequence_length, bool packing = true, Overflow overflow = Overflow::truncate) {
  DataRecipe recipe;
  recipe.sequence_length = sequence_length;
  recipe.packing = packing;
  recipe.overflow = overflow;
  return recipe;
}

// The first ids of the documents of every row: {{100, 200}, {300}}.
std::vector<std::vector<int32_t>> first_ids(const Rows& rows, uint32_t source = 0) {
  std::vector<std::vector<int32_t>> all;
  RowBuffer buffer;
  for (uint64_t r = 0; r < rows.sources[source].rows.size(); ++r) {
    all.emplace_back();
    for (const DocumentView& document : rows.read({source, r}, buffer)) all.back().push_back(document.tokens[0].id());
  }
  return all;
}

TEST(LoadRows, PacksWholeDocumentsInFileOrder) {
  const ScratchFolder folder;
  const auto path = folder.write("d.jsonl", ids_row(10, 3) + ids_row(20, 4) + ids_row(30, 2) + ids_row(40, 8) + ids_row(50, 2));
  const auto rows = load_one(path, recipe_of(8), nullptr);
  EXPECT_THAT(first_ids(*rows), ElementsAre(ElementsAre(10, 20), ElementsAre(30), ElementsAre(40), ElementsAre(50)));
  for (const PackedRow& row : rows->sources[0].rows) EXPECT_LE(row.num_tokens, 8u);
  EXPECT_EQ(counts_of(*rows).rows, 4);
  EXPECT_EQ(counts_of(*rows).input_tokens, 19);
  EXPECT_EQ(counts_of(*rows).kept_tokens, 14);
}

TEST(LoadRows, WithoutPackingEveryDocumentIsARow) {
  const ScratchFolder folder;
  const auto rows = load_one(folder.write("d.jsonl", ids_row(10, 3) + ids_row(20, 2)), recipe_of(8, false), nullptr);
  EXPECT_THAT(first_ids(*rows), ElementsAre(ElementsAre(10), ElementsAre(20)));
}

TEST(LoadRows, SequenceLengthIsBoundedByTheModel) {
  const ScratchFolder folder;
  const auto path = folder.write("d.jsonl", ids_row(10, 9));
  EXPECT_EQ(load_one(path, recipe_of(8), nullptr, /*max_positions=*/5)->counts.input_tokens, 5);
  EXPECT_EQ(load_one(path, recipe_of(8), nullptr, /*max_positions=*/0)->counts.input_tokens, 8);
}

TEST(LoadRows, CountsDocumentsDroppedAndTruncatedExactly) {
  const ScratchFolder folder;
  const std::string masked = "{\"input_ids\": [5, 6, 7], \"labels\": [5, -100, -100]}\n";
  const std::string cut_away = "{\"input_ids\": [5, 6, 7, 8, 9], \"labels\": [-100, -100, -100, -100, 9]}\n";
  const auto rows = load_one(folder.write("d.jsonl", ids_row(10, 1) + masked + cut_away + ids_row(10, 4) + ids_row(10, 7)),
                             recipe_of(4), nullptr);
  const DataCounts& counts = counts_of(*rows);
  EXPECT_EQ(counts.documents, 5);
  EXPECT_EQ(counts.dropped, 3);
  EXPECT_EQ(counts.truncated, 2);
  EXPECT_EQ(counts.rows, 2);
  EXPECT_EQ(counts.input_tokens, 8);
  EXPECT_EQ(counts.kept_tokens, 6);
  EXPECT_EQ(counts.text(), "5 documents, 3 dropped (nothing to learn), 2 truncated; 2 rows per epoch with 8 tokens, 6 kept");
}

TEST(LoadRows, SplitDocumentsLoseNoTokenButAPieceWithoutLabels) {
  const ScratchFolder folder;
  const auto rows = load_one(folder.write("d.jsonl", ids_row(10, 9)), recipe_of(4, true, Overflow::split), nullptr);
  EXPECT_THAT(first_ids(*rows), ElementsAre(ElementsAre(10), ElementsAre(14)));  // the ninth token alone has no label
  EXPECT_EQ(counts_of(*rows).split, 1);
  EXPECT_EQ(counts_of(*rows).truncated, 0);
  EXPECT_EQ(counts_of(*rows).dropped, 1);
  EXPECT_EQ(counts_of(*rows).kept_tokens, 6);
}

TEST(LoadRows, WarnsWhenMoreThanFivePercentAreTruncated) {
  const ScratchFolder folder;
  std::string few, many;
  for (int i = 0; i < 20; ++i) few += ids_row(10, i == 0 ? 9 : 3);
  for (int i = 0; i < 20; ++i) many += ids_row(10, i < 2 ? 9 : 3);
  const size_t before = log::warnings().size();
  load_one(folder.write("few.jsonl", few), recipe_of(8), nullptr);
  EXPECT_EQ(log::warnings().size(), before);
  load_one(folder.write("many.jsonl", many), recipe_of(8), nullptr);
  ASSERT_EQ(log::warnings().size(), before + 1);
  EXPECT_THAT(log::warnings().back(), HasSubstr("2 of 20 documents are longer than 8 tokens"));
}

TEST(LoadRows, ATextFileHasOneDocumentPerLine) {
  const ScratchFolder folder;
  const ByteTokenizer tokenizer;
  const auto rows = load_one(folder.write("d.txt", "cd\n\n  \r\nd\r\ncc"), recipe_of(64), &tokenizer);
  EXPECT_EQ(counts_of(*rows).documents, 3);
  RowBuffer buffer;
  const auto& documents = rows->read({0, 0}, buffer);
  ASSERT_EQ(documents.size(), 3u);
  EXPECT_THAT(ids_of(documents[1]), ElementsAre(1, byte_id('d'), 2));
  EXPECT_THAT(labels_of(documents[1]), ElementsAre(kIgnored, byte_id('d'), 2));
}

TEST(LoadRows, RowsOfDifferentKindsMayShareAFile) {
  const ScratchFolder folder;
  const ByteTokenizer tokenizer;
  const auto path = folder.write(
      "d.jsonl", "{\"text\": \"c\"}\n{\"prompt\": \"c\", \"completion\": \"d\"}\n{\"input_ids\": [7, 8], \"labels\": [7, 9]}\n");
  const auto rows = load_one(path, recipe_of(64), &tokenizer);
  RowBuffer buffer;
  const auto& documents = rows->read({0, 0}, buffer);
  ASSERT_EQ(documents.size(), 3u);
  EXPECT_THAT(labels_of(documents[0]), ElementsAre(kIgnored, byte_id('c'), 2));
  EXPECT_THAT(labels_of(documents[1]), ElementsAre(kIgnored, kIgnored, byte_id('d'), 2));
  EXPECT_THAT(labels_of(documents[2]), ElementsAre(kIgnored, 9));
}

TEST(LoadRows, TheOrderAndTheFirstErrorDoNotDependOnTheThreads) {
  const ScratchFolder folder;
  const ByteTokenizer tokenizer;
  std::string text;
  constexpr int kRows = 30000;  // several chunks
  for (int i = 0; i < kRows; ++i) text += "{\"text\": \"" + std::to_string(i) + " " + std::string(60, 'c') + "\"}\n";
  const auto rows = load_one(folder.write("d.jsonl", text), recipe_of(256), &tokenizer);
  RowBuffer buffer;
  const auto documents = documents_of(rows->sources[0], buffer);
  ASSERT_EQ(documents.size(), size_t{kRows});
  for (int i = 0; i < kRows; ++i) {
    const auto ids = ids_of(documents[static_cast<size_t>(i)]);
    ASSERT_EQ(tokenizer.decode(ids, true), std::to_string(i) + " " + std::string(60, 'c'));
  }
  std::string broken = text + "{\n" + text + "}\n";
  EXPECT_THAT(message_of([&] { load_one(folder.write("e.jsonl", broken), recipe_of(256), &tokenizer); }),
              HasSubstr("e.jsonl:30001:"));
}

TEST(LoadRows, BadRowsAreNamedByFileAndLine) {
  const ScratchFolder folder;
  const auto refused = [&](const std::string& contents) {
    const auto path = folder.write("bad.jsonl", contents);
    return message_of([&] { load_one(path, recipe_of(8), nullptr); });
  };
  EXPECT_THAT(refused(ids_row(1, 2) + "{\"input_ids\": [301, 1]}\n"),
              HasSubstr("bad.jsonl:2: expected \"input_ids\" to hold ids"));
  EXPECT_THAT(refused(ids_row(1, 2) + "\n" + ids_row(1, 2)), AllOf(HasSubstr("bad.jsonl:2: "), HasSubstr("an empty line")));
  EXPECT_THAT(refused(ids_row(1, 2) + "{\"text\": \"a\"}\n"), AllOf(HasSubstr("bad.jsonl:2: "), HasSubstr("no tokenizer")));
  EXPECT_THAT(refused(ids_row(1, 2) + ids_row(1, 2) + "{\"input"), HasSubstr("bad.jsonl:3:"));
  EXPECT_EQ(refused(ids_row(1, 2) + "\n\n"), "no error");
}

TEST(LoadRows, NothingLeftToLearnIsAnError) {
  const ScratchFolder folder;
  const auto refused = [&](const std::string& contents) {
    const auto path = folder.write("few.jsonl", contents);
    return message_of([&] { load_one(path, recipe_of(4), nullptr); });
  };
  EXPECT_THAT(refused(""), AllOf(HasSubstr("data.train"), HasSubstr("few.jsonl"), HasSubstr("no document at all")));
  EXPECT_THAT(refused(ids_row(1, 1)), HasSubstr("1 documents, all without one"));
  EXPECT_THAT(refused("{\"input_ids\": [1,2,3,4,5], \"labels\": [-100,-100,-100,-100,5]}\n"),
              AllOf(HasSubstr("1 were cut to 4 tokens"), HasSubstr("Raise data.sequence_length")));
}

TEST(LoadRows, AnEvaluationSplitIgnoresWeights) {
  const ScratchFolder folder;
  const auto path = folder.write("d.jsonl", ids_row(10, 3) + ids_row(20, 3));
  const auto load = [&](const std::string& name) { return load_rows({{path, 2.5}}, recipe_of(3), name, nullptr, {301, 0}, 17); };
  EXPECT_EQ(load("data.eval")->counts.rows, 2);
  EXPECT_EQ(load("data.train")->counts.rows, 5);
}

TEST(LoadRows, ASignalEndsLoadingWithItsExitCode) {
  const ScratchFolder folder;
  const std::string path = folder.write("d.jsonl", ids_row(10, 3));
  const auto load_after_signal = [&] {
    install_stop_handlers();
    ::raise(SIGTERM);
    try {
      load_one(path, recipe_of(8), nullptr);
    } catch (const Stopped& stopped) {
      std::_Exit(static_cast<int>(stopped.exit_code()));
    }
    std::_Exit(1);
  };
  EXPECT_EXIT(load_after_signal(), testing::ExitedWithCode(143),
              testing::_);  // in a process of its own: the flag stays set; `_`: Oniguruma brings another regcomp()
}

TEST(LoadRows, TheFingerprintTellsAnyChangeOfTokensOrLabels) {
  const ScratchFolder folder;
  const auto fingerprint = [&](const std::string& contents) {
    return fingerprint_of(*load_one(folder.write("d.jsonl", contents), recipe_of(8), nullptr));
  };
  const uint64_t base = fingerprint("{\"input_ids\": [1, 2, 3]}\n");
  EXPECT_EQ(base, fingerprint("{\"input_ids\": [1,2,3], \"labels\": [1, 2, 3]}\n"));
  EXPECT_NE(base, fingerprint("{\"input_ids\": [1, 2, 4]}\n"));
  EXPECT_NE(base, fingerprint("{\"input_ids\": [1, 2, 3], \"labels\": [1, -100, 3]}\n"));
  EXPECT_NE(base, fingerprint("{\"input_ids\": [1, 2, 3], \"labels\": [1, 2, 4]}\n"));
}

}  // namespace
}  // namespace distill
