// Added tokens: found in the text before the model sees it, leftmost first and longest first.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "regex.h"

namespace distill {

struct AddedToken {
  std::string content;
  int32_t id = -1;
  bool single_word = false;  // matches only where no word character touches it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool normalized = true;    // is looked for in the normalized text, as its own normalized form
  bool special = false;      // left out by decode(skip_special_tokens)
};

struct Section {
  size_t begin;
  size_t end;
  const AddedToken* token;  // null: text for the model
};

// Finds one set of tokens (normalized or not) in a text.
class AddedTokenMatcher {
 public:
  AddedTokenMatcher();
  // `spelling` is what is looked for. The token outlives the matcher; of equal spellings the first stays.
  void add(const std::string& spelling, const AddedToken& token);
  // The whole of `text`, cut at the tokens.
  void find(std::string_view text, RegexScratch& scratch, std::vector<Section>& out) const;

 private:
  struct Node {
    uint8_t byte = 0;
    int32_t next_sibling = -1;
    int32_t first_child = -1;
    const AddedToken* token = nullptr;
  };
  struct Match {
    const AddedToken* token;
    size_t end;
  };
  int32_t child(int32_t first, uint8_t byte) const;
  std::optional<Match> longest_at(std::string_view text, size_t at) const;
  bool stands_alone(std::string_view text, size_t begin, size_t end, RegexScratch& scratch) const;
  bool is_word(char32_t c, RegexScratch& scratch) const;

  std::vector<Node> nodes_;
  std::array<int32_t, 256> roots_;  // -1: no token starts with this byte
  Regex word_;
};

}  // namespace distill
