// Folders that hold vocab.txt and no tokenizer.json, as BERT's and DistilBERT's first ones: what transformers 5.23 converts them
// to on loading.
#pragma once

#include "folder_tokens.h"

namespace distill {

bool has_bert_vocabulary(const std::filesystem::path& folder);

// InputError names the class or the setting that is not available yet, or the line of the vocabulary.
ConvertedTokenizer convert_bert_folder(const std::filesystem::path& folder);

}  // namespace distill
