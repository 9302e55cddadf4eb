#include "distill/report/figures.h"

#include <gtest/gtest.h>

namespace distill {
namespace {

TEST(Figures, OnlyWhatWasMeasuredIsNamed) {
  EvalEvent event;
  EXPECT_TRUE(figures_of(event).empty());
  event.cross_entropy = 1.25;
  event.accuracy = 0.875;
  EXPECT_EQ(figures_text(event), "cross-entropy 1.2500, accuracy 87.5 %");
  event.kl = 0.5;
  event.top1_agreement = 1;
  EXPECT_EQ(figures_text(event), "cross-entropy 1.2500, accuracy 87.5 %, KL to the teacher 0.5000, same first choice 100.0 %");
  EvalEvent vectors;
  vectors.cosine = 0.99;
  ASSERT_EQ(figures_of(vectors).size(), 1u);
  EXPECT_STREQ(figures_of(vectors)[0].key, "cosine");
  EXPECT_EQ(figures_text(vectors), "cosine to the teacher 0.9900");
}

}  // namespace
}  // namespace distill
