// Trains the demo's byte-level BPE tokenizer and writes it as tokenizer.json, as the `tokenizers` library would.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace distill::demo {

// Learns merges from `texts` until the vocabulary (one special token, 256 bytes, merges) has `vocab_size` entries, and writes
// tokenizer.json and tokenizer_config.json into `folder`. Fewer merges are learnt when the texts hold no further pair.
void write_tokenizer(const std::filesystem::path& folder, const std::vector<std::string>& texts, int64_t vocab_size);

}  // namespace distill::demo
