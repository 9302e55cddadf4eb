// What a run can tell about the way that attention took.
#include <gmock/gmock.h>

#include "model/support.h"

using namespace distill;
using namespace distill::testing_model;

namespace {

TEST(AttentionNotes, EachKindOfCallIsNewsOnce) {
  ModelSpec spec = small_spec();
  spec.head_size = 10;  // no other test has it
  spec.rope.rotary_size = 10;
  const Transformer model = Transformer::from_weights(spec, weights_for(spec, at::kFloat));
  Needs needs;
  needs.logits = true;
  take_attention_news();
  model.forward(make_batch({{random_document(9, 31, 1)}}), needs, {});
  const std::vector<AttentionNews> news = take_attention_news();
  ASSERT_EQ(news.size(), 1u);
  EXPECT_THAT(news[0].line, testing::HasSubstr("cpu Float, heads 3/3 of size 10, causal, length up to 9"));
  EXPECT_FALSE(news[0].slow) << "only a GPU has a faster path to miss";
  model.forward(make_batch({{random_document(12, 31, 1)}}), needs, {});
  EXPECT_TRUE(take_attention_news().empty());
  needs.attention_layers = {1};
  model.forward(make_batch({{random_document(9, 31, 1)}}), needs, {});
  EXPECT_THAT(take_attention_news().at(0).line, testing::HasSubstr("eager: "));
}

}  // namespace
