// What the verbs share that read one model folder and write another one: where a model is, its type, saving it.
#pragma once

#include <filesystem>
#include <string>

#include "distill/spec/spec.h"
#include "distill/tensor/source.h"

namespace distill {

// The folder of a model: that of a run's student when `word` is a run folder; else `word`, or the snapshot of a hub id.
// InputError: a run without a student yet, and a student or a model that is a script, by name.
std::filesystem::path model_folder_of(const std::filesystem::path& word);

// The type that most of the stored weights have: config.json may say something else, `of_config`, or nothing.
std::string stored_dtype(const TensorSource& source, const std::string& of_config);
// `word` of --dtype: auto is `stored`.
at::ScalarType chosen_dtype(const std::string& word, const std::string& stored);

// CreateError when `out` is `folder` itself, by whatever path.
void refuse_own_folder(const std::filesystem::path& out, const std::filesystem::path& folder);

struct WrittenModel {
  int64_t num_tensors = 0, num_elements = 0;
  uint64_t bytes = 0;  // of the weights
  at::ScalarType dtype = at::kFloat;
};
// Every weight of `spec` from `source`, all in `dtype`, saved as a Hugging Face folder with the tokenizer files of `files_from`.
// InputError, by name and with counts, for values that become infinite in `dtype`; nothing is written then.
WrittenModel write_model(const std::filesystem::path& out, const ModelSpec& spec, const TensorSource& source,
                         at::ScalarType dtype, uint64_t shard_bytes, const std::filesystem::path& files_from);

}  // namespace distill
