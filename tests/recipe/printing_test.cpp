// What is made from the lists of fields besides reading: YAML that reads back, fingerprint, differences.
#include "distill/core/random.h"

#include "recipe/recipes.h"

namespace distill {
namespace {

using recipes::with;

// A source of choices for one random recipe.
class Dice {
 public:
  explicit Dice(uint64_t key) : key_(key) {}
  double number() { return uniform(key_, next_++); }
  int64_t whole(int64_t low, int64_t high) { return low + static_cast<int64_t>(number() * static_cast<double>(high - low + 1)); }
  bool coin() { return number() < 0.5; }
  template <class T>
  T one_of(std::initializer_list<T> list) {
    return *(list.begin() + whole(0, static_cast<int64_t>(list.size()) - 1));
  }

 private:
  uint64_t key_;
  uint64_t next_ = 0;
};

std::string random_path(Dice& dice) {
  return dice.one_of<std::string>({"models/a", "null", "3",    "a b",       "a: b",     "# x",  "caf\xc3\xa9", "\"q\" \\ 'r'",
                                   "-x",       "1e5",  "true", "~",         "x,y",      "{a}",  "[b]",         "*c",
                                   "&d",       "!e",   "none", "tab\there", "./a/../b", "0x10", "@at",         "%p"});
}

SaeRecipe random_autoencoder(Dice& dice) {
  SaeRecipe sae;
  sae.path = random_path(dice) + "s";
  if (dice.coin()) sae.layer = dice.whole(0, 40);
  if (dice.coin()) sae.student_layer = dice.whole(0, 9);
  if (dice.coin()) sae.k = dice.whole(1, 99);
  if (dice.coin()) sae.center = dice.coin();
  sae.activation = dice.one_of({SaeActivation::automatic, SaeActivation::relu, SaeActivation::jumprelu, SaeActivation::gated});
  if (dice.coin()) sae.scale = 0.25 * static_cast<double>(dice.whole(1, 9));
  sae.encoder = dice.coin() ? "" : random_path(dice);
  return sae;
}

TermRecipe random_term(Dice& dice, size_t index) {
  TermRecipe term;
  term.function = dice.one_of({TermFunction::kl, TermFunction::reverse_kl, TermFunction::jsd, TermFunction::cross_entropy,
                               TermFunction::symmetric_kl, TermFunction::skew_kl, TermFunction::top_k_kl, TermFunction::uld,
                               TermFunction::hidden_mse, TermFunction::hidden_cosine, TermFunction::attention_mse,
                               TermFunction::minilm_value, TermFunction::minilm_attention, TermFunction::sae_features});
  term.name = dice.coin() ? "" : "term" + std::to_string(index);
  term.weight = dice.number() + 1e-3;
  if (dice.coin()) term.weight = Ramp(dice.number(), dice.number(), dice.coin() ? percent(25) : steps(10));
  if (term.reads("temperature")) term.temperature = dice.number() * 4 + 1e-6;
  if (term.reads("temperature") && dice.coin()) term.temperature.to = 2, term.temperature.over = steps(7);
  if (term.reads("alpha")) term.alpha = dice.number() * 0.9;
  if (term.reads("ratio")) term.ratio = dice.number();
  if (term.reads("top_k")) term.top_k = dice.whole(1, 999);
  if (term.reads("z_loss")) term.z_loss = dice.number();
  if (term.reads("label_smoothing")) term.label_smoothing = dice.number() * 0.9;
  if (term.reads("t_squared")) term.t_squared = dice.coin();
  if (term.reads("beta")) term.beta = dice.number();
  if (term.reads("positions")) term.positions = dice.one_of({Positions::automatic, Positions::kept, Positions::all});
  if (term.reads("layer_mapping"))
    term.layer_mapping = dice.one_of<LayerMapping>(
        {{}, {LayerRule::last, {}}, {LayerRule::all, {}}, {LayerRule::pairs, {{dice.whole(1, 9), 2}, {3, dice.whole(1, 99)}}}});
  if (term.function == TermFunction::hidden_mse && dice.coin()) term.layer_mapping = {LayerRule::learned, {}};
  if (term.reads("relations")) term.relations = {dice.one_of({Relation::q, Relation::v}), Relation::k};
  if (term.reads("relation_heads") && dice.coin()) term.relation_heads.value = dice.whole(1, 64);
  if (term.reads("projector_learning_rate") && dice.coin()) term.projector_learning_rate = dice.number() + 1e-6;
  if (term.reads("sae")) term.sae = random_autoencoder(dice);
  return term;
}

Recipe random_recipe(uint64_t key) {
  Dice dice(key);
  Recipe recipe;
  recipe.teacher = TeacherRecipe{};
  recipe.teacher->path = random_path(dice) + "t";
  recipe.teacher->dtype = dice.one_of({DTypeChoice::automatic, DTypeChoice::float16, DTypeChoice::bfloat16});
  if (dice.coin()) {
    recipe.student.path = random_path(dice);
  } else {
    recipe.student.init.emplace().config.text =
        R"({"model_type":"llama","eps":1e-06,"big":1e+30,"n":[1,-2,0.5],"s":"a: b","null":null,"on":true,"text":"5","":{"a b":"caf\u00e9"}})";
    recipe.student.init->config.text =
        recipe.student.init->config.text.replace(recipe.student.init->config.text.find("\\u00e9"), 6, "\xc3\xa9");
    recipe.student.init->tokenizer = random_path(dice);
  }
  recipe.student.dropout = {dice.coin(), 0};
  if (!recipe.student.dropout.from_config) recipe.student.dropout.rate = dice.number() * 0.9;
  if (dice.coin()) recipe.student.freeze = {"embeddings", "layers." + std::to_string(dice.whole(0, 99))};
  for (int64_t i = dice.whole(1, 3); i > 0; --i) recipe.data.train.push_back({random_path(dice), dice.number() + 0.01});
  for (int64_t i = dice.whole(0, 2); i > 0; --i) recipe.data.eval.push_back({random_path(dice), 1});
  recipe.data.sequence_length = dice.whole(2, 4096);
  recipe.data.packing = dice.coin();
  if (dice.coin()) recipe.data.chat_template = random_path(dice);
  recipe.data.overflow = dice.one_of({Overflow::truncate, Overflow::split});
  recipe.objective.clear();
  for (int64_t i = dice.whole(1, 4); i > 0; --i) recipe.objective.push_back(random_term(dice, recipe.objective.size()));
  recipe.optimizer.learning_rate = dice.number() * 1e-2;
  recipe.optimizer.betas = {dice.number(), dice.number()};
  recipe.optimizer.max_grad_norm.value = dice.coin() ? std::nullopt : std::optional(dice.number() + 0.1);
  recipe.schedule.kind = dice.one_of({ScheduleKind::cosine, ScheduleKind::constant, ScheduleKind::inverse_sqrt});
  recipe.schedule.warmup = dice.one_of({percent(3), percent(12.5), steps(7), tokens(5e6), percent(0)});
  recipe.train.length = dice.one_of({steps(10000), tokens(3e7), epochs(0.25), tokens(123456789)});
  recipe.train.batch_size.value = dice.whole(1, 64);
  recipe.train.precision = dice.one_of({Precision::automatic, Precision::float32, Precision::float64});
  recipe.train.device = dice.one_of<std::string>({"auto", "cpu"});
  recipe.train.seed = dice.whole(0, INT64_C(1) << 52);
  if (dice.coin()) recipe.train.evaluate_every = steps(50);
  recipe.train.save_every = dice.one_of({steps(100), minutes(10), minutes(0.5)});
  recipe.output = random_path(dice) + "o";
  return recipe;
}

TEST(RecipePrinting, WhatIsPrintedReadsBackEqual) {
  for (uint64_t key = 0; key < 200; ++key) {
    const Recipe recipe = random_recipe(key);
    const std::string yaml = recipe_yaml(recipe);
    const ExaminedRecipe again = examine_recipe_text(yaml, "r.yaml", {});
    ASSERT_TRUE(again.problems.empty()) << recipes::all_texts(again.problems) << yaml;
    ASSERT_EQ(again.loaded.recipe, recipe) << yaml << "\n---\n" << recipe_yaml(again.loaded.recipe);
    ASSERT_EQ(recipe_fingerprint(again.loaded.recipe), recipe_fingerprint(recipe));
  }
}

TEST(RecipePrinting, OriginsAreCommentsAndDoNotChangeTheValue) {
  for (uint64_t key = 0; key < 50; ++key) {
    const LoadedRecipe loaded = parse_recipe(recipe_yaml(random_recipe(key)), "r.yaml", {});
    EXPECT_EQ(parse_recipe(recipe_yaml(loaded.recipe, &loaded.origins), "r.yaml", {}).recipe, loaded.recipe);
  }
}

TEST(RecipePrinting, ListsOfSectionsAreLaidOutAsBlocks) {
  const std::string yaml = recipe_yaml(with({"objective=[kl, {function: jsd, beta: 0.25}]"}));
  EXPECT_NE(yaml.find("objective:\n  - function: kl\n    weight: 1\n    temperature: 1\n    t_squared: true\n"
                      "  - function: jsd\n    weight: 1\n    temperature: 1\n    t_squared: true\n    beta: 0.25\n"),
            std::string::npos)
      << yaml;
}

TEST(RecipeFingerprint, IsBlindToWhatARunMayChange) {
  const std::string before = recipe_fingerprint(with({}));
  for (const char* text : {"train.length=99 epochs", "train.log_every=1", "train.save_every=3 steps", "train.keep_checkpoints=9",
                           "train.evaluate_every=4", "train.device=cpu", "output=elsewhere", "data.eval=e.jsonl",
                           "student.save_dtype=float16", "train.gradient_checkpointing=full", "teacher.placement=device"})
    EXPECT_EQ(recipe_fingerprint(with({text})), before) << text;
}

TEST(RecipeFingerprint, SeesWhatMayChangeTheLoss) {
  const std::string before = recipe_fingerprint(with({}));
  for (const char* text : {"teacher.path=x",
                           "teacher.dtype=float16",
                           "student.path=x",
                           "student.dropout=0.1",
                           "student.freeze=head",
                           "data.train=x",
                           "data.train.0.weight=2",
                           "data.sequence_length=7",
                           "data.packing=false",
                           "data.shuffle=false",
                           "data.overflow=split",
                           "data.append_eos=false",
                           "data.assistant_only_loss=false",
                           "data.chat_template=x",
                           "data.vocabulary=assume_same",
                           "objective.0.weight=2",
                           "objective.0.temperature=2",
                           "objective.1.function=cross_entropy",
                           "objective.1={function: pkd, layer_mapping: learned}",
                           "optimizer.learning_rate=1",
                           "optimizer.eps=1",
                           "optimizer.max_grad_norm=none",
                           "schedule.kind=linear",
                           "schedule.warmup=5%",
                           "schedule.floor=0",
                           "train.batch_size=5",
                           "train.gradient_accumulation_steps=2",
                           "train.precision=float32",
                           "train.seed=1"})
    EXPECT_NE(recipe_fingerprint(with({text})), before) << text;
}

TEST(RecipeFingerprint, ChangesAreListedOldToNew) {
  EXPECT_TRUE(recipe_changes(with({}), with({"train.length=7 steps", "output=x"})).empty());
  EXPECT_EQ(recipe_changes(with({}), with({"train.seed=4", "objective.0.function=jsd", "teacher.dtype=float16"})),
            (std::vector<std::string>{"objective.0.function: kl -> jsd", "teacher.dtype: auto -> float16", "train.seed: 17 -> 4",
                                      "objective.0.beta: (none) -> 0.5"}));
}

}  // namespace
}  // namespace distill
