// Models cut out of others: what stays equals the teacher's, heads and units that go leave the function of a teacher in which
// they are zero, and every cut reads back, loads and computes.
#include "distill/model/shrink.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "distill/core/error.h"

#include "model/support.h"

using namespace distill;
using namespace distill::testing_model;

namespace {

struct Shrunk {
  ModelSpec teacher;
  Resized student;
  std::unique_ptr<TensorSource> weights;
};

std::filesystem::path folder_of(const std::string& name) { return data_folder() / name; }

Shrunk shrink(const std::string& name, const ShrinkPlan& plan) {
  Shrunk shrunk;
  shrunk.teacher = read_spec_file(folder_of(name).string());
  shrunk.student = resize(shrunk.teacher, plan);
  EXPECT_TRUE(shrunk.student.problems.empty())
      << shrunk.student.problems.front().key << ": " << shrunk.student.problems.front().found;
  shrunk.weights =
      cut_weights(shrunk.teacher, open_hf_folder(folder_of(name)).weights, shrunk.student.spec, shrunk.student.sizes);
  return shrunk;
}

std::map<std::string, at::Tensor> everything(const TensorSource& source) {
  std::map<std::string, at::Tensor> tensors;
  for (size_t i = 0; i < source.tensors().size(); ++i)
    tensors[source.tensors()[i].name] = source.read(i, source.tensors()[i].dtype, at::kCPU);
  return tensors;
}

std::string problem_of(const std::string& name, const ShrinkPlan& plan) {
  const Resized resized = resize(read_spec_file(folder_of(name).string()), plan);
  std::string text;
  for (const SizeProblem& problem : resized.problems)
    text += problem.key + ": expected " + problem.expected + ", found " + problem.found + ". " + problem.advice;
  return text;
}

// Weights by our names, in float64.
WeightMap teacher_weights(const std::string& name) {
  LoadOptions options;
  options.dtype = at::kDouble;
  const HfFolder folder = open_hf_folder(folder_of(name));
  return read_weights(read_spec_file(folder.path.string()), *folder.weights, options);
}

at::Tensor answer(const Transformer& model) {
  Needs needs;
  needs.logits = model.spec().task != Task::embedding;
  needs.embedding = !needs.logits;
  const ForwardOutput output = model.forward(make_batch({{random_document(9, model.spec().vocab_size, 3)}}), needs, {});
  return needs.embedding ? output.embedding_BD : output.logits_BTV();
}

Transformer load_double(const Shrunk& shrunk) {
  LoadOptions options;
  options.dtype = at::kDouble;
  return Transformer::load(shrunk.student.spec, *shrunk.weights, options);
}

// [out, in], whatever the checkpoint does.
at::Tensor in_order(const WeightMap& weights, const std::string& ours) {
  const at::Tensor& tensor = weights.get(ours);
  return weights.row_or_none(ours)->transform == WeightTransform::transpose && tensor.dim() == 2 ? tensor.t() : tensor;
}

std::string block_name(int64_t layer, const char* part) { return "layers." + std::to_string(layer) + "." + part; }

class Shrinking : public ::testing::TestWithParam<const char*> {};

TEST_P(Shrinking, WithEverySizeKeptNothingChanges) {
  const ModelSpec spec = read_spec_file(folder_of(GetParam()).string());
  const ModelSizes sizes = sizes_of(spec);
  const Shrunk shrunk =
      shrink(GetParam(), {sizes.layers, sizes.hidden_size, sizes.num_heads, sizes.num_kv_heads, sizes.intermediate_size});
  EXPECT_EQ(shrunk.student.spec.config.dump(), spec.config.dump());
  const auto before = read_tensors(folder_of(GetParam()) / "model.safetensors");
  const auto after = everything(*shrunk.weights);
  for (const WeightRow& row : weight_rows(spec)) {
    if (row.carried && !before.count(row.theirs)) continue;
    ASSERT_TRUE(after.count(row.theirs)) << row.theirs;
    const std::string stored = before.count(row.theirs) ? row.theirs : checkpoint_names(spec, row).at(1);
    EXPECT_TRUE(at::equal(after.at(row.theirs), before.at(stored))) << row.theirs;
  }
}

TEST_P(Shrinking, TheFirstBlocksComputeTheTeachersHiddenStates) {
  const ModelSpec spec = read_spec_file(folder_of(GetParam()).string());
  if (spec.num_layers < 2) return;
  const int64_t kept = spec.num_layers - 1;
  ShrinkPlan plan;
  plan.layers.emplace(static_cast<size_t>(kept));
  std::iota(plan.layers->begin(), plan.layers->end(), 0);
  const Shrunk shrunk = shrink(GetParam(), plan);
  ASSERT_EQ(shrunk.student.spec.num_layers, kept);
  const Transformer student = load_double(shrunk), teacher = load_case(GetParam(), {at::kDouble, at::kCPU, false});
  const TokenBatch batch = make_batch({{random_document(9, spec.vocab_size, 3)}});
  const Needs needs = all_needs(student.spec());
  const ForwardOutput found = student.forward(batch, needs, {}), expected = teacher.forward(batch, all_needs(spec), {});
  for (int64_t l = 0; l < kept; ++l)  // the last one is behind the final norm
    EXPECT_TRUE(at::equal(found.hidden_BTD.at(l), expected.hidden_BTD.at(l))) << l;
  for (int64_t l = 1; l <= kept; ++l) EXPECT_TRUE(at::equal(found.attention_BHTT.at(l), expected.attention_BHTT.at(l))) << l;
}

TEST_P(Shrinking, TheLastBlockAloneHasTheTeachersWeightsAndFacts) {
  const ModelSpec spec = read_spec_file(folder_of(GetParam()).string());
  const int64_t last = spec.num_layers - 1;
  ShrinkPlan plan;
  plan.layers = {last};
  if (spec.layers.back().attention_scale != 0 && last > 0) return;  // goes by the block's number: refused, see below
  const Shrunk shrunk = shrink(GetParam(), plan);
  ASSERT_EQ(shrunk.student.spec.num_layers, 1);
  EXPECT_EQ(shrunk.student.spec.layers[0].window, spec.layers[last].window);
  EXPECT_EQ(shrunk.student.spec.layers[0].local_rope, spec.layers[last].local_rope);
  const auto found = everything(*shrunk.weights);
  const WeightMap teacher = teacher_weights(GetParam());
  for (const WeightRow& row : weight_rows(shrunk.student.spec)) {
    if (row.carried && !found.count(row.theirs)) continue;
    std::string ours = row.ours;
    if (ours.rfind("layers.0.", 0) == 0) ours = block_name(last, ours.substr(9).c_str());
    EXPECT_TRUE(at::equal(found.at(row.theirs).to(at::kDouble), teacher.get(ours))) << row.ours;
  }
  EXPECT_TRUE(answer(load_double(shrunk)).isfinite().all().item<bool>());
}

// A teacher whose other units write nothing computes the same.
TEST_P(Shrinking, FeedForwardUnitsThatGoLeaveATeacherInWhichTheyAreZero) {
  const int64_t kept = 11;
  ShrinkPlan plan;
  plan.intermediate_size = kept;
  const Shrunk shrunk = shrink(GetParam(), plan);
  const WeightMap weights = teacher_weights(GetParam());
  const int64_t F = shrunk.teacher.intermediate_size;
  for (int64_t l = 0; l < shrunk.teacher.num_layers; ++l) {
    const at::Tensor down = in_order(weights, block_name(l, "mlp.down.weight"));
    at::Tensor squares = down.square().sum(0);
    for (const char* part : {"mlp.gate.weight", "mlp.up.weight", "mlp.gate_up.weight"})
      if (weights.row_or_none(block_name(l, part)))
        squares = squares + in_order(weights, block_name(l, part)).square().sum(1).view({-1, F}).sum(0);
    const at::Tensor gone = std::get<1>(squares.sort(/*dim=*/0, /*descending=*/true)).slice(0, kept);
    down.index_fill_(1, gone, 0);
  }
  const Transformer twin = Transformer::from_weights(shrunk.teacher, weights);
  EXPECT_LT(relative_error(answer(load_double(shrunk)), answer(twin)), 1e-12);
}

// Values [K, D] of one key/value head.
at::Tensor values_of(const ModelSpec& spec, const WeightMap& weights, int64_t layer, int64_t g) {
  const int64_t K = spec.head_size;
  if (spec.qkv == QkvLayout::separate)
    return in_order(weights, block_name(layer, "attention.v.weight")).slice(0, g * K, (g + 1) * K);
  const at::Tensor qkv = in_order(weights, block_name(layer, "attention.qkv.weight"));
  if (spec.qkv == QkvLayout::per_head) return qkv.view({spec.num_heads, 3, K, -1}).select(1, 2)[g];
  const int64_t first = (spec.num_heads + spec.num_kv_heads + g) * K;
  return qkv.slice(0, first, first + K);
}

TEST_P(Shrinking, HeadsThatGoLeaveATeacherInWhichTheyWriteNothing) {
  const ModelSpec spec = read_spec_file(folder_of(GetParam()).string());
  const int64_t K = spec.head_size, H = spec.num_heads, R = spec.num_heads / spec.num_kv_heads;
  ShrinkPlan plan;
  plan.num_heads = R > 1 ? spec.num_kv_heads : H - 1;  // one query to every key/value head, or whole heads
  if (!problem_of(GetParam(), plan).empty()) return;   // no key for the size of a head: with the hidden size, below
  const Shrunk shrunk = shrink(GetParam(), plan);
  ASSERT_EQ(shrunk.student.sizes.num_kv_heads, R > 1 ? spec.num_kv_heads : H - 1);
  const WeightMap weights = teacher_weights(GetParam());
  for (int64_t l = 0; l < spec.num_layers; ++l) {
    const at::Tensor out = in_order(weights, block_name(l, "attention.out.weight"));
    std::vector<double> norms;
    for (int64_t h = 0; h < H; ++h)
      norms.push_back(out.slice(1, h * K, (h + 1) * K).matmul(values_of(spec, weights, l, h / R)).norm().item<double>());
    const int64_t group = R > 1 ? R : H;  // of each group of R one stays, or of all heads all but one
    for (int64_t first = 0; first < H; first += group) {
      const auto begin = norms.begin() + first, end = begin + group;
      const int64_t most = std::max_element(begin, end) - norms.begin(), least = std::min_element(begin, end) - norms.begin();
      for (int64_t h = first; h < first + group; ++h)
        if (R > 1 ? h != most : h == least) out.slice(1, h * K, (h + 1) * K).zero_();
    }
  }
  const Transformer twin = Transformer::from_weights(spec, weights);
  EXPECT_LT(relative_error(answer(load_double(shrunk)), answer(twin)), 1e-12);
}

// The sum over all matrices of the norm of what each holds for a channel, computed channel by channel.
std::vector<int64_t> channels_by_hand(const ModelSpec& spec, const WeightMap& weights, int64_t count) {
  std::vector<std::pair<double, int64_t>> scores;
  for (int64_t d = 0; d < spec.hidden_size; ++d) {
    double score = 0;
    for (size_t i = 0; i < weights.rows().size(); ++i) {
      const std::string& ours = weights.rows()[i].ours;
      if (weights.rows()[i].carried || ours.find("norm") != ours.npos) continue;
      const at::Tensor tensor = in_order(weights, ours);
      const auto has = [&](const char* part) { return ours.find(part) != ours.npos; };
      const bool square = has("pooler.") || has("head_transform."), writes = has("attention.out.") || has("mlp.down.");
      if (tensor.dim() == 2 && !writes) score += tensor.select(1, d).norm().item<double>();
      if (tensor.dim() == 2 && (writes || square)) score += tensor.select(0, d).norm().item<double>();
      if (tensor.dim() == 1 && (writes || square)) score += std::abs(tensor[d].item<double>());
    }
    scores.emplace_back(-score, d);
  }
  std::sort(scores.begin(), scores.end());
  std::vector<int64_t> channels;
  for (int64_t i = 0; i < count; ++i) channels.push_back(scores[i].second);
  std::sort(channels.begin(), channels.end());
  return channels;
}

// Query heads of the groups that stay when the one whose heads write least goes, in block `layer`.
struct HeadsByHand {
  std::vector<int64_t> heads, kv_heads;
};
HeadsByHand heads_by_hand(const ModelSpec& spec, const WeightMap& weights, int64_t layer) {
  const int64_t K = spec.head_size, R = spec.num_heads / spec.num_kv_heads;
  const at::Tensor out = in_order(weights, block_name(layer, "attention.out.weight"));
  std::vector<double> squares;
  for (int64_t g = 0; g < spec.num_kv_heads; ++g) {
    squares.push_back(0);
    for (int64_t h = g * R; h < (g + 1) * R; ++h)
      squares.back() +=
          std::pow(out.slice(1, h * K, (h + 1) * K).matmul(values_of(spec, weights, layer, g)).norm().item<double>(), 2);
  }
  const int64_t least = std::min_element(squares.begin(), squares.end()) - squares.begin();
  HeadsByHand kept;
  for (int64_t g = 0; g < spec.num_kv_heads; ++g) {
    if (g == least) continue;
    kept.kv_heads.push_back(g);
    for (int64_t h = g * R; h < (g + 1) * R; ++h) kept.heads.push_back(h);
  }
  return kept;
}

// Rows that come in heads of `size`, of which those in `kept` stay.
at::Tensor keep_heads(const at::Tensor& rows, const std::vector<int64_t>& kept, int64_t size) {
  std::vector<int64_t> heads_first = rows.sizes().vec();
  heads_first[0] = size;
  heads_first.insert(heads_first.begin(), rows.size(0) / size);
  return rows.reshape(heads_first).index_select(0, at::tensor(kept, at::kLong)).flatten(0, 1);
}

// A weight of attention [out, in] or [out] without the heads that go.
at::Tensor without_heads(const ModelSpec& spec, const std::string& ours, const at::Tensor& weight, const HeadsByHand& kept) {
  const int64_t K = spec.head_size, Q = spec.num_heads * K, KV = spec.num_kv_heads * K;
  const auto is = [&](const char* part) { return ours.find(part) != ours.npos; };
  if (is("attention.out.weight")) return keep_heads(weight.t(), kept.heads, K).t();
  if (is("attention.q.")) return keep_heads(weight, kept.heads, K);
  if (is("attention.k.") || is("attention.v.")) return keep_heads(weight, kept.kv_heads, K);
  if (!is("attention.qkv.")) return weight;
  if (spec.qkv == QkvLayout::per_head) return keep_heads(weight, kept.heads, 3 * K);
  return at::cat({keep_heads(weight.slice(0, 0, Q), kept.heads, K), keep_heads(weight.slice(0, Q, Q + KV), kept.kv_heads, K),
                  keep_heads(weight.slice(0, Q + KV), kept.kv_heads, K)});
}

at::Tensor without_channels(const std::string& ours, const at::Tensor& weight, const at::Tensor& channels) {
  const auto is = [&](const char* part) { return ours.find(part) != ours.npos; };
  const bool writes = is("attention.out.") || is("mlp.down.") || is("pooler.") || is("head_transform.");
  if (is("attention.q_norm.") || is("attention.k_norm.")) return weight;
  if (weight.dim() == 1) return writes || is("norm.") ? weight.index_select(0, channels) : weight;
  const at::Tensor cut = writes ? weight.index_select(0, channels) : weight;
  return is("attention.out.") || is("mlp.down.") ? cut : cut.index_select(1, channels);
}

// Where config.json gives no size of a head, a group of heads goes with the channels.
TEST_P(Shrinking, TheSameChannelsStayInEveryWeightAndTheHeadsThatWriteMost) {
  const ModelSpec spec = read_spec_file(folder_of(GetParam()).string());
  ShrinkPlan plan;
  plan.hidden_size = spec.hidden_size - spec.head_size;
  const bool heads_too = !problem_of(GetParam(), plan).empty();
  if (heads_too) plan.num_heads = spec.num_heads - spec.num_heads / spec.num_kv_heads;
  if (heads_too && spec.num_kv_heads < spec.num_heads) plan.num_kv_heads = spec.num_kv_heads - 1;
  if (heads_too) plan.hidden_size = *plan.num_heads * spec.head_size;
  const Shrunk shrunk = shrink(GetParam(), plan);
  const auto found = everything(*shrunk.weights);
  const WeightMap teacher = teacher_weights(GetParam());
  const at::Tensor channels = at::tensor(channels_by_hand(spec, teacher, *plan.hidden_size), at::kLong);
  for (size_t i = 0; i < teacher.rows().size(); ++i) {
    const WeightRow& row = teacher.rows()[i];
    at::Tensor expected = without_channels(row.ours, in_order(teacher, row.ours), channels);
    if (heads_too && row.ours.find("attention.") != row.ours.npos)
      expected = without_heads(spec, row.ours, expected, heads_by_hand(spec, teacher, std::stoll(row.ours.substr(7))));
    const at::Tensor stored = found.at(row.theirs).to(at::kDouble);
    EXPECT_TRUE(at::equal(row.transform == WeightTransform::transpose ? stored.t() : stored, expected)) << row.ours;
  }
  EXPECT_TRUE(answer(load_double(shrunk)).isfinite().all().item<bool>());
}

TEST_P(Shrinking, EverySizeAtOnceLoadsAndSaysTheSameFactsWhenReadBack) {
  const ModelSpec spec = read_spec_file(folder_of(GetParam()).string());
  ShrinkPlan plan;
  plan.layers = {0};
  plan.hidden_size = (spec.num_heads - 1) * spec.head_size;
  if (*plan.hidden_size > spec.hidden_size) plan.hidden_size = spec.hidden_size - 2;
  plan.intermediate_size = 7;
  plan.num_heads = spec.num_heads / spec.num_kv_heads > 1 ? spec.num_kv_heads : spec.num_heads - 1;
  if (!problem_of(GetParam(), plan).empty()) plan.hidden_size = *plan.num_heads * spec.head_size;
  const Shrunk shrunk = shrink(GetParam(), plan);
  const ModelSpec again = read_spec(shrunk.student.spec.config, "again");
  EXPECT_EQ(again.hidden_size, *plan.hidden_size);
  EXPECT_EQ(again.num_heads, *plan.num_heads);
  EXPECT_EQ(again.head_size, spec.head_size);
  EXPECT_EQ(again.intermediate_size, 7);
  EXPECT_EQ(again.num_layers, 1);
  EXPECT_TRUE(answer(load_double(shrunk)).isfinite().all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Model, Shrinking, ::testing::ValuesIn(kCases), [](const auto& info) { return std::string(info.param); });

ShrinkPlan layers(std::vector<int64_t> list) {
  ShrinkPlan plan;
  plan.layers = std::move(list);
  return plan;
}

TEST(ShrinkSizes, PatternsOfLayersAreWrittenOut) {
  const Shrunk gemma = shrink("gemma3_scaled", layers({1, 5}));  // every sixth block sees everything
  EXPECT_EQ(gemma.student.spec.config.at("layer_types"), Json::array({"sliding_attention", "full_attention"}));
  EXPECT_TRUE(gemma.student.spec.layers[0].local_rope);
  EXPECT_FALSE(gemma.student.spec.layers[1].local_rope);
  Json config = read_json_file((folder_of("gemma2_plain") / "config.json").string());
  config.erase("layer_types");
  const Resized gemma2 = resize(read_spec(config, "c"), layers({1, 2}));
  ASSERT_TRUE(gemma2.problems.empty());
  EXPECT_EQ(gemma2.spec.config.at("layer_types"), Json::array({"full_attention", "sliding_attention"}));
  config = read_json_file((folder_of("qwen2_window") / "config.json").string());
  config.erase("layer_types");
  const Resized qwen = resize(read_spec(config, "c"), layers({0, 2}));
  ASSERT_TRUE(qwen.problems.empty());
  EXPECT_EQ(qwen.spec.layers[0].window, 0);
  EXPECT_EQ(qwen.spec.layers[1].window, 5);
}

TEST(ShrinkSizes, FactsThatGoByABlocksNumberAreRefusedUnlessTheFirstStay) {
  EXPECT_EQ(problem_of("gpt2_scaled", layers({0})), "");
  EXPECT_NE(problem_of("gpt2_scaled", layers({1})).find("block 1 as block 0 with another scale of attention"), std::string::npos);
}

TEST(ShrinkSizes, AFamilyWithoutAKeyForTheSizeOfAHeadSaysWhichSizesFit) {
  ShrinkPlan plan;
  plan.hidden_size = 18;
  EXPECT_NE(problem_of("gpt2_plain", plan).find("hidden size of 24 fits 4 heads; 3 heads fit a hidden size of 18"),
            std::string::npos);
  plan.num_heads = 3;
  EXPECT_EQ(problem_of("gpt2_plain", plan), "");
  plan.num_kv_heads = 1;
  EXPECT_NE(problem_of("gpt2_plain", plan).find("no grouped queries"), std::string::npos);
}

TEST(ShrinkSizes, GroupsOfQueriesStayWhole) {
  const ModelSpec spec = read_spec_file(folder_of("llama_biased").string());  // 4 heads, 2 key/value heads
  ASSERT_EQ(spec.num_kv_heads, 2);
  const auto sizes = [&](std::optional<int64_t> heads, std::optional<int64_t> kv_heads) {
    ShrinkPlan plan;
    plan.num_heads = heads;
    plan.num_kv_heads = kv_heads;
    const Resized resized = resize(spec, plan);
    return resized.problems.empty() ? std::pair(resized.sizes.num_heads, resized.sizes.num_kv_heads)
                                    : std::pair<int64_t, int64_t>(0, 0);
  };
  EXPECT_EQ(sizes(2, {}), (std::pair<int64_t, int64_t>(2, 2)));  // fewer queries to each
  EXPECT_EQ(sizes({}, 1), (std::pair<int64_t, int64_t>(2, 1)));  // one whole group
  EXPECT_EQ(sizes(2, 1), (std::pair<int64_t, int64_t>(2, 1)));
  EXPECT_EQ(sizes(1, {}), (std::pair<int64_t, int64_t>(0, 0)));  // neither
  EXPECT_EQ(sizes(4, 1), (std::pair<int64_t, int64_t>(0, 0)));   // four queries on a head that had two
  EXPECT_EQ(sizes(3, {}), (std::pair<int64_t, int64_t>(0, 0)));
}

TEST(ShrinkSizes, EverySizeThatCannotBeHadIsNamed) {
  ShrinkPlan plan;
  plan.layers = {0, 2};
  plan.hidden_size = 25;
  plan.intermediate_size = 0;
  plan.num_heads = 5;
  const Resized resized = resize(read_spec_file(folder_of("llama_plain").string()), plan);
  std::vector<std::string> keys;
  for (const SizeProblem& problem : resized.problems) keys.push_back(problem.key);
  EXPECT_EQ(keys, (std::vector<std::string>{"layers", "hidden_size", "intermediate_size", "num_heads"}));
  EXPECT_NE(problem_of("llama_plain", layers({1, 0})).find("ascend"), std::string::npos);
  EXPECT_NE(problem_of("llama_plain", layers({})).find("at least one block"), std::string::npos);
}

TEST(Shrink, ATeacherThatIsNotFiniteIsRefusedByTheNameItHasThere) {
  class Damaged : public TensorSource {
   public:
    explicit Damaged(std::unique_ptr<TensorSource> source) : source_(std::move(source)) {}
    const std::vector<TensorMeta>& tensors() const override { return source_->tensors(); }
    std::string where() const override { return source_->where(); }
    at::Tensor read(size_t index, at::ScalarType dtype, at::Device device) const override {
      at::Tensor tensor = source_->read(index, dtype, device);
      if (tensors()[index].name == "model.layers.1.mlp.up_proj.weight") tensor.view({-1})[3] = std::nan("");
      return tensor;
    }

   private:
    std::unique_ptr<TensorSource> source_;
  };
  const ModelSpec teacher = read_spec_file(folder_of("llama_plain").string());
  const Resized student = resize(teacher, layers({1}));
  const auto source = cut_weights(teacher, std::make_unique<Damaged>(open_hf_folder(folder_of("llama_plain")).weights),
                                  student.spec, student.sizes);
  try {
    Transformer::load(student.spec, *source, {});
    FAIL() << "loaded";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("model.layers.1.mlp.up_proj.weight (1 of "), std::string::npos) << error.what();
  }
}

}  // namespace
