// What a good recipe means: values, defaults, short forms, YAML 1.2 numbers, units.
#include "recipe/recipes.h"

namespace distill {
namespace {

using recipes::kGood;
using recipes::problems_of;
using recipes::says;
using recipes::with;

TEST(RecipeReading, DefaultsAreThoseOfTheDesign) {
  const Recipe recipe = with({});
  EXPECT_EQ(recipe.teacher->dtype, DTypeChoice::automatic);
  EXPECT_EQ(recipe.objective.size(), 1u);
  EXPECT_EQ(recipe.objective[0].function, TermFunction::kl);
  EXPECT_EQ(recipe.objective[0].weight, 1);
  EXPECT_EQ(recipe.objective[0].temperature, 1);
  EXPECT_EQ(recipe.objective[0].beta, 0.5);
  EXPECT_EQ(recipe.objective[0].alpha, 0.1);
  EXPECT_EQ(recipe.student.dropout, DropoutRecipe{});
  EXPECT_TRUE(recipe.student.freeze.empty());
  EXPECT_EQ(recipe.data.sequence_length, 1024);
  EXPECT_TRUE(recipe.data.packing && recipe.data.shuffle && recipe.data.append_eos);
  EXPECT_EQ(recipe.data.overflow, Overflow::truncate);
  EXPECT_EQ(recipe.train.batch_size.value, 4);
  EXPECT_EQ(recipe.train.gradient_accumulation_steps, 1);
  EXPECT_EQ(recipe.optimizer.learning_rate, 1e-4);
  EXPECT_EQ(recipe.optimizer.weight_decay, 0.01);
  EXPECT_EQ(recipe.optimizer.betas, (std::vector<double>{0.9, 0.999}));
  EXPECT_EQ(recipe.optimizer.eps, 1e-8);
  EXPECT_EQ(recipe.optimizer.max_grad_norm.value, 1.0);
  EXPECT_EQ(recipe.schedule.kind, ScheduleKind::cosine);
  EXPECT_EQ(recipe.schedule.warmup, percent(3));
  EXPECT_EQ(recipe.schedule.floor, 0.1);
  EXPECT_EQ(recipe.train.seed, 17);
  EXPECT_EQ(recipe.train.log_every, steps(10));
  EXPECT_EQ(recipe.train.save_every, minutes(10));
  EXPECT_EQ(recipe.train.keep_checkpoints, 2);
  EXPECT_FALSE(recipe.train.evaluate_every);
  EXPECT_EQ(with({"schedule.kind=constant"}).schedule.warmup, percent(0));
}

TEST(RecipeReading, TheSampleOfTheDesignIsReadWithoutItsLaterFeatures) {
  const std::string sample = R"(
teacher: {path: models/teacher, dtype: auto, quantize: none, trust: none, placement: auto, cache: {mode: none}}
student: {path: models/student, dropout: 0, freeze: [embeddings]}
data:
  train: [{path: train.jsonl, weight: 1.0}]
  eval:  [{path: eval.jsonl}]
  sequence_length: 1024
  packing: true
  shuffle: true
  append_eos: true
  assistant_only_loss: true
objective:
  - {function: kl, weight: 1.0, temperature: 2.0}
  - {function: cross_entropy, weight: 0.5}
  - {function: hidden_mse, weight: 0.1, layer_mapping: uniform}
  - {function: attention_mse, weight: 0.1, layer_mapping: [[1, 3]]}
optimizer: {name: adamw, learning_rate: 1e-4, weight_decay: 0.01, betas: [0.9, 0.999], eps: 1e-8, max_grad_norm: 1.0}
schedule: {kind: cosine, warmup: 3%, floor: 0.1}
train:
  length: 2 epochs
  batch_size: 4
  gradient_accumulation_steps: 8
  precision: auto
  gradient_checkpointing: auto
  device: auto
  seed: 17
  evaluate_every: 200 steps
  save_every: 10 minutes
  keep_checkpoints: 2
  log_every: 10 steps
output: runs/tiny
)";
  const LoadedRecipe loaded = parse_recipe(sample, "r.yaml", {});
  EXPECT_TRUE(loaded.warnings.empty()) << recipes::all_texts(loaded.warnings);
  EXPECT_EQ(loaded.recipe.objective[3].layer_mapping, (LayerMapping{LayerRule::pairs, {{1, 3}}}));
  EXPECT_EQ(loaded.recipe.train.length, epochs(2));
  EXPECT_EQ(loaded.recipe.student.freeze, std::vector<std::string>{"embeddings"});
}

TEST(RecipeReading, NumbersFollowYaml12) {
  EXPECT_EQ(with({"optimizer.learning_rate=1e-4"}).optimizer.learning_rate, 1e-4);
  EXPECT_EQ(with({"optimizer.learning_rate=2E-5"}).optimizer.learning_rate, 2e-5);
  EXPECT_EQ(with({"optimizer.learning_rate=.5e-3"}).optimizer.learning_rate, 5e-4);
  EXPECT_EQ(with({"optimizer.weight_decay=0"}).optimizer.weight_decay, 0);
  EXPECT_EQ(with({"train.seed=010"}).train.seed, 10);
  EXPECT_EQ(with({"train.seed=0o10"}).train.seed, 8);
  EXPECT_EQ(with({"train.seed=0x1F"}).train.seed, 31);
  EXPECT_EQ(with({"train.seed=+7"}).train.seed, 7);
  EXPECT_EQ(with({"train.seed=9223372036854775807"}).train.seed, INT64_MAX);
}

TEST(RecipeReading, WhatIsNoNumberIsRefusedWithTheNumberMeant) {
  const std::pair<const char*, const char*> kCases[] = {
      {"train.seed=1_000", "Write `1000`"},
      {"train.seed=\"4\"", "Write `4`"},
      {"train.seed=10k", "Write `10000`"},
      {"train.seed=1e3", "Write `1000`"},
      {"train.seed=8.0", "Write `8`"},
      {"train.seed=9223372036854775808", "fits in 64 bits"},
      {"train.seed=true", "a whole number"},
      {"train.seed=[1]", "found a list"},
      {"train.seed=", "found nothing"},
      {"optimizer.weight_decay=3%", "Write `0.03`"},
      {"optimizer.weight_decay=.nan", "finite"},
      {"optimizer.weight_decay=.inf", "finite"},
      {"optimizer.weight_decay=1e999", "finite"},
      {"optimizer.weight_decay=abc", "a number"},
      {"train.seed=2.5", "a whole number"},
  };
  for (const auto& [text, words] : kCases) EXPECT_TRUE(says(problems_of(kGood, {text}), "--set ", {words})) << text;
}

TEST(RecipeReading, OnlyTrueAndFalseAreBooleans) {
  EXPECT_FALSE(with({"data.packing=false"}).data.packing);
  EXPECT_TRUE(with({"data.packing=True"}).data.packing);
  for (const char* text : {"data.packing=yes", "data.packing=on", "data.packing=1"})
    EXPECT_TRUE(says(problems_of(kGood, {text}), "--set ", {"true or false", "Write `true`"})) << text;
  for (const char* text : {"data.packing=no", "data.packing=off", "data.packing=\"false\""})
    EXPECT_TRUE(says(problems_of(kGood, {text}), "--set ", {"Write `false`"})) << text;
}

TEST(RecipeReading, QuantitiesHaveTheUnitsOfTheirKey) {
  EXPECT_EQ(with({"train.length=10k steps"}).train.length, steps(10000));
  EXPECT_EQ(with({"train.length=30M tokens"}).train.length, tokens(30e6));
  EXPECT_EQ(with({"train.length=\"0.5 epochs\""}).train.length, epochs(0.5));
  EXPECT_EQ(with({"schedule.warmup=200 steps"}).schedule.warmup, steps(200));
  EXPECT_EQ(with({"schedule.warmup=5M tokens"}).schedule.warmup, tokens(5e6));
  EXPECT_EQ(with({"schedule.warmup=0%"}).schedule.warmup, percent(0));
  EXPECT_EQ(with({"train.save_every=500 steps"}).train.save_every, steps(500));
  EXPECT_EQ(with({"train.save_every=1 hour"}).train.save_every, minutes(60));
}

TEST(RecipeReading, ANumberWithoutUnitIsStepsOnlyWhereNothingElseIsPossible) {
  EXPECT_EQ(with({"train.log_every=25"}).train.log_every, steps(25));
  EXPECT_EQ(with({"train.evaluate_every=200", "data.eval=e.jsonl"}).train.evaluate_every, steps(200));
  EXPECT_TRUE(says(problems_of(kGood, {"train.length=2"}), "--set ", {"`2 steps`, `2 tokens` or `2 epochs`"}));
  EXPECT_TRUE(says(problems_of(kGood, {"train.save_every=10"}), "--set ", {"`10 steps` or `10 minutes`"}));
  EXPECT_TRUE(says(problems_of(kGood, {"schedule.warmup=100"}), "--set ", {"`100 steps`"}));
}

TEST(RecipeReading, WrongUnitsAndAmountsAreRefused) {
  const std::pair<const char*, const char*> kCases[] = {
      {"schedule.warmup=1 epochs", "`200 steps`, `3%` or `30M tokens`"},
      {"schedule.warmup=101%", "at most 100%"},
      {"train.length=10 stepz", "Did you mean `10 steps`?"},
      {"train.length=1_000 steps", "Did you mean `1000 steps`?"},
      {"train.length=10 minutes", "`2 epochs`"},
      {"train.length=0 steps", "above 0"},
      {"train.length=-5 steps", "above 0"},
      {"train.length=1.5 steps", "a whole number of steps"},
      {"train.log_every=5 minutes", "`200 steps`"},
      {"train.evaluate_every=0", "above 0"},
  };
  for (const auto& [text, words] : kCases) EXPECT_TRUE(says(problems_of(kGood, {text}), "--set ", {words})) << text;
}

TEST(RecipeReading, ShortFormsStandForTheLongOnes) {
  const Recipe recipe = parse_recipe(
                            "teacher: t\nstudent: s\ndata: {train: a.jsonl, eval: [b.jsonl, {path: c.jsonl, weight: 0.5}]}\n"
                            "objective: [kl, cross_entropy]\ntrain: {length: 1 epoch}\noptimizer: adamw\nschedule: linear\n"
                            "output: o\n",
                            "r.yaml", {})
                            .recipe;
  EXPECT_EQ(recipe.teacher->path, "t");
  EXPECT_EQ(recipe.student.path, "s");
  EXPECT_EQ(recipe.data.train, (std::vector<SourceRecipe>{{"a.jsonl", 1}}));
  EXPECT_EQ(recipe.data.eval, (std::vector<SourceRecipe>{{"b.jsonl", 1}, {"c.jsonl", 0.5}}));
  EXPECT_EQ(recipe.objective[1].function, TermFunction::cross_entropy);
  EXPECT_EQ(recipe.schedule.kind, ScheduleKind::linear);
  EXPECT_EQ(with({"student.freeze=head"}).student.freeze, std::vector<std::string>{"head"});
}

TEST(RecipeReading, NoneMeansAbsent) {
  EXPECT_FALSE(with({"student.lora=none"}).student.lora);
  EXPECT_FALSE(with({"student.lora=~"}).student.lora);
  EXPECT_EQ(with({"teacher.cache=none"}).teacher->cache.mode, CacheMode::none);
  EXPECT_FALSE(with({"optimizer.max_grad_norm=none"}).optimizer.max_grad_norm.value);
  EXPECT_FALSE(with({"teacher=none", "objective=[cross_entropy]"}).teacher);
}

TEST(RecipeReading, DropoutIsANumberOrTheWordConfig) {
  EXPECT_EQ(with({"student.dropout=0.1"}).student.dropout, (DropoutRecipe{false, 0.1}));
  EXPECT_TRUE(with({"student.dropout=config"}).student.dropout.from_config);
  EXPECT_TRUE(says(problems_of(kGood, {"student.dropout=1"}), "--set ", {"below 1"}));
  EXPECT_TRUE(says(problems_of(kGood, {"student.dropout=low"}), "--set ", {"or `config`"}));
}

TEST(RecipeReading, LayerMappingIsAWordOrPairs) {
  const auto mapping = [](const std::string& text) {
    return with({"objective=[{function: hidden_mse, layer_mapping: " + text + "}]"}).objective[0].layer_mapping;
  };
  EXPECT_EQ(mapping("last").rule, LayerRule::last);
  EXPECT_EQ(mapping("all").rule, LayerRule::all);
  EXPECT_EQ(mapping("[[0, 0], [2, 12]]"), (LayerMapping{LayerRule::pairs, {{0, 0}, {2, 12}}}));
  for (const char* text : {"[1, 2]", "[[1]]", "[[1, 2, 3]]", "[]", "{1: 2}", "3", "[[a, b]]", "[[-1, 2]]", "unifrom"})
    EXPECT_FALSE(problems_of(kGood, {std::string("objective=[{function: hidden_mse, layer_mapping: ") + text + "}]"}).empty())
        << text;
}

TEST(RecipeReading, AFreeMappingBecomesJsonWithYaml12Types) {
  const Recipe recipe =
      with({"student={init: {config: {model_type: llama, hidden_size: 64, rms_norm_eps: 1e-6, tie: true, yes: on, "
            "rope_scaling: {rope_type: llama3, factor: 8.0}, ids: [1, 2], none: null, text: \"5\", octal: 010}}}"});
  EXPECT_EQ(recipe.student.init->config.text,
            R"({"model_type":"llama","hidden_size":64,"rms_norm_eps":1e-06,"tie":true,"yes":"on",)"
            R"("rope_scaling":{"rope_type":"llama3","factor":8.0},"ids":[1,2],"none":null,"text":"5","octal":10})");
}

TEST(RecipeReading, AliasesAndMergeKeysAreFollowed) {
  const Recipe recipe = parse_recipe(
                            "teacher: {path: t}\nstudent: {path: s}\ndata: {train: &d [{path: a.jsonl}], eval: *d}\n"
                            "objective:\n  - &k {function: kl, weight: 2, temperature: 3}\n  - {<<: *k, weight: 5, name: again}\n"
                            "train: {length: 1 epoch}\noutput: o\n",
                            "r.yaml", {})
                            .recipe;
  EXPECT_EQ(recipe.data.eval, recipe.data.train);
  EXPECT_EQ(recipe.objective[1].temperature, 3);
  EXPECT_EQ(recipe.objective[1].weight, 5);
}

TEST(RecipeReading, ByteOrderMarksAndWindowsLineEndsAreFine) {
  std::string text = "\xef\xbb\xbf" + kGood;
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) text.insert(at, "\r");
  EXPECT_TRUE(problems_of(text).empty()) << recipes::all_texts(problems_of(text));
}

}  // namespace
}  // namespace distill
