// The `data` section of the recipe. Plain structs; what a source may hold is the data room's business.
#pragma once

#include "distill/recipe/values.h"

namespace distill {

enum class Overflow { truncate, split };
template <>
struct EnumNames<Overflow> {
  static constexpr std::pair<Overflow, std::string_view> kNames[] = {{Overflow::truncate, "truncate"},
                                                                     {Overflow::split, "split"}};
};

struct SourceRecipe {
  std::string path;   // of a file, or of a folder of datasets.save_to_disk
  double weight = 1;  // repetitions per epoch; 0.5 = a keyed half
  bool operator==(const SourceRecipe&) const = default;
  static constexpr auto kShorthand = &SourceRecipe::path;  // a bare text stands for {path: text}

  template <class Visit>
  static void fields(Visit& v) {
    v(&SourceRecipe::path, "path",
      "a .jsonl or .txt file (compressed too: .gz .zst .xz .bz2), .parquet, .arrow or a folder of datasets.save_to_disk, or "
      "token "
      "ids in .npy or .bin (nanoGPT, llm.c). A .bin file or an array of one dimension is one stream: its documents end after the "
      "tokenizer's end of sequence, and longer ones come in pieces of sequence_length, so that nothing is cut away")
        .required();
    v(&SourceRecipe::weight, "weight", "repetitions per epoch: 1 = each row once, 0.5 = a half chosen by the seed")
        .above(0)
        .max(1e6);
  }
};

enum class VocabularyCheck { check, assume_same };
template <>
struct EnumNames<VocabularyCheck> {
  static constexpr std::pair<VocabularyCheck, std::string_view> kNames[] = {{VocabularyCheck::check, "check"},
                                                                            {VocabularyCheck::assume_same, "assume_same"}};
};

struct DataRecipe {
  std::vector<SourceRecipe> train;
  std::vector<SourceRecipe> eval;
  int64_t sequence_length = 1024;
  bool packing = true;
  bool shuffle = true;
  Overflow overflow = Overflow::truncate;
  bool append_eos = true;
  bool assistant_only_loss = true;
  std::string chat_template;
  std::optional<double> mask_probability;
  VocabularyCheck vocabulary = VocabularyCheck::check;
  std::string prepared = "auto";
  bool operator==(const DataRecipe&) const = default;

  template <class Visit>
  static void fields(Visit& v) {
    v(&DataRecipe::train, "train", "the training sources: a list of {path, weight}, or of paths").required();
    v(&DataRecipe::eval, "eval", "the held-out sources, evaluated without dropout").may_change();
    v(&DataRecipe::sequence_length, "sequence_length", "tokens per row at most; longer ones are cut or split (`overflow`)")
        .min(2)
        .max(1 << 24);
    v(&DataRecipe::packing, "packing",
      "several whole documents per row; they never attend to each other. sequence_classification and embedding have one document "
      "per row whatever this says");
    v(&DataRecipe::shuffle, "shuffle", "a new order every epoch; false: file order");
    v(&DataRecipe::overflow, "overflow", "what happens to rows longer than sequence_length; pieces of a `split` share no token");
    v(&DataRecipe::append_eos, "append_eos",
      "causal_lm: end every text and completion with the end-of-sequence token; conversations end as their template ends them");
    v(&DataRecipe::assistant_only_loss, "assistant_only_loss",
      "loss on the completion or the assistant's turns only; false: on the prompt too");
    v(&DataRecipe::chat_template, "chat_template",
      "a .jinja file that writes conversations, in place of the tokenizer's own template; the student's folder gets it");
    v(&DataRecipe::mask_probability, "mask_probability",
      "masked_lm: share of the tokens that are predicted; of these 80 % are hidden, 10 % replaced, 10 % left. Default 0.15")
        .above(0)
        .below(1);
    v(&DataRecipe::vocabulary, "vocabulary", "`assume_same` skips the comparison of teacher's and student's vocabularies");
    v(&DataRecipe::prepared, "prepared",
      "where tokenised rows are kept for the next start: `auto` = `.prepared` beside the run, for sources of 8 MiB or more; "
      "`none` = "
      "nowhere; or a folder")
        .may_change();
  }
};

}  // namespace distill
