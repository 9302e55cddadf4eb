#include "task_rules.h"

#include "report.h"

namespace distill {
namespace {

bool has_one_sample_per_row(TaskChoice task) {
  return task == TaskChoice::sequence_classification || task == TaskChoice::embedding;
}

void check_term(const TermRecipe& term, const std::string& path, TaskChoice task, const Refuse& refuse) {
  const std::string function = "`" + std::string(enum_name(term.function)) + "`", word(enum_name(task));
  if (task == TaskChoice::embedding && is_logits_term(term.function))
    refuse(join_path(path, "function"), "a term that the task embedding has: embedding, hidden and attention terms",
           function + ", which reads logits", "For example `objective: [{function: embedding_cosine}]`.");
  if (task != TaskChoice::embedding && is_embedding_term(term.function))
    refuse(join_path(path, "function"), "a term that the task " + word + " has: logits, hidden and attention terms",
           function + ", which reads the vectors of the task embedding", "Set `task: embedding`, or use `hidden_mse`.");
  if (has_one_sample_per_row(task) && term.positions == Positions::kept && term.reads("positions"))
    refuse(join_path(path, "positions"), "`all`, as the task " + word + " keeps rows and no positions", "`kept`",
           "Remove it, or write `positions: all`.");
}

}  // namespace

void find_task_problems(const Recipe& recipe, TaskChoice task, const Refuse& refuse) {
  const std::string word(enum_name(task));
  for (size_t i = 0; i < recipe.objective.size(); ++i)
    check_term(recipe.objective[i], "objective." + std::to_string(i), task, refuse);
  if (recipe.data.mask_probability && task != TaskChoice::masked_lm)
    refuse("data.mask_probability", "a key of the task " + word, "`mask_probability`, which masked_lm alone reads", "Remove it.");
  if (!recipe.data.chat_template.empty() && task != TaskChoice::causal_lm)
    refuse("data.chat_template", "a key of the task " + word, "`chat_template`, which causal_lm alone reads", "Remove it.");
  if (recipe.data.overflow == Overflow::split && has_one_sample_per_row(task))
    refuse("data.overflow", "`truncate`, as a row of the task " + word + " is one sample", "`split`",
           "Remove it, or raise data.sequence_length.");
}

std::vector<Complaint> task_problems(const LoadedRecipe& loaded, TaskChoice task) {
  std::vector<Complaint> problems;
  find_task_problems(loaded.recipe, task,
                     [&](const std::string& path, std::string expected, std::string found, std::string advice) {
                       problems.push_back(loaded.complaint(path, std::move(expected), std::move(found), std::move(advice)));
                     });
  return problems;
}

}  // namespace distill
