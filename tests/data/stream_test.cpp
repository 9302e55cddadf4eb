// Updates: order as a pure function of (seed, epoch, index), splits of the same batch, positions, tensors.
#include "distill/data/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ops/equal.h>

#include <algorithm>
#include <map>
#include <set>

#include "distill/data/batch.h"
#include "distill/data/order.h"

#include "data/byte_tokenizer.h"

namespace distill {
namespace {

using testing::ElementsAre;

std::vector<int64_t> values(const at::Tensor& tensor) {
  const int64_t* data = tensor.const_data_ptr<int64_t>();
  return {data, data + tensor.numel()};
}

// Files of `count` documents with lengths 2, 3, 4, 5, 2, ..., one row each; the first id tells source and document.
std::shared_ptr<const Rows> make_rows(std::vector<std::pair<int, double>> sources, bool packing = false) {
  const ScratchFolder folder;
  std::vector<SourceRecipe> recipes;
  int64_t next = 0;
  for (const auto& [count, weight] : sources) {
    std::string text;
    for (int i = 0; i < count; ++i, next += 10) text += ids_row(next, 2 + i % 4);
    recipes.push_back({folder.write("s" + std::to_string(recipes.size()) + ".jsonl", text), weight});
  }
  DataRecipe recipe;
  recipe.packing = packing;
  recipe.sequence_length = 8;
  return load_rows(recipes, recipe, "data.train", nullptr, {100000, 0}, 17);
}

StreamOptions options_of(int64_t batch_size, int64_t accumulation, bool shuffle = true, uint64_t seed = 17) {
  StreamOptions options;
  options.batch_size = batch_size;
  options.accumulation = accumulation;
  options.shuffle = shuffle;
  options.seed = seed;
  return options;
}

// {row key, first id} of every row of the update, in order.
std::vector<std::pair<int64_t, int64_t>> rows_of(const Update& update) {
  std::vector<std::pair<int64_t, int64_t>> rows;
  for (const TokenBatch& batch : update.micro_batches)
    for (int64_t b = 0; b < batch.rows(); ++b)
      rows.emplace_back(values(batch.row_keys_B)[static_cast<size_t>(b)],
                        values(batch.ids_BT)[static_cast<size_t>(b * batch.length())]);
  return rows;
}

std::vector<std::pair<int64_t, int64_t>> take(UpdateStream& stream, int64_t count) {
  std::vector<std::pair<int64_t, int64_t>> all;
  for (int64_t u = 0; u < count; ++u)
    for (const auto& row : rows_of(stream.next())) all.push_back(row);
  return all;
}

std::vector<int64_t> first_ids(const std::vector<std::pair<int64_t, int64_t>>& rows) {
  std::vector<int64_t> ids;
  for (const auto& row : rows) ids.push_back(row.second);
  return ids;
}

TEST(Batch, LabelsAreShiftedWithinTheirDocumentAndPaddingIsMarked) {
  const ScratchFolder folder;
  DataRecipe recipe;
  recipe.sequence_length = 6;
  const auto rows = load_one(
      folder.write("d.jsonl", "{\"input_ids\": [5, 6, 7], \"labels\": [5, -100, 7]}\n" + ids_row(20, 2) + ids_row(30, 4)), recipe,
      nullptr);
  const TokenBatch batch = make_batch(*rows, {{{0, 0}, 40}, {{0, 1}, 41}}, false);
  EXPECT_EQ(batch.rows(), 2);
  EXPECT_EQ(batch.length(), 5);
  EXPECT_THAT(values(batch.ids_BT), ElementsAre(5, 6, 7, 20, 21, 30, 31, 32, 33, 0));
  EXPECT_THAT(values(batch.positions_BT), ElementsAre(0, 1, 2, 0, 1, 0, 1, 2, 3, 0));
  EXPECT_THAT(values(batch.documents_BT), ElementsAre(0, 0, 0, 1, 1, 0, 0, 0, 0, -1));
  EXPECT_THAT(values(batch.targets_BT), ElementsAre(-100, 7, -100, 21, -100, 31, 32, 33, -100, -100));
  EXPECT_THAT(values(batch.kept_N), ElementsAre(1, 3, 5, 6, 7));
  EXPECT_THAT(values(batch.kept_targets_N), ElementsAre(7, 21, 31, 32, 33));
  EXPECT_THAT(values(batch.row_keys_B), ElementsAre(40, 41));
  EXPECT_EQ(batch.num_kept, 5);
  EXPECT_EQ(batch.num_tokens, 9);
  EXPECT_FALSE(batch.one_document_per_row);
  EXPECT_THAT(batch.document_lengths, ElementsAre(ElementsAre(3, 2), ElementsAre(4)));
  EXPECT_TRUE(make_batch(*rows, {{{0, 1}, 0}}, false).one_document_per_row);
}

TEST(Batch, LabelsOtherThanTheIdsReachTheTargets) {
  const ScratchFolder folder;
  const auto rows = load_one(folder.write("d.jsonl", "{\"input_ids\": [5, 6, 7], \"labels\": [1, 2, 3]}\n"), {}, nullptr);
  EXPECT_THAT(values(make_batch(*rows, {{{0, 0}, 0}}, false).targets_BT), ElementsAre(2, 3, -100));
}

TEST(Stream, WithoutShuffleRowsComeInFileOrderSourceAfterSource) {
  UpdateStream stream(make_rows({{3, 2}, {2, 1}}), options_of(4, 1, false));
  EXPECT_THAT(first_ids(take(stream, 2)), ElementsAre(0, 10, 20, 0, 10, 20, 30, 40));
}

TEST(Stream, EveryEpochHoldsEveryRowOnceInANewOrder) {
  const auto rows = make_rows({{50, 1}});
  UpdateStream stream(rows, options_of(4, 2));
  EXPECT_EQ(stream.updates_per_epoch(), 7);
  std::vector<std::vector<int64_t>> epochs;
  for (int e = 0; e < 3; ++e) {
    epochs.push_back(first_ids(take(stream, 7)));
    EXPECT_EQ(std::set<int64_t>(epochs.back().begin(), epochs.back().end()).size(), 50u);
    EXPECT_EQ(epochs.back().size(), 50u);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
}

TEST(Stream, TheOrderIsAPureFunctionOfTheSeed) {
  const auto rows = make_rows({{50, 1}, {20, 0.5}});
  UpdateStream first(rows, options_of(4, 2)), again(rows, options_of(4, 2)), other(rows, options_of(4, 2, true, 18));
  const auto expected = take(first, 20);
  EXPECT_EQ(take(again, 20), expected);
  EXPECT_NE(take(other, 20), expected);
}

TEST(Stream, AnyRowIsFoundWithoutWalkingToIt) {
  const auto rows = make_rows({{50, 1.5}});
  UpdateStream stream(rows, options_of(5, 1));
  const auto all = take(stream, 45);  // three epochs of 75 rows
  RowBuffer buffer;
  for (const int64_t index : {0, 74, 75, 149, 224}) {
    const EpochOrder order(*rows, 17, index / 75, true);
    const RowPlace place = order.at(index % 75);
    EXPECT_EQ(all[static_cast<size_t>(index)].second, rows->read(place, buffer)[0].tokens[0].id());
  }
}

TEST(Stream, TheSameRowsMakeAnUpdateHoweverItIsSplit) {
  const auto rows = make_rows({{37, 1}, {11, 1.5}});
  UpdateStream whole(rows, options_of(8, 1));
  std::vector<Update> expected;
  for (int u = 0; u < 15; ++u) expected.push_back(whole.next());
  for (const auto& [batch_size, accumulation] : {std::pair{4, 2}, {2, 4}, {1, 8}}) {
    UpdateStream split(rows, options_of(batch_size, accumulation));
    EXPECT_EQ(split.updates_per_epoch(), whole.updates_per_epoch());
    for (const Update& want : expected) {
      const Update got = split.next();
      EXPECT_EQ(rows_of(got), rows_of(want)) << batch_size << " x " << accumulation;
      EXPECT_EQ(got.kept_tokens, want.kept_tokens);
      EXPECT_EQ(got.input_tokens, want.input_tokens);
      EXPECT_EQ(got.epoch, want.epoch);
    }
  }
}

TEST(Stream, AnUpdateNeverCrossesAnEpochAndEmptyMicroBatchesAreLeftOut) {
  UpdateStream stream(make_rows({{11, 1}}), options_of(2, 4));
  EXPECT_EQ(stream.updates_per_epoch(), 2);
  EXPECT_EQ(stream.next().micro_batches.size(), 4u);
  const Update last = stream.next();
  EXPECT_EQ(last.epoch, 0);
  ASSERT_EQ(last.micro_batches.size(), 2u);
  EXPECT_EQ(last.micro_batches[1].rows(), 1);
  EXPECT_EQ(stream.next().epoch, 1);
}

TEST(Stream, RowKeysNameThePlaceInTheRun) {
  UpdateStream stream(make_rows({{5, 1}}), options_of(2, 1));
  std::vector<int64_t> keys;
  for (const auto& row : take(stream, 6)) keys.push_back(row.first);
  EXPECT_THAT(keys, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST(Stream, CountsOfAnUpdateAreThoseOfItsBatches) {
  UpdateStream stream(make_rows({{9, 1}}, /*packing=*/true), options_of(2, 2));
  const Update update = stream.next();
  int64_t kept = 0, tokens = 0, places = 0;
  for (const TokenBatch& batch : update.micro_batches) {
    kept += static_cast<int64_t>(values(batch.kept_N).size());
    const auto targets = values(batch.targets_BT), documents = values(batch.documents_BT);
    EXPECT_EQ(std::count_if(targets.begin(), targets.end(), [](int64_t t) { return t != -100; }), batch.num_kept);
    tokens += std::count_if(documents.begin(), documents.end(), [](int64_t d) { return d >= 0; });
    places += batch.rows() * batch.length();
  }
  EXPECT_EQ(update.kept_tokens, kept);
  EXPECT_EQ(update.input_tokens, tokens);
  EXPECT_EQ(update.padded_tokens, places - tokens);
}

TEST(Stream, PaddingPerEpochIsTheSumOverItsUpdates) {
  UpdateStream stream(make_rows({{23, 1}}), options_of(3, 2));
  int64_t padding = 0;
  for (int64_t u = 0; u < stream.updates_per_epoch(); ++u) padding += stream.next().padded_tokens;
  EXPECT_GT(padding, 0);
  EXPECT_EQ(stream.padding_per_epoch(), padding);
}

TEST(Stream, SeekingEqualsAStraightRunBitForBit) {
  const auto rows = make_rows({{37, 1}, {11, 1.5}}, /*packing=*/true);
  UpdateStream straight(rows, options_of(2, 2));
  std::vector<Update> expected;
  for (int u = 0; u < 30; ++u) expected.push_back(straight.next());
  for (const int64_t start : {29, 0, 7, 13}) {
    UpdateStream resumed(rows, options_of(2, 2));
    resumed.next();  // the thread is running when seek comes
    resumed.seek(start);
    EXPECT_EQ(resumed.position(), start);
    for (int64_t u = start; u < std::min<int64_t>(30, start + 5); ++u) {
      const Update got = resumed.next();
      const Update& want = expected[static_cast<size_t>(u)];
      EXPECT_EQ(got.index, u);
      ASSERT_EQ(got.micro_batches.size(), want.micro_batches.size());
      for (size_t m = 0; m < got.micro_batches.size(); ++m) {
        for (at::Tensor TokenBatch::*member :
             {&TokenBatch::ids_BT, &TokenBatch::positions_BT, &TokenBatch::documents_BT, &TokenBatch::targets_BT,
              &TokenBatch::row_keys_B, &TokenBatch::kept_N, &TokenBatch::kept_targets_N})
          EXPECT_TRUE(at::equal(got.micro_batches[m].*member, want.micro_batches[m].*member));
      }
    }
  }
}

TEST(Stream, PrefetchingChangesNothing) {
  const auto rows = make_rows({{37, 1}});
  StreamOptions none = options_of(2, 2);
  none.prefetch = 0;
  UpdateStream direct(rows, none), ahead(rows, options_of(2, 2));
  EXPECT_EQ(take(direct, 25), take(ahead, 25));
  EXPECT_EQ(direct.position(), 25);
  EXPECT_EQ(ahead.position(), 25);
}

TEST(Weights, AreRepetitionsPerEpoch) {
  const auto rows = make_rows({{10, 2.5}, {7, 1}});
  EXPECT_EQ(rows_per_epoch(*rows), 32);
  std::set<std::set<int64_t>> thirds;
  for (int64_t epoch = 0; epoch < 6; ++epoch) {
    const EpochOrder order(*rows, 17, epoch, true);
    ASSERT_EQ(order.size(), 32);
    std::map<std::pair<uint32_t, uint64_t>, int> times;
    for (int64_t i = 0; i < order.size(); ++i) ++times[{order.at(i).source, order.at(i).row}];
    std::set<int64_t> third;
    for (uint64_t r = 0; r < 10; ++r) {
      EXPECT_TRUE((times[{0, r}] == 2 || times[{0, r}] == 3));
      if (times[{0, r}] == 3) third.insert(static_cast<int64_t>(r));
    }
    EXPECT_EQ(third.size(), 5u);
    for (uint64_t r = 0; r < 7; ++r) EXPECT_EQ((times[{1, r}]), 1);
    thirds.insert(third);
  }
  EXPECT_GT(thirds.size(), 1u) << "another half in another epoch";
}

TEST(Weights, AShareThatIsWholeInDecimalStaysWhole) {
  EXPECT_EQ(rows_per_epoch(*make_rows({{100, 0.29}})), 29);
  EXPECT_EQ(rows_per_epoch(*make_rows({{10, 2.3}})), 23);
  EXPECT_EQ(rows_per_epoch(*make_rows({{10, 0.35}})), 3);
  EXPECT_EQ(rows_per_epoch(*make_rows({{2, 0.4}, {3, 1}})), 3) << "a source may leave no row in an epoch";
}

TEST(Weights, WithoutShuffleTheChosenRowsKeepFileOrder) {
  const auto rows = make_rows({{20, 0.5}});
  UpdateStream stream(rows, options_of(10, 1, false));
  const auto ids = first_ids(take(stream, 1));
  EXPECT_EQ(ids.size(), 10u);
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
}

TEST(Weights, CountsAreThoseOfTheFirstEpoch) {
  const auto rows = make_rows({{20, 0.5}, {9, 2}});
  UpdateStream stream(rows, options_of(4, 1));
  int64_t kept = 0, tokens = 0, taken = 0;
  for (int64_t u = 0; u < stream.updates_per_epoch(); ++u) {
    const Update update = stream.next();
    kept += update.kept_tokens;
    tokens += update.input_tokens;
    taken += static_cast<int64_t>(rows_of(update).size());
  }
  EXPECT_EQ(counts_of(*rows).rows, taken);
  EXPECT_EQ(counts_of(*rows).input_tokens, tokens);
  EXPECT_EQ(counts_of(*rows).kept_tokens, kept);
}

TEST(UpdatesForTokens, CountWhatTheUpdatesReallyKeep) {
  for (const double weight : {1.0, 0.5}) {  // every epoch alike, and not
    UpdateStream stream(make_rows({{23, weight}, {9, 2}}), options_of(3, 2));
    double seen = 0;
    for (int64_t u = 1; u <= 40; ++u) {
      const double before = seen;
      seen += static_cast<double>(stream.next().kept_tokens);
      EXPECT_EQ(stream.updates_for_tokens(seen), u);
      EXPECT_EQ(stream.updates_for_tokens(before + 1), u);
      EXPECT_EQ(stream.updates_for_tokens(seen + 0.5), u + 1);
    }
    EXPECT_EQ(stream.updates_for_tokens(0), 1);
  }
}

TEST(Evaluation, UsesEveryRowOnceInFileOrderWhateverTheWeight) {
  const auto rows = make_rows({{5, 0.5}, {4, 3}});
  std::vector<int64_t> ids;
  const auto batches = evaluation_batches(*rows, 4);
  ASSERT_EQ(batches.size(), 3u);
  for (const TokenBatch& batch : batches)
    for (int64_t b = 0; b < batch.rows(); ++b) ids.push_back(values(batch.ids_BT)[static_cast<size_t>(b * batch.length())]);
  EXPECT_THAT(ids, ElementsAre(0, 10, 20, 30, 40, 50, 60, 70, 80));
  EXPECT_EQ(num_evaluation_batches(*rows, 4), 3);
  EXPECT_TRUE(at::equal(evaluation_batch(*rows, 4, 1).ids_BT, batches[1].ids_BT));
  EXPECT_THROW(evaluation_batch(*rows, 4, 3), Bug);
}

TEST(Stream, SeveralProcessesAreRefusedByName) {
  StreamOptions options = options_of(2, 1);
  options.world = 2;
  EXPECT_THROW(UpdateStream(make_rows({{5, 1}}), options), RecipeError);
}

}  // namespace
}  // namespace distill
