// What to tell people who wrote a key or a word that we do not have: the nearest of ours, and what users of Hugging Face
// Trainer, TRL, DistillKit and torchtune would have typed.
#pragma once

#include <string>
#include <vector>

#include "yaml_node.h"

namespace distill {

// The advice for an unknown key in `section` ("" at the top), naming our key with its full path and an example value.
std::string advice_for_key(const std::string& section, const YamlEntry& entry, const std::vector<std::string>& known);
// Our word for a word of theirs (`fp16` -> `float16`) or the nearest of `words`; "" when none is near.
std::string word_for(const std::string& word, const std::vector<std::string>& words);

}  // namespace distill
