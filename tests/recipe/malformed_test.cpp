// Texts that are no recipe at all, and files that are no text.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "distill/core/random.h"

#include "recipe/recipes.h"

namespace distill {
namespace {

using recipes::all_texts;
using recipes::kGood;
using recipes::problems_of;
using recipes::says;

class RecipeFiles : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / ("recipe_files_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  std::filesystem::path folder_;
};

TEST(MalformedRecipes, SyntaxErrorsHaveAPlaceAndPlainWords) {
  struct Case {
    const char* yaml;
    const char* where;
    const char* words;
  };
  const Case kCases[] = {
      {"train:\n  length 2 epochs\n  seed: 3\n", "r.yaml:3:7", "Indent the keys"},
      {"a: b: c\n", "r.yaml:1:5", "in quotes"},
      {"train:\n\tlength: 3\n", "r.yaml:2:1", "a tab"},
      {"a: [1, 2\nb: 3\n", "r.yaml", "`[` without"},
      {"a: {b: 1\n", "r.yaml", "`{` without"},
      {"a: \"abc\n", "r.yaml", "quote"},
      {"a: *x\n", "r.yaml:1:4", "alias"},
      {"a: @x\n", "r.yaml:1:4", "in quotes"},
      {"a: 1\n- b\n", "r.yaml:2:1", "Indent"},
      {"a: !!int 3\n", "r.yaml:1:4", "Remove the tag"},
      {"? [a]\n: 2\n", "r.yaml:1:3", "one word"},
      {"a: &x [*x]\n", "r.yaml:1:8", "contains itself"},
      {"a: 1\n---\nb: 2\n", "r.yaml:3:1", "a second one"},
      {"a: {<<: 3}\n", "r.yaml:1:9", "a mapping to merge"},
  };
  for (const Case& c : kCases) EXPECT_TRUE(says(problems_of(c.yaml), c.where, {c.words})) << c.yaml;
}

TEST(MalformedRecipes, EmptyTextsAreCalledEmpty) {
  for (const char* text : {"", "\n\n", "# only a comment\n", "---\n", "~\n"})
    EXPECT_TRUE(says(problems_of(text), "r.yaml:1:1", {"an empty file", "distill init"})) << text;
}

TEST(MalformedRecipes, BinaryAndOtherEncodingsAreRefused) {
  EXPECT_TRUE(says(problems_of(std::string("\x7f"
                                           "ELF\x02\x01\x00\x00",
                                           8)),
                   "r.yaml:1:1", {"binary data"}));
  EXPECT_TRUE(says(problems_of(std::string("a\0: 1\n", 6)), "r.yaml:1:2", {"binary data"}));
  EXPECT_TRUE(says(problems_of("output: caf\xe9\n"), "r.yaml:1:12", {"not UTF-8"}));
  EXPECT_TRUE(says(problems_of(std::string("\xff\xfe"
                                           "a\0",
                                           4)),
                   "r.yaml:1:1", {"not UTF-8"}));
  EXPECT_TRUE(says(problems_of("a: \xed\xa0\x80\n"), "r.yaml:1:4", {"not UTF-8"}));
  EXPECT_TRUE(says(problems_of("a: \xc0\xaf\n"), "r.yaml:1:4", {"not UTF-8"}));
  EXPECT_TRUE(says(problems_of(kGood, {"output=\xff"}), "--set", {"not UTF-8"}));
}

TEST(MalformedRecipes, DeepAndExplosiveTextsEndQuickly) {
  EXPECT_FALSE(problems_of(std::string(200000, '[')).empty());
  EXPECT_FALSE(problems_of("a: " + std::string(100000, '{')).empty());
  const std::string deep = "student={init: {config: {a: " + std::string(200, '[') + std::string(200, ']') + "}}}";
  EXPECT_TRUE(says(problems_of(kGood, {deep}), "--set", {"nested at most 64 deep"}));
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    std::string line = "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) line += before + (k < 9 ? "," : "]\n");
    laughs += line;
  }
  EXPECT_TRUE(says(problems_of(laughs), "r.yaml", {"more than 20000 values"}));
  std::string flood;
  for (int i = 0; i < 9000; ++i) flood += "k" + std::to_string(i) + ": 1\n";
  const auto problems = problems_of(flood);
  EXPECT_EQ(problems.size(), 101u);
  EXPECT_NE(problems.back().text().find("more problems"), std::string::npos);
}

