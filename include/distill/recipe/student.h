// The `student` section of the recipe: where the student comes from and which of its parts learn.
#pragma once

#include "distill/recipe/values.h"

namespace distill {

// A dropout rate, or the rates that config.json states.
struct DropoutRecipe {
  bool from_config = false;  // written `config`
  double rate = 0;
  bool operator==(const DropoutRecipe&) const = default;
};

struct InitRecipe {
  JsonText config;        // the content of a Hugging Face config.json
  std::string tokenizer;  // folder whose tokenizer files the student takes; the teacher's when empty
  bool operator==(const InitRecipe&) const = default;

  template <class Visit>
  static void fields(Visit& v) {
    v(&InitRecipe::config, "config", "the student's config.json, written as a mapping").required();
    v(&InitRecipe::tokenizer, "tokenizer", "folder to take the tokenizer from; default: the teacher's");
  }
};

struct LoraRecipe {
  int64_t rank = 16;
  double alpha = 32;
  std::vector<std::string> targets;
  bool operator==(const LoraRecipe&) const = default;

  template <class Visit>
  static void fields(Visit& v) {
    v(&LoraRecipe::rank, "rank", "rank of the adapters").min(1);
    v(&LoraRecipe::alpha, "alpha", "scale of the adapters").above(0);
    v(&LoraRecipe::targets, "targets", "projections that get an adapter");
  }
};

// What is left out stays as the teacher has it.
struct ShrinkRecipe {
  std::optional<std::vector<int64_t>> layers;
  std::optional<int64_t> hidden_size, num_heads, num_kv_heads, intermediate_size;
  bool operator==(const ShrinkRecipe&) const = default;

  template <class Visit>
  static void fields(Visit& v) {
    v(&ShrinkRecipe::layers, "layers", "teacher blocks that the student keeps, from 0, ascending").min(0);
    v(&ShrinkRecipe::hidden_size, "hidden_size", "channels that it keeps: those with the largest weights").min(1);
    v(&ShrinkRecipe::num_heads, "num_heads", "query heads that it keeps in each block").min(1);
    v(&ShrinkRecipe::num_kv_heads, "num_kv_heads", "key/value heads that it keeps in each block").min(1);
    v(&ShrinkRecipe::intermediate_size, "intermediate_size", "feed-forward units that it keeps in each block").min(1);
  }
};

struct StudentRecipe {
  std::string path;
  Trust trust = Trust::none;
  std::optional<InitRecipe> init;
  std::optional<ShrinkRecipe> shrink;
  std::optional<LoraRecipe> lora;
  DropoutRecipe dropout;
  std::vector<std::string> freeze;
  DTypeChoice save_dtype = DTypeChoice::automatic;
  bool operator==(const StudentRecipe&) const = default;
  static constexpr auto kShorthand = &StudentRecipe::path;
  static constexpr std::string_view kExactlyOne[] = {"path", "init", "shrink"};

  template <class Visit>
  static void fields(Visit& v) {
    v(&StudentRecipe::path, "path", "Hugging Face folder of the student; with `trust: torchscript` a TorchScript file");
    v(&StudentRecipe::trust, "trust", "`torchscript` lets a script, which is a program, run as the student");
    v(&StudentRecipe::init, "init", "a student with fresh random weights");
    v(&StudentRecipe::shrink, "shrink", "a student cut from the teacher");
    v(&StudentRecipe::lora, "lora", "train low-rank adapters only").planned();
    v(&StudentRecipe::dropout, "dropout", "dropout rate in training; `config`: the rates of config.json").min(0).below(1);
    v(&StudentRecipe::freeze, "freeze", "parts that are not trained: embeddings, head, norms, or layers.N");
    v(&StudentRecipe::save_dtype, "save_dtype", "type of the saved student; auto: as the student was stored").may_change();
  }
};

}  // namespace distill
