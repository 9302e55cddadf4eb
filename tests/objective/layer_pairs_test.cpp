// The four ways to pair layers, and what they refuse.
#include "distill/objective/layer_pairs.h"

#include <gtest/gtest.h>

using namespace distill;

namespace {

LayerPairs pairs_of(const LayerMapping& mapping, const LayerRange& range, size_t expected_complaints = 0) {
  std::vector<Complaint> complaints;
  const LayerPairs pairs = layer_pairs(mapping, range, "objective.0.layer_mapping", complaints);
  EXPECT_EQ(complaints.size(), expected_complaints);
  return pairs;
}

TEST(LayerPairs, UniformRoundsHalfUp) {
  EXPECT_EQ(pairs_of({LayerRule::uniform, {}}, {0, 4, 12}), (LayerPairs{{1, 3}, {2, 6}, {3, 9}, {4, 12}}));
  EXPECT_EQ(pairs_of({LayerRule::uniform, {}}, {0, 2, 5}), (LayerPairs{{1, 3}, {2, 5}}));  // 2.5 -> 3
  EXPECT_EQ(pairs_of({LayerRule::uniform, {}}, {0, 4, 2}), (LayerPairs{{1, 1}, {2, 1}, {3, 2}, {4, 2}}));
}

TEST(LayerPairs, LastIsOnePair) { EXPECT_EQ(pairs_of({LayerRule::last, {}}, {1, 4, 12}), (LayerPairs{{4, 12}})); }

TEST(LayerPairs, AllNeedsEqualDepths) {
  EXPECT_EQ(pairs_of({LayerRule::all, {}}, {1, 2, 2}), (LayerPairs{{1, 1}, {2, 2}}));
  pairs_of({LayerRule::all, {}}, {1, 2, 3}, 1);
}

TEST(LayerPairs, EveryLayerOutOfRangeIsReportedAtOnce) {
  EXPECT_EQ(pairs_of({LayerRule::pairs, {{0, 12}}}, {0, 4, 12}), (LayerPairs{{0, 12}}));
  pairs_of({LayerRule::pairs, {{5, 13}, {-1, 0}}}, {0, 4, 12}, 3);
}

TEST(LayerPairs, AttentionHasNoMapOfTheEmbeddings) { pairs_of({LayerRule::pairs, {{0, 1}}}, {1, 4, 12}, 1); }

TEST(LayerPairs, AnEmptyListIsRefused) { pairs_of({LayerRule::pairs, {}}, {0, 4, 12}, 1); }

}  // namespace
