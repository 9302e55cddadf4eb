#include "demo_tokenizer.h"

#include <cctype>
#include <map>
#include <utility>

#include "distill/core/file.h"
#include "distill/core/json_reader.h"

namespace distill::demo {
namespace {

using Pieces = std::vector<std::string>;
using Merge = std::pair<std::string, std::string>;

constexpr const char* kEnd = "<|end|>";

// Byte-level BPE writes every byte as a printable character: these are the 256 characters (GPT-2), in UTF-8.
std::vector<std::string> byte_characters() {
  std::vector<std::string> characters;
  int next_free = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    const int code = printable ? byte : next_free++;
    if (code < 0x80) {
      characters.emplace_back(1, static_cast<char>(code));
    } else {
      characters.push_back({static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))});
    }
  }
  return characters;
}

int kind_of(unsigned char byte) { return std::isalpha(byte) ? 0 : std::isdigit(byte) ? 1 : std::isspace(byte) ? 2 : 3; }

// How often each word occurs. A word is what the GPT-2 pattern makes of ASCII text: a run of one kind with the space before it.
std::map<std::string, int64_t> count_words(const std::vector<std::string>& texts) {
  std::map<std::string, int64_t> counts;
  for (const std::string& text : texts) {
    for (size_t begin = 0; begin < text.size();) {
      size_t end = begin + (text[begin] == ' ' && begin + 1 < text.size() ? 1 : 0);
      const int kind = kind_of(static_cast<unsigned char>(text[end]));
      while (end < text.size() && kind_of(static_cast<unsigned char>(text[end])) == kind) ++end;
      ++counts[text.substr(begin, end - begin)];
      begin = end;
    }
  }
  return counts;
}

struct Word {
  Pieces pieces;
  int64_t count = 0;
};

std::vector<Word> spelled(const std::map<std::string, int64_t>& counts, const std::vector<std::string>& characters) {
  std::vector<Word> words;
  for (const auto& [text, count] : counts) {
    Word word{{}, count};
    for (const char byte : text) word.pieces.push_back(characters[static_cast<unsigned char>(byte)]);
    words.push_back(std::move(word));
  }
  return words;
}

// The most frequent pair of neighbours; of equals the first in the alphabet. Its count is 0 when there is none.
std::pair<Merge, int64_t> best_pair(const std::vector<Word>& words) {
  std::map<Merge, int64_t> counts;
  for (const Word& word : words)
    for (size_t i = 1; i < word.pieces.size(); ++i) counts[{word.pieces[i - 1], word.pieces[i]}] += word.count;
  std::pair<Merge, int64_t> best{{}, 0};
  for (const auto& [pair, count] : counts)
    if (count > best.second) best = {pair, count};
  return best;
}

void apply(const Merge& merge, Pieces& pieces) {
  Pieces merged;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (i + 1 < pieces.size() && pieces[i] == merge.first && pieces[i + 1] == merge.second) {
      merged.push_back(pieces[i] + pieces[i + 1]);
      ++i;
    } else {
      merged.push_back(pieces[i]);
    }
  }
  pieces = std::move(merged);
}

std::vector<Merge> learn_merges(std::vector<Word> words, int64_t max_merges) {
  std::vector<Merge> merges;
  while (static_cast<int64_t>(merges.size()) < max_merges) {
    const auto [merge, count] = best_pair(words);
    if (count < 2) break;
    for (Word& word : words) apply(merge, word.pieces);
    merges.push_back(merge);
  }
  return merges;
}

Json tokenizer_json(const std::vector<std::string>& characters, const std::vector<Merge>& merges) {
  Json vocabulary = Json::object();
  int64_t next_id = 0;
  vocabulary[kEnd] = next_id++;
  for (const std::string& character : characters) vocabulary[character] = next_id++;
  Json merge_list = Json::array();
  for (const auto& [left, right] : merges) {
    if (!vocabulary.contains(left + right)) vocabulary[left + right] = next_id++;
    merge_list.push_back({left, right});
  }
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const Json end = {{"id", 0},         {"content", kEnd},     {"single_word", false}, {"lstrip", false},
                    {"rstrip", false}, {"normalized", false}, {"special", true}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", Json::array({end})},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor", nullptr},
          {"decoder", byte_level},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", false},
            {"vocab", vocabulary},
            {"merges", merge_list}}}};
}

}  // namespace

void write_tokenizer(const std::filesystem::path& folder, const std::vector<std::string>& texts, int64_t vocab_size) {
  const std::vector<std::string> characters = byte_characters();
  const auto merges = learn_merges(spelled(count_words(texts), characters), vocab_size - 257);
  make_folders(folder);
  write_file_atomically(folder / "tokenizer.json", tokenizer_json(characters, merges).dump(2) + "\n");
  const Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                       {"eos_token", kEnd},
                       {"pad_token", kEnd},
                       {"clean_up_tokenization_spaces", false},
                       {"model_max_length", 512}};
  write_file_atomically(folder / "tokenizer_config.json", config.dump(2) + "\n");
}

}  // namespace distill::demo