// Good recipes with bytes changed, removed or repeated: every outcome is a recipe or a list of complaints.
TEST(MalformedRecipes, MutationsNeverEscapeAsOtherErrors) {
  const std::string base = kGood + "objective: [{function: kl, weight: 1.0}, {function: hidden_mse, layer_mapping: [[1, 2]]}]\n";
  constexpr std::string_view kBytes = ":{}[],&*!|>'\"%@`#-? \n\t0e9.~<=";
  size_t num_bad = 0;
  for (uint64_t i = 0; i < 1500; ++i) {
    std::string text = base;
    for (uint64_t k = 0; k < 1 + i % 3; ++k) {
      const auto at = static_cast<size_t>(uniform(i, 3 * k) * static_cast<double>(text.size()));
      const char byte = kBytes[static_cast<size_t>(uniform(i, 3 * k + 1) * static_cast<double>(kBytes.size()))];
      const double kind = uniform(i, 3 * k + 2);
      if (kind < 0.4)
        text[at] = byte;
      else if (kind < 0.7)
        text.insert(at, 1, byte);
      else
        text.erase(at, 1 + at % 4);
    }
    num_bad += problems_of(text).empty() ? 0 : 1;
  }
  EXPECT_GT(num_bad, 500u);
}

TEST_F(RecipeFiles, MissingFilesAndFoldersAreNamed) {
  EXPECT_TRUE(says(examine_recipe(folder_ / "none.yaml", {}).problems, (folder_ / "none.yaml").string(), {"no such file"}));
  EXPECT_TRUE(says(examine_recipe(folder_, {}).problems, folder_.string(), {"a folder"}));
  write("config.json", "{}");
  EXPECT_TRUE(says(examine_recipe(folder_, {}).problems, folder_.string(), {"This is a model"}));
  EXPECT_THROW(load_recipe(folder_ / "none.yaml", {}), RecipeError);
}

TEST_F(RecipeFiles, AFileOfTenMegabytesIsNoRecipe) {
  const auto file = write("large.yaml", std::string(10 << 20, 'a'));
  EXPECT_TRUE(says(examine_recipe(file, {}).problems, file.string(), {"at most 1048576 bytes", "A recipe is a short YAML file"}));
  EXPECT_THROW(load_recipe(file, {}), RecipeError);
}

TEST_F(RecipeFiles, PathsThatAreNotThereAreFoundWithTheirLine) {
  const auto train = write("train.jsonl", "{}\n");
  const std::string yaml = "teacher: {path: " + folder_.string() + "}\nstudent: {path: ~/none}\ndata:\n  train: [" +
                           train.string() + ", " + (folder_ / "more.jsonl").string() + "]\n  eval: " + folder_.string() +
                           "\n  chat_template: none.jinja\ntrain: {length: 1 epoch}\noutput: " + train.string() + "\n";
  const auto file = write("r.yaml", yaml);
  const auto missing = missing_files(load_recipe(file, {}));
  const std::string name = file.string();
  EXPECT_EQ(missing.size(), 6u) << all_texts(missing);
  EXPECT_TRUE(says(missing, name + ":1:17: teacher.path", {"a folder without config.json"}));
  EXPECT_TRUE(says(missing, name + ":2:17: student.path", {"`~` is not expanded"}));
  EXPECT_TRUE(says(missing, name + ":4:", {"data.train.1.path", "more.jsonl"}));
  EXPECT_TRUE(says(missing, name + ":5:9: data.eval.0.path", {"the folder"}));
  EXPECT_TRUE(says(missing, name + ":6:18: data.chat_template", {"nothing at `none.jinja`"}));
  EXPECT_TRUE(says(missing, name + ":8:9: output", {"the file"}));
}

}  // namespace
}  // namespace distill
