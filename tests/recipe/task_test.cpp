// Tasks: the key, and what a task refuses of the rest of the recipe, with or without its name in the recipe.
#include "recipe/recipes.h"

namespace distill {
namespace {

using recipes::all_texts;
using recipes::kGood;
using recipes::problems_of;
using recipes::says;
using recipes::with;

const std::string kTerms = "objective:\n  - {function: hidden_mse, positions: kept}\n  - {function: kl}\n";

std::vector<Complaint> problems_for(const std::string& yaml, TaskChoice task) {
  return task_problems(parse_recipe(yaml, "r.yaml", {}), task);
}

TEST(RecipeTask, IsAutoUnlessNamed) {
  EXPECT_EQ(with({}).task, TaskChoice::automatic);
  EXPECT_EQ(with({"task=masked_lm"}).task, TaskChoice::masked_lm);
  EXPECT_EQ(with({"task=embedding", "objective.0.function=embedding_cosine"}).task, TaskChoice::embedding);
  EXPECT_TRUE(says(problems_of(kGood, {"task=mlm"}), "--set", {"Did you mean `masked_lm`?"}));
  EXPECT_TRUE(says(problems_of(kGood, {"task=text-classification"}), "--set", {"`sequence_classification`"}));
}

TEST(RecipeTask, MaskingIsForMaskedLanguageModels) {
  EXPECT_EQ(with({"task=masked_lm", "data.mask_probability=0.4"}).data.mask_probability, 0.4);
  EXPECT_EQ(with({"data.mask_probability=0.4"}).data.mask_probability, 0.4) << "auto: the student decides";
  EXPECT_TRUE(says(problems_of(kGood, {"task=causal_lm", "data.mask_probability=0.4"}), "--set",
                   {"data.mask_probability", "which masked_lm alone reads"}));
  for (const char* bad : {"0", "1", "-0.1", "1.5"})
    EXPECT_TRUE(says(problems_of(kGood, {std::string("data.mask_probability=") + bad}), "--set", {"above 0 and below 1"})) << bad;
  EXPECT_TRUE(says(problems_of(kGood, {"data.mlm_probability=0.3"}), "--set", {"`data: {mask_probability: 0.3}`"}));
}

TEST(RecipeTask, ChatTemplatesAreForCausalModels) {
  EXPECT_EQ(with({"data.chat_template=a.jinja"}).data.chat_template, "a.jinja");
  EXPECT_TRUE(says(problems_of(kGood, {"task=masked_lm", "data.chat_template=a.jinja"}), "--set",
                   {"data.chat_template", "which causal_lm alone reads"}));
}

TEST(RecipeTask, EmbeddingHasNoLogitsAndOthersNoVectors) {
  EXPECT_TRUE(
      says(problems_of(kGood + "task: embedding\n" + kTerms), "r.yaml:9:", {"objective.1.function", "`kl`, which reads logits"}));
  EXPECT_TRUE(says(problems_of(kGood, {"task=embedding"}), "r.yaml:1:1: objective.0.function", {"embedding_cosine"}))
      << "the default term is kl";
  EXPECT_TRUE(says(problems_of(kGood, {"task=masked_lm", "objective.0.function=embedding_mse"}), "--set",
                   {"`embedding_mse`, which reads the vectors", "task: embedding"}));
  EXPECT_TRUE(
      says(problems_of(kGood + "task: embedding\nobjective: [{function: embedding_mse, temperature: 2, layer_mapping: all}]\n"),
           "r.yaml:7:", {"temperature"}));
  EXPECT_TRUE(problems_of(kGood +
                          "task: embedding\nobjective: [embedding_mse, {function: embedding_cosine, weight: 0.5}, hidden_mse, "
                          "attention_mse]\n")
                  .empty());
}

TEST(RecipeTask, RowsThatAreOneSampleHaveNoKeptPositionsAndAreNotSplit) {
  for (const char* task : {"sequence_classification", "embedding"}) {
    const auto problems = problems_of(kGood + "task: " + task + "\n" + kTerms, {"data.overflow=split"});
    EXPECT_TRUE(says(problems, "r.yaml:8:", {"objective.0.positions", task})) << task;
    EXPECT_TRUE(says(problems, "--set", {"data.overflow", "`split`"})) << task;
  }
  EXPECT_TRUE(problems_of(kGood + "task: masked_lm\n" + kTerms, {"data.overflow=split"}).empty());
}

TEST(RecipeTask, WhatTheStudentTellsIsCheckedAlikeWithTheSamePlaces) {
  const std::string yaml = kGood + kTerms;
  EXPECT_TRUE(problems_for(yaml, TaskChoice::causal_lm).empty());
  EXPECT_TRUE(problems_for(yaml, TaskChoice::masked_lm).empty());
  const auto problems = problems_for(yaml, TaskChoice::embedding);
  EXPECT_EQ(problems.size(), 2u) << all_texts(problems);
  EXPECT_TRUE(says(problems, "r.yaml:7:", {"objective.0.positions"}));
  EXPECT_TRUE(says(problems, "r.yaml:8:", {"objective.1.function"}));
  EXPECT_TRUE(says(problems_for(kGood, TaskChoice::embedding), "r.yaml: objective", {"embedding_cosine"}));
}

TEST(RecipeTask, AResolvedRecipeSaysNoMoreThanWasWritten) {
  EXPECT_EQ(recipe_yaml(with({})).find("mask_probability"), std::string::npos);
  EXPECT_NE(recipe_yaml(with({})).find("task: auto\n"), std::string::npos);
  EXPECT_NE(recipe_yaml(with({"data.mask_probability=0.25"})).find("mask_probability: 0.25\n"), std::string::npos);
  EXPECT_NE(recipe_fingerprint(with({"data.mask_probability=0.25"})), recipe_fingerprint(with({})));
  EXPECT_NE(recipe_fingerprint(with({"task=masked_lm"})), recipe_fingerprint(with({})));
}

}  // namespace
}  // namespace distill
