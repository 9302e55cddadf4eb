// Recipes for the tests of this room: a short good one, and ways to look at what was found about a bad one.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "distill/recipe/recipe.h"

namespace distill::recipes {

inline const std::string kGood =
    "teacher: {path: t}\n"
    "student: {path: s}\n"
    "data: {train: [{path: train.jsonl}]}\n"
    "train: {length: 10 steps}\n"
    "output: out\n";

// The good recipe with overrides, e.g. {"train.seed=3"}.
inline Recipe with(const std::vector<std::string>& overrides) { return parse_recipe(kGood, "r.yaml", overrides).recipe; }

inline std::vector<Complaint> problems_of(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  return examine_recipe_text(yaml, "r.yaml", overrides).problems;
}

inline std::string all_texts(const std::vector<Complaint>& complaints) {
  std::string out;
  for (const Complaint& complaint : complaints) out += complaint.text() + "\n";
  return out;
}

// True when some complaint stands at `where` (a prefix, such as `r.yaml:3:7: `) and says all `words`.
inline testing::AssertionResult says(const std::vector<Complaint>& complaints, const std::string& where,
                                     const std::vector<std::string>& words) {
  for (const Complaint& complaint : complaints) {
    bool all = complaint.where.rfind(where, 0) == 0;
    for (const std::string& word : words) all = all && complaint.text().find(word) != std::string::npos;
    if (all) return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << "nothing at " << where << " says so; found:\n" << all_texts(complaints);
}

}  // namespace distill::recipes
