// What a run's task asks of the recipe and of the teacher.
#include "distill/cli/task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "distill/core/error.h"

namespace distill {
namespace {

using testing::AllOf;
using testing::HasSubstr;

ModelSpec classifier(int64_t num_classes, const Json& names = nullptr) {
  ModelSpec spec;
  spec.architecture = "AClassifier";
  spec.task = Task::sequence_classification;
  spec.num_classes = num_classes;
  spec.config = Json::object();
  if (!names.is_null()) spec.config["id2label"] = names;
  return spec;
}

ModelSpec embedder(int64_t hidden_size) {
  ModelSpec spec;
  spec.task = Task::embedding;
  spec.hidden_size = hidden_size;
  return spec;
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return std::to_string(static_cast<int>(error.exit_code())) + ": " + error.what();
  }
  return "";
}

std::string refusal(const ModelSpec& student, const ModelSpec& teacher, VocabularyCheck check = VocabularyCheck::check) {
  Recipe recipe;
  recipe.data.vocabulary = check;
  return message_of([&] { check_teacher_for_task(recipe, student, teacher); });
}

TEST(TaskOfARun, EveryTaskHasItsWordAndBack) {
  for (const Task task : {Task::causal_lm, Task::masked_lm, Task::sequence_classification, Task::embedding})
    EXPECT_EQ(task_of(choice_of(task)), task);
  EXPECT_EQ(task_of(TaskChoice::automatic), std::nullopt);
  EXPECT_EQ(word_of(Task::masked_lm), "masked_lm");
}

TEST(TaskOfARun, ATeacherOfAnotherTaskIsRefused) {
  ModelSpec causal;
  causal.architecture = "ACausalModel";
  EXPECT_THAT(refusal(classifier(3), causal),
              AllOf(HasSubstr("2: "), HasSubstr("ACausalModel, for causal_lm"), HasSubstr("sequence_classification")));
  EXPECT_EQ(refusal(causal, causal), "");
}

TEST(TaskOfARun, ClassesMustAgreeInNumberAndWhereBothNameThemByName) {
  EXPECT_THAT(refusal(classifier(2), classifier(3)), AllOf(HasSubstr("65: "), HasSubstr("teacher (3)"), HasSubstr("found 2")));
  const Json moods = {{"0", "bad"}, {"1", "good"}}, swapped = {{"0", "good"}, {"1", "bad"}};
  const Json unnamed = {{"0", "LABEL_0"}, {"1", "LABEL_1"}};
  EXPECT_EQ(refusal(classifier(2, moods), classifier(2, moods)), "");
  EXPECT_EQ(refusal(classifier(2, moods), classifier(2, unnamed)), "");
  EXPECT_EQ(refusal(classifier(2), classifier(2, moods)), "");
  EXPECT_THAT(refusal(classifier(2, swapped), classifier(2, moods)),
              HasSubstr("class 0 is \"bad\" for the teacher and \"good\" for the student"));
  EXPECT_EQ(refusal(classifier(2, swapped), classifier(2, moods), VocabularyCheck::assume_same), "");
}

TEST(TaskOfARun, RulesForDataFollowFromTaskAndRecipe) {
  Recipe recipe;
  EXPECT_EQ(task_rules(recipe, {}, true).targets, Targets::next_token);
  ModelSpec masked;
  masked.task = Task::masked_lm;
  EXPECT_EQ(task_rules(recipe, masked, true).mask_probability, 0.15);
  recipe.data.mask_probability = 0.3;
  EXPECT_EQ(task_rules(recipe, masked, true).mask_probability, 0.3);
  const TaskRules rules = task_rules(recipe, classifier(4), false);
  EXPECT_EQ(rules.targets, Targets::row_class);
  EXPECT_EQ(rules.num_classes, 4);
  EXPECT_FALSE(rules.labels_needed);
  EXPECT_TRUE(rules.one_document_per_row());
  EXPECT_EQ(task_rules(recipe, embedder(8), true).targets, Targets::row_vector);
}

TEST(TaskOfARun, EmbeddingsAreMeasuredAgainstATeacherOfTheirWidth) {
  EXPECT_EQ(why_not_evaluated(embedder(8), embedder(8)), "");
  EXPECT_THAT(why_not_evaluated(embedder(8), std::nullopt), HasSubstr("there is none"));
  EXPECT_THAT(why_not_evaluated(embedder(8), embedder(12)), AllOf(HasSubstr("8 features"), HasSubstr("12")));
  EXPECT_EQ(why_not_evaluated(classifier(2), std::nullopt), "");
}

TEST(TaskOfARun, AClassifierOfOneClassIsRefused) {
  const std::string text = message_of([] { task_rules(Recipe{}, classifier(1), true); });
  EXPECT_THAT(text, AllOf(HasSubstr("65: "), HasSubstr("at least 2 classes"), HasSubstr("1 class"), HasSubstr("Regression")));
}

}  // namespace
}  // namespace distill
