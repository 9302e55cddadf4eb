// Folders that hold vocab.json and merges.txt and no tokenizer.json, in the style of GPT-2, RoBERTa and Qwen2: what transformers
// 5.23 converts them to on loading.
#pragma once

#include "folder_tokens.h"

namespace distill {

bool has_byte_bpe_vocabulary(const std::filesystem::path& folder);

// InputError names the class or the setting that is not available yet, the token of vocab.json or the line of merges.txt.
ConvertedTokenizer convert_byte_bpe_folder(const std::filesystem::path& folder);

}  // namespace distill
