// Folders that hold a SentencePiece model and no tokenizer.json: what transformers 5.23 converts them to on loading.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "folder_tokens.h"

namespace distill {

// The model file of the folder under one of its usual names, or nullopt.
std::optional<std::filesystem::path> find_sentencepiece_model(const std::filesystem::path& folder);

// The class is `tokenizer_class` of tokenizer_config.json, else the one of `model_type` in config.json. InputError names the
// class, the algorithm or the setting that is not available yet.
ConvertedTokenizer convert_sentencepiece_folder(const std::filesystem::path& folder, const std::filesystem::path& model);

}  // namespace distill
