// The JSON Schema against the lists of fields, and the templates against both the reader and configs/.
#include <fstream>
#include <sstream>

#include "distill/core/fields.h"
#include "distill/core/json_reader.h"
#include "distill/recipe/templates.h"

#include "paths.h"
#include "recipe/recipes.h"

namespace distill {
namespace {

using recipes::says;

Json schema() { return parse_json(recipe_schema(), "schema"); }

// The object form of a schema that may offer several.
const Json& object_form(const Json& schema) {
  if (!schema.contains("anyOf")) return schema;
  for (const Json& form : schema["anyOf"])
    if (form.value("type", "") == "object") return form;
  return schema["anyOf"][0];
}

template <class T>
void expect_keys_of(const Json& schema, const std::string& where) {
  const Json& object = object_form(schema);
  std::vector<std::string> ours;
  for (const FieldInfo& info : field_infos<T>()) ours.emplace_back(info.key);
  std::vector<std::string> theirs;
  for (const auto& [key, value] : object.at("properties").items()) {
    theirs.push_back(key);
    EXPECT_FALSE(value.at("description").template get<std::string>().empty()) << where << "." << key;
  }
  EXPECT_EQ(ours, theirs) << where;
  EXPECT_EQ(object.at("additionalProperties"), false) << where;
}

TEST(RecipeSchema, HasExactlyTheKeysOfTheLists) {
  const Json root = schema();
  EXPECT_EQ(root.at("$schema"), "https://json-schema.org/draft/2020-12/schema");
  expect_keys_of<Recipe>(root, "");
  const Json& keys = root.at("properties");
  expect_keys_of<TeacherRecipe>(keys.at("teacher"), "teacher");
  expect_keys_of<StudentRecipe>(keys.at("student"), "student");
  expect_keys_of<DataRecipe>(keys.at("data"), "data");
  expect_keys_of<OptimizerRecipe>(keys.at("optimizer"), "optimizer");
  expect_keys_of<ScheduleRecipe>(keys.at("schedule"), "schedule");
  expect_keys_of<TrainRecipe>(keys.at("train"), "train");
  const Json& list = keys.at("objective").at("anyOf").at(0);
  expect_keys_of<TermRecipe>(list.at("items"), "objective");
  const Json& term = object_form(list.at("items")).at("properties");
  expect_keys_of<SaeRecipe>(term.at("sae"), "objective.sae");
  EXPECT_EQ(object_form(term.at("sae")).at("required"), Json::array({"path"}));
  EXPECT_EQ(term.at("relations").at("default"), Json::array({"v"}));
  EXPECT_EQ(root.at("required"), Json::array({"student", "data", "train", "output"}));
  EXPECT_EQ(keys.at("train").at("required"), Json::array({"length"}));
}

TEST(RecipeSchema, GivesEnumsDefaultsAndRanges) {
  const Json root = schema();
  const Json& train = root.at("properties").at("train").at("properties");
  EXPECT_EQ(train.at("precision").at("enum"), Json::array({"auto", "float32", "float16", "bfloat16", "float64"}));
  EXPECT_EQ(train.at("precision").at("default"), "auto");
  EXPECT_EQ(train.at("batch_size").at("default"), 4);
  EXPECT_EQ(train.at("batch_size").at("minimum"), 1);
  EXPECT_EQ(train.at("save_every").at("default"), "10 minutes");
  const Json& student = object_form(root.at("properties").at("student"));
  EXPECT_EQ(student.at("oneOf").size(), 3u);
  EXPECT_EQ(student.at("properties").at("lora").at("enum"), Json::array({nullptr, "none"}));
  const Json& teacher = object_form(root.at("properties").at("teacher")).at("properties");
  EXPECT_EQ(teacher.at("quantize").at("enum"), Json::array({"none"}));
  EXPECT_NE(teacher.at("quantize").at("description").get<std::string>().find("not available yet: int8 or nf4"),
            std::string::npos);
}

TEST(RecipeSchema, NamesTheConventionsOfTheTerms) {
  const std::string text = recipe_schema();
  EXPECT_NE(text.find("kl: KL(teacher || student)"), std::string::npos);
  EXPECT_NE(text.find("M = beta*T + (1-beta)*S"), std::string::npos);
}

TEST(RecipeTemplates, ParseWithoutProblemsOrWarnings) {
  ASSERT_GE(recipe_templates().size(), 2u);
  for (const RecipeTemplate& entry : recipe_templates()) {
    const ExaminedRecipe examined = examine_recipe_text(std::string(entry.yaml), std::string(entry.name), {});
    EXPECT_TRUE(examined.problems.empty()) << recipes::all_texts(examined.problems);
    EXPECT_TRUE(examined.loaded.warnings.empty()) << recipes::all_texts(examined.loaded.warnings);
    EXPECT_NE(entry.yaml.find("distill --config"), std::string_view::npos);
  }
}

// The lines that a template offers in comments must work too.
TEST(RecipeTemplates, CommentedKeysWorkWhenUncommented) {
  for (const RecipeTemplate& entry : recipe_templates()) {
    std::string yaml(entry.yaml);
    size_t num_lines = 0;
    for (size_t at = 0; (at = yaml.find("\n  # ", at)) != std::string::npos; ++num_lines) yaml.erase(at + 3, 2);
    EXPECT_GT(num_lines, 0u);
    const auto problems = recipes::problems_of(yaml);
    EXPECT_TRUE(problems.empty()) << recipes::all_texts(problems) << yaml;
  }
}

TEST(RecipeTemplates, EqualTheFilesInConfigs) {
  for (const RecipeTemplate& entry : recipe_templates()) {
    std::ifstream file(test::source_folder() / "configs" / (std::string(entry.name) + ".yaml"));
    ASSERT_TRUE(file) << entry.name;
    std::ostringstream text;
    text << file.rdbuf();
    EXPECT_EQ(text.str(), entry.yaml) << entry.name;
  }
}

TEST(RecipeTemplates, AWrongNameListsThem) {
  EXPECT_EQ(recipe_template("cpu").name, "cpu");
  try {
    recipe_template("t5");
    FAIL() << "nothing was thrown";
  } catch (const RecipeError& error) {
    EXPECT_TRUE(says(error.complaints(), "--template", {"t4 (", "cpu (", "Did you mean `t4`?"}));
  }
}

}  // namespace
}  // namespace distill
