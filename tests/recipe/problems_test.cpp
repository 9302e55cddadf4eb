// What a bad recipe is told: every mistake at once, each with its place and the next step.
#include "recipe/recipes.h"

namespace distill {
namespace {

using recipes::all_texts;
using recipes::kGood;
using recipes::problems_of;
using recipes::says;

TEST(RecipeProblems, AllMistakesComeAtOnceWithLineAndColumn) {
  const std::string yaml =
      "teacher:\n"
      "  path: t\n"
      "  quantise: nf4\n"
      "student: {path: s}\n"
      "data:\n"
      "  train: [{path: a.jsonl, weight: -1}]\n"
      "  packing: yes\n"
      "  sequence_length: many\n"
      "objective:\n"
      "  - {function: kl}\n"
      "  - {function: crossentropy}\n"
      "train:\n"
      "  length: 3\n"
      "  seed: 1\n"
      "  seed: 2\n"
      "output: out\n";
  const auto problems = problems_of(yaml);
  EXPECT_TRUE(says(problems, "r.yaml:3:3: ", {"quantise", "Did you mean `quantize`?"}));
  EXPECT_TRUE(says(problems, "r.yaml:6:35: data.train.0.weight", {"above 0", "-1"}));
  EXPECT_TRUE(says(problems, "r.yaml:7:12: data.packing", {"true or false"}));
  EXPECT_TRUE(says(problems, "r.yaml:8:20: data.sequence_length", {"a whole number", "`many`"}));
  EXPECT_TRUE(says(problems, "r.yaml:11:16: objective.1.function", {"Did you mean `cross_entropy`?"}));
  EXPECT_TRUE(says(problems, "r.yaml:13:11: train.length", {"`3 steps`"}));
  EXPECT_TRUE(says(problems, "r.yaml:15:3", {"`seed` again (first on line 14)"}));
  EXPECT_EQ(problems.size(), 7u) << all_texts(problems);
  for (size_t i = 1; i < problems.size(); ++i) EXPECT_FALSE(problems[i].advice.empty()) << problems[i].text();
}

TEST(RecipeProblems, TheLineIsShownWithACaretUnderTheColumn) {
  const auto problems = problems_of(
      "teacher: {path: t}\nstudent: {path: \"m\xc3\xb6"
      "del\", freze: [head]}\n" +
      kGood.substr(38));
  ASSERT_EQ(problems.size(), 1u) << all_texts(problems);
  EXPECT_EQ(problems[0].where, "r.yaml:2:26: student.freze");
  EXPECT_EQ(problems[0].excerpt,
            "  2 | student: {path: \"m\xc3\xb6"
            "del\", freze: [head]}\n    |                          ^");
}

TEST(RecipeProblems, LongLinesAreCutAroundTheCaret) {
  const auto problems = problems_of(kGood + "zzz: {" + std::string(5000, ' ') + "}\nqqq: [" + std::string(3000, ' ') + "1]\n",
                                    {"train.seed=" + std::string(4000, 'x')});
  for (const Complaint& problem : problems) EXPECT_LT(problem.text().size(), 900u);
}

TEST(RecipeProblems, RequiredKeysAreNamedWithAnExample) {
  const auto problems = problems_of("teacher: {path: t}\n");
  EXPECT_TRUE(says(problems, "r.yaml:1:1: student", {"`student.path`, `student.init` or `student.shrink`"}));
  EXPECT_TRUE(says(problems, "r.yaml:1:1: data.train", {"data: {train: [{path: train.jsonl}]}"}));
  EXPECT_TRUE(says(problems, "r.yaml:1:1: train.length", {"train: {length: 2 epochs}"}));
  EXPECT_TRUE(says(problems, "r.yaml:1:1: output", {"output: runs/first"}));
  EXPECT_EQ(problems.size(), 4u) << all_texts(problems);
  EXPECT_TRUE(says(problems_of(kGood, {"data.train=[]"}), "--set", {"at least one item"}));
  EXPECT_TRUE(says(problems_of(kGood, {"data.train=[{weight: 2}]"}), "--set", {"data.train.0.path"}));
  EXPECT_TRUE(says(problems_of(kGood, {"output=\"\""}), "--set", {"an empty text"}));
}

TEST(RecipeProblems, RulesBetweenValues) {
  struct Case {
    std::vector<std::string> overrides;
    std::vector<std::string> words;
  };
  const Case kCases[] = {
      {{"student.init={config: {a: 1}}"}, {"exactly one of", "`student.path` and `student.init`"}},
      {{"teacher=none"}, {": teacher: ", "`kl` reads it", "Add `teacher: {path"}},
      {{"teacher=none", "objective=[cross_entropy, hidden_mse]"}, {"`hidden_mse` reads it"}},
      {{"objective=[]"}, {"at least one term"}},
      {{"objective=[{function: kl, weight: 0}]"}, {"only weights of 0"}},
      {{"objective=[{function: cross_entropy, temperature: 1}]"}, {"objective.0.temperature", "`cross_entropy` does not use it"}},
      {{"objective=[{function: kl, beta: 0.5}]"}, {"objective.0.beta", "`kl` does not use it"}},
      {{"objective=[{function: kl, layer_mapping: uniform}]"}, {"`kl` does not use it"}},
      {{"objective=[{function: hidden_mse, temperature: 2}]"}, {"`hidden_mse` does not use it"}},
      {{"objective=[{function: kl, temperature: 0}]"}, {"above 0"}},
      {{"objective=[{function: jsd, beta: 1.5}]"}, {"at least 0 and at most 1"}},
      {{"objective=[{function: skew_kl, alpha: 1}]"}, {"objective.0.alpha", "below 1"}},
      {{"objective=[{function: symmetric_kl, ratio: -0.1}]"}, {"objective.0.ratio", "at least 0"}},
      {{"objective=[{function: top_k_kl, top_k: 0}]"}, {"objective.0.top_k", "at least 1"}},
      {{"objective=[{function: kl, top_k: 5}]"}, {"`kl` does not use it"}},
      {{"objective=[{function: tvd, t_squared: true}]"}, {"`tvd` does not use it"}},
      {{"objective=[{function: cross_entropy, label_smoothing: 1}]"}, {"below 1"}},
      {{"objective=[{function: kl, weight: {from: 1, to: 2}}]"}, {"objective.0.weight", "`from`, `to` and `over`"}},
      {{"objective=[{function: kl, weight: {from: 1, to: -2, over: 50%}}]"}, {"objective.0.weight.to", "at least 0"}},
      {{"objective=[{function: kl, temperature: {from: 0, to: 2, over: 50%}}]"}, {"objective.0.temperature.from", "above 0"}},
      {{"objective=[{function: kl, weight: {from: 1, to: 2, over: 3}}]"}, {"objective.0.weight.over", "`3 steps`"}},
      {{"objective=[{function: kl, weight: {from: 1, too: 2, over: 50%}}]"}, {"objective.0.weight.too", "`to`"}},
      {{"objective=[{function: kl, weight: .inf}]"}, {"finite"}},
      {{"objective=[{function: kl, name: a}, {function: jsd, name: a}]"}, {"objective.1.name", "`a` a second time"}},
      {{"objective=[{function: jsd, name: kl}, kl]"}, {"objective.1.function", "`kl` a second time"}},
      {{"objective=[{function: kl}, {function: jsd, name: kl_2}, kl]"}, {"`kl_2` a second time"}},
      {{"objective=[{function: attention_mse, layer_mapping: [[0, 1]]}]"}, {"blocks, which count from 1"}},
      {{"objective=[{function: attention_kl, layer_mapping: learned}]"},
       {"objective.0.layer_mapping", "`attention_kl` does not have"}},
      {{"objective=[{function: gram, layer_mapping: learned}]"}, {"objective.0.layer_mapping", "hidden_mse"}},
      {{"objective=[{function: pkd, layer_mapping: learnt}]"}, {"Did you mean `learned`?"}},
      {{"objective=[{function: minilm_value, relations: [v, x]}]"}, {"one of q, k or v"}},
      {{"objective=[{function: minilm_value, relations: []}]"}, {"objective.0.relations", "relations: [q, k, v]"}},
      {{"objective=[{function: minilm_value, relations: [q, v, q]}]"}, {"objective.0.relations.2", "`q` a second time"}},
      {{"objective=[{function: minilm_attention, relations: [q]}]"}, {"`minilm_attention` does not use it"}},
      {{"objective=[{function: attention_kl, relation_heads: 4}]"}, {"`attention_kl` does not use it"}},
      {{"objective=[{function: minilm_value, relation_heads: 0}]"}, {"objective.0.relation_heads", "at least 1"}},
      {{"objective=[{function: gram, projector_learning_rate: 1e-3}]"}, {"`gram` does not use it"}},
      {{"objective=[{function: hidden_l1, projector_learning_rate: 0}]"}, {"objective.0.projector_learning_rate", "above 0"}},
      {{"objective=[{function: hidden_l1, sae: {path: a, layer: 1}}]"}, {"`hidden_l1` does not use it"}},
      {{"objective=[sae_features]"}, {"`sae:`", "sae: {path: sae.safetensors, layer: 8}"}},
      {{"objective=[{function: sae_features, sae: {path: a.pt}}]"}, {"objective.0.sae", "layer: 8"}},
      {{"objective=[{function: sae_features, sae: {layer: 1}}]"}, {"objective.0.sae.path"}},
      {{"objective=[{function: sae_features, sae: {path: a, layer: 1}, layer_mapping: last}]"},
       {"`sae_features` does not use it"}},
      {{"objective=[{function: sae_features, sae: {path: a, layer: -1}}]"}, {"objective.0.sae.layer", "at least 0"}},
      {{"objective=[{function: sae_features, sae: {path: a.pt, layer: 1, activation: topk}}]"},
       {"objective.0.sae.activation", "k: 32"}},
      {{"objective=[{function: sae_features, sae: {path: a, layer: 1, activation: relu, threshold: t}}]"},
       {"objective.0.sae.threshold", "jumprelu"}},
      {{"objective=[{function: sae_features, sae: {path: a, layer: 1, activaton: relu}}]"}, {"Did you mean `activation`?"}},
      {{"optimizer.betas=[0.9]"}, {"two numbers"}},
      {{"optimizer.betas=[0.9, 1.0]"}, {"below 1"}},
      {{"optimizer.max_grad_norm=0"}, {"above 0"}},
      {{"schedule.floor=1.2"}, {"at most 1"}},
      {{"student.freeze=[embedding]"}, {"Did you mean `embeddings`?"}},
      {{"student.freeze=[layers.x]"}, {"layers.N"}},
      {{"teacher.trust=torchscript"}, {"data.packing", "Set `data: {packing: false}`"}},
      {{"student.trust=torchscript"}, {"data.packing", "a TorchScript model cannot keep documents"}},
      {{"student={path: s, trust: torchscript, dropout: config}", "data.packing=false"}, {"student.dropout", "evaluation mode"}},
      {{"student={path: s, trust: torchscript, freeze: [head]}", "data.packing=false"}, {"student.freeze"}},
      {{"student={path: s, trust: torchscript}", "data.packing=false", "train.gradient_checkpointing=selective"},
       {"train.gradient_checkpointing", "`selective`"}},
      {{"student={init: {config: {a: 1}}, trust: torchscript}", "data.packing=false"}, {"student.trust", "name the file"}},
      {{"train.device=gpu"}, {"Did you mean `cuda`?"}},
      {{"train.device=cuda:x"}, {"cuda:N"}},
      {{"train.device=cuda:0", "train.precision=float64"}, {"train.precision", "Set `train.device: cpu`"}},
      {{"output=./s/"}, {"a folder of its own"}},
      {{"train.keep_checkpoints=0"}, {"at least 1"}},
      {{"data.sequence_length=1"}, {"at least 2"}},
      {{"data.train=[{path: a, weight: 0}]"}, {"above 0"}},
      {{"train.batch_size=0"}, {"at least 1"}},
      {{"student={init: {config: {a: 1}}}", "teacher=none", "objective=[cross_entropy]", "data.train=a.txt"}, {"`tokenizer:`"}},
      {{"student={init: {config: 3}}"}, {"the mapping of a config.json"}},
      {{"student={shrink: {layers: [2, 1]}}"}, {"student.shrink.layers.1", "above the one before it (2)"}},
      {{"student={shrink: {layers: []}}"}, {"student.shrink.layers", "an empty list"}},
      {{"student={shrink: {layers: [-1]}}"}, {"student.shrink.layers", "at least 0"}},
      {{"student={shrink: {hidden_size: 0}}"}, {"student.shrink.hidden_size", "at least 1"}},
      {{"student={shrink: {heads: 2}}"}, {"student.shrink.heads"}},
      {{"student={shrink: {layers: [0]}}", "teacher=none", "objective=[cross_entropy]"},
       {"`teacher:`, because the student is cut"}},
      {{"student={init: {config: {}}}"}, {"an empty mapping"}},
  };
  for (const Case& c : kCases) {
    const auto problems = problems_of(kGood, c.overrides);
    EXPECT_EQ(problems.size(), 1u) << c.overrides[0] << "\n" << all_texts(problems);
    EXPECT_TRUE(says(problems, "", c.words)) << c.overrides[0];
  }
}

TEST(RecipeProblems, WhatComesLaterIsRefusedByName) {
  const std::pair<const char*, const char*> kCases[] = {
      {"teacher.quantize=nf4", "`nf4`, which is not available yet"},
      {"teacher.placement=disk", "`disk`, which is not available yet"},
      {"teacher.cache.mode=hidden", "`hidden`, which is not available yet"},
      {"teacher.cache.path=c", "`teacher.cache.path`, which is not available yet"},
      {"student.lora={rank: 4}", "`student.lora`, which is not available yet"},
      {"train.batch_size=auto", "`auto`, which is not available yet"},
      {"optimizer.name=lion", "`lion`, which is not available yet"},
  };
  for (const auto& [text, words] : kCases) {
    const auto problems = problems_of(kGood, {text});
    EXPECT_EQ(problems.size(), 1u) << text << "\n" << all_texts(problems);
    EXPECT_TRUE(says(problems, "--set", {words})) << text;
  }
}

TEST(RecipeProblems, WhatIsLegalButStrangeIsAWarning) {
  const std::pair<const char*, const char*> kCases[] = {
      {"train.evaluate_every=5 steps", "`data.eval`"},
      {"data.eval=train.jsonl", "not trained on"},
      {"objective=[cross_entropy]", "a term that reads the teacher"},
      {"objective=[kl, {function: jsd, weight: 0}]", "neither computed nor logged"},
      {"schedule.warmup=10 steps", "shorter than train.length"},
      {"optimizer.learning_rate=1", "below 0.1"},
      {"optimizer.learning_rate=0", "above 0"},
      {"teacher.path=s", "the same folder"},
  };
  for (const auto& [text, words] : kCases) {
    const LoadedRecipe loaded = parse_recipe(kGood, "r.yaml", {text});
    EXPECT_TRUE(says(loaded.warnings, "", {words})) << text;
    EXPECT_EQ(loaded.warnings.size(), 1u) << text;
  }
  const LoadedRecipe half = parse_recipe(kGood, "r.yaml", {"train.device=cpu", "train.precision=float16"});
  EXPECT_TRUE(says(half.warnings, "--set", {"float32 on a CPU"}));
}

TEST(RecipeProblems, KeysOfOtherToolsAreAnsweredWithOurs) {
  struct Case {
    const char* line;
    const char* answer;
  };
  const Case kCases[] = {
      {"learning_rate: 2e-5", "`optimizer.learning_rate`? For example `optimizer: {learning_rate: 2e-5}`"},
      {"lr: 2e-5", "`optimizer: {learning_rate: 2e-5}`"},
      {"warmup_ratio: 0.05", "`schedule: {warmup: 5%}`"},
      {"warmup_steps: 100", "`schedule: {warmup: 100 steps}`"},
      {"fp16: true", "`train: {precision: float16}`"},
      {"bf16: true", "`train: {precision: bfloat16}`"},
      {"bf16: false", "Remove it; `train.precision`"},
      {"per_device_train_batch_size: 8", "`train: {batch_size: 8}`"},
      {"num_train_epochs: 3", "`train: {length: 3 epochs}`"},
      {"max_steps: 500", "`train: {length: 500 steps}`"},
      {"max_seq_length: 512", "`data: {sequence_length: 512}`"},
      {"max_length: 512", "`data: {sequence_length: 512}`"},
      {"chat_template_path: chat.jinja", "`data: {chat_template: chat.jinja}`"},
      {"chat_template: chat.jinja", "`data: {chat_template: chat.jinja}`"},
      {"chat_template_kwargs: {enable_thinking: false}", "Write it in the rows"},
      {"completion_only_loss: true", "`data: {assistant_only_loss: true}`"},
      {"dataset_text_field: text", "rename the field in the file"},
      {"lr_scheduler_type: linear", "`schedule: {kind: linear}`"},
      {"gradient_accumulation: 4", "`train: {gradient_accumulation_steps: 4}`"},
      {"gradient_accumulation_steps: 4", "`train: {gradient_accumulation_steps: 4}`"},
      {"logging_steps: 5", "`train: {log_every: 5 steps}`"},
      {"save_steps: 500", "`train: {save_every: 500 steps}`"},
      {"eval_steps: 50", "`train: {evaluate_every: 50 steps}`"},
      {"save_total_limit: 3", "`train: {keep_checkpoints: 3}`"},
      {"output_dir: runs/a", "`output: runs/a`"},
      {"teacher_model_name_or_path: models/big", "`teacher: {path: models/big}`"},
      {"teacher_model: models/big", "`teacher: {path: models/big}`"},
      {"model_name_or_path: models/small", "`student: {path: models/small}`"},
      {"temperature: 2.0", "`objective: [{function: kl, temperature: 2.0}]`"},
      {"alpha: 0.5", "`objective: [{function: kl, weight: 0.5}]`"},
      {"beta: 0.5", "`objective.0.beta`"},
      {"lmbda: 0.5", "not available"},
      {"dataset: {name: x}", "`data: {train: [{path: train.jsonl}]}`"},
      {"dataset_name: x", "`data.train`"},
      {"seed: 42", "`train: {seed: 42}`"},
      {"load_in_4bit: true", "`teacher.quantize`"},
      {"lora_r: 8", "Not available yet"},
      {"gradient_checkpointing: true", "`train: {gradient_checkpointing: full}`"},
      {"adam_beta1: 0.9", "`optimizer: {betas: [0.9, 0.999]}`"},
      {"packing: true", "`data: {packing: true}`"},
      {"epochs: 3", "`train: {length: 3 epochs}`"},
      {"kd_ratio: 0.5", "two terms"},
      {"resume_from_checkpoint: true", "The same command run again"},
      {"loss_functions: [{function: kl}]", "`objective`"},
      {"objectiv: [kl]", "Did you mean `objective`?"},
      {"keep_checkpoint: 2", "Did you mean `train.keep_checkpoints`?"},
  };
  for (const Case& c : kCases) {
    const auto problems = problems_of(kGood + c.line + "\n");
    EXPECT_EQ(problems.size(), 1u) << c.line;
    EXPECT_TRUE(says(problems, "r.yaml:6:1: ", {c.answer})) << c.line;
  }
}

TEST(RecipeProblems, KeysOfOtherToolsAreAnsweredInsideSectionsToo) {
  EXPECT_TRUE(says(problems_of(kGood, {"train.learning_rate=1e-5"}), "--set", {"`optimizer: {learning_rate: 1e-5}`"}));
  EXPECT_TRUE(says(problems_of(kGood, {"train.fp16=true"}), "--set", {"`train: {precision: float16}`"}));
  EXPECT_TRUE(says(problems_of(kGood, {"teacher.load_in_8bit=true"}), "--set", {"`teacher: {quantize: int8}`"}));
  EXPECT_TRUE(says(problems_of("student: {model_name_or_path: x}\n" + kGood.substr(0, 19) + kGood.substr(38)), "r.yaml:1:11",
                   {"`student: {path: x}`"}));
  EXPECT_TRUE(says(problems_of(kGood, {"objective=[{type: kl}]"}), "--set", {"`objective: [{function: kl}]`"}));
}

TEST(RecipeProblems, WordsOfOtherToolsAreAnsweredWithOurs) {
  const std::pair<const char*, const char*> kCases[] = {
      {"train.precision=fp16", "`float16`"},
      {"train.precision=bf16", "`bfloat16`"},
      {"train.gradient_checkpointing=true", "`full`"},
      {"train.gradient_checkpointing=false", "`none`"},
      {"optimizer.name=adamw_torch_fused", "`adamw`"},
      {"objective.0.function=forward_kl", "`kl`"},
      {"objective.0.function=ce", "`cross_entropy`"},
      {"schedule.kind=cosine_with_min_lr", "`cosine`"},
      {"teacher.dtype=half", "`float16`"},
  };
  for (const auto& [text, word] : kCases)
    EXPECT_TRUE(says(problems_of(kGood, {text}), "--set", {std::string("Did you mean ") + word})) << text;
}

TEST(RecipeProblems, SectionsOfTheWrongTypeAreNamed) {
  for (const char* text : {"train=[1]", "data=[a]", "teacher=[x]", "objective=3", "optimizer=[]", "schedule=", "data.train=3"})
    EXPECT_EQ(problems_of(kGood, {text}).empty(), false) << text;
  EXPECT_TRUE(says(problems_of("[1, 2]\n"), "r.yaml:1:1", {"a mapping", "a list"}));
  EXPECT_TRUE(says(problems_of("hello\n"), "r.yaml:1:1", {"a mapping"}));
}

TEST(RecipeProblems, RecipeErrorsExitWithTwoAndHoldEveryComplaint) {
  try {
    parse_recipe("a: 1\nb: 2\n", "r.yaml", {});
    FAIL() << "nothing was thrown";
  } catch (const RecipeError& error) {
    EXPECT_EQ(static_cast<int>(error.exit_code()), 2);
    EXPECT_EQ(error.complaints().size(), 7u) << error.what();
  }
}

}  // namespace
}  // namespace distill
