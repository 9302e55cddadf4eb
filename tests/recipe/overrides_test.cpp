// --set, and where `check --resolved` says that values come from.
#include "recipe/recipes.h"

namespace distill {
namespace {

using recipes::kGood;
using recipes::problems_of;
using recipes::says;
using recipes::with;

TEST(RecipeOverrides, ReplaceAddAndMakeSections) {
  EXPECT_EQ(with({"train.length=5 steps"}).train.length, steps(5));
  EXPECT_EQ(with({"optimizer.learning_rate=3e-4"}).optimizer.learning_rate, 3e-4);
  EXPECT_EQ(with({"optimizer={learning_rate: 1e-3, weight_decay: 0}"}).optimizer.weight_decay, 0);
  EXPECT_EQ(with({"data.train=[{path: x.jsonl, weight: 2}]"}).data.train, (std::vector<SourceRecipe>{{"x.jsonl", 2}}));
  EXPECT_EQ(with({"output=a=b"}).output, "a=b");
}

TEST(RecipeOverrides, TheLastOneWins) {
  EXPECT_EQ(with({"train.seed=1", "train={length: 1 epoch, seed: 2}", "train.seed=3"}).train.seed, 3);
}

TEST(RecipeOverrides, ListsAreIndexedAndGrowAtTheirEnd) {
  EXPECT_EQ(with({"objective.0.weight=2"}).objective[0].weight, 2);
  EXPECT_EQ(with({"objective.0.function=jsd", "objective.0.beta=0.1"}).objective[0].beta, 0.1);
  const Recipe grown = with({"objective.1.function=cross_entropy", "objective.1.weight=0.5"});
  ASSERT_EQ(grown.objective.size(), 2u);
  EXPECT_EQ(grown.objective[0].function, TermFunction::kl);
  EXPECT_EQ(grown.objective[1].weight, 0.5);
  EXPECT_EQ(with({"optimizer.betas.1=0.95"}).optimizer.betas, (std::vector<double>{0.9, 0.95}));
  EXPECT_EQ(with({"data.train.0.weight=3"}).data.train[0], (SourceRecipe{"train.jsonl", 3}));
  EXPECT_EQ(with({"data.train=a.jsonl", "data.train.0.weight=3"}).data.train[0], (SourceRecipe{"a.jsonl", 3}));
}

TEST(RecipeOverrides, IndicesBeyondTheEndNameTheLength) {
  EXPECT_TRUE(says(problems_of(kGood, {"objective.3.weight=1"}), "--set objective.3.weight=1: objective.3",
                   {"`objective` has 1 item", "index from 0 to 1"}));
  EXPECT_TRUE(says(problems_of(kGood, {"objective.weight=1"}), "--set", {"an index from 0 to 1"}));
  EXPECT_TRUE(says(problems_of(kGood, {"objective.-1.weight=1"}), "--set", {"an index from 0 to 1"}));
  EXPECT_TRUE(says(problems_of(kGood, {"objective.99999999999999999999.weight=1"}), "--set", {"an index"}));
}

TEST(RecipeOverrides, MistakesStandBesideThoseOfTheFile) {
  const auto problems = problems_of(kGood + "sed: 1\n", {"train.sed=4", "train.length=7", "foo", "=3", "a..b=1", "output=[x"});
  EXPECT_TRUE(says(problems, "r.yaml:6:1", {"`sed`"}));
  EXPECT_TRUE(says(problems, "--set train.sed=4: train.sed", {"Did you mean `seed`?"}));
  EXPECT_TRUE(says(problems, "--set train.length=7", {"`7 steps`", "  --set | train.length=7\n        |              ^"}));
  EXPECT_TRUE(says(problems, "--set foo", {"key.path=value"}));
  EXPECT_TRUE(says(problems, "--set =3", {"key.path=value"}));
  EXPECT_TRUE(says(problems, "--set a..b=1", {"single dots"}));
  EXPECT_TRUE(says(problems, "--set output=[x", {"YAML"}));
  EXPECT_EQ(problems.size(), 7u) << recipes::all_texts(problems);
}

TEST(RecipeOverrides, UnknownSectionsAreRefusedWithTheNearestWord) {
  EXPECT_TRUE(says(problems_of(kGood, {"trian.seed=4"}), "--set", {"Did you mean `train`?"}));
  EXPECT_TRUE(says(problems_of(kGood, {"train.seed.x=4"}), "--set", {"a whole number", "a mapping"}));
}

TEST(RecipeOverrides, OriginsNameFileLineSetOrDefault) {
  const LoadedRecipe loaded = parse_recipe(kGood, "r.yaml", {"train.seed=4", "objective.0.weight=2"});
  EXPECT_EQ(loaded.origins.at("teacher.path"), "r.yaml:1");
  EXPECT_EQ(loaded.origins.at("train.length"), "r.yaml:4");
  EXPECT_EQ(loaded.origins.at("train.seed"), "--set");
  EXPECT_EQ(loaded.origins.at("objective.0.weight"), "--set");
  EXPECT_EQ(loaded.origins.at("objective.0.function"), "default");
  EXPECT_EQ(loaded.origins.at("schedule.warmup"), "default");
  const std::string yaml = recipe_yaml(loaded.recipe, &loaded.origins);
  EXPECT_NE(yaml.find("  seed: 4                                       # --set\n"), std::string::npos) << yaml;
  EXPECT_NE(yaml.find("  length: 10 steps                              # r.yaml:4\n"), std::string::npos) << yaml;
}

TEST(RecipeOverrides, ComplaintsOfOtherRoomsGetThePlace) {
  const LoadedRecipe loaded = parse_recipe(kGood, "r.yaml", {"train.seed=4"});
  EXPECT_EQ(loaded.complaint("student.path", "a", "b", "c").where, "r.yaml:2:17: student.path");
  EXPECT_EQ(loaded.complaint("train.seed", "a", "b", "c").where, "--set train.seed=4: train.seed");
  EXPECT_EQ(loaded.complaint("train.precision", "a", "b", "c").where, "r.yaml:4:8: train.precision");
  EXPECT_EQ(loaded.complaint("optimizer.eps", "a", "b", "c").where, "r.yaml: optimizer.eps");
}

}  // namespace
}  // namespace distill
