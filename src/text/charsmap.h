// SentencePiece's precompiled character map: a double array of the sequences that it rewrites, and what they become.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aligned_text.h"

namespace distill {

class Charsmap {
 public:
  // `base64` holds the size of the array in bytes, its 32-bit units, and the replacements, ended by NULs. `where` names the
  // member; InputError when it is none of that.
  Charsmap(std::string_view base64, std::string where);

  // As the reference library does it: a grapheme of less than 6 bytes is replaced as a whole as soon as the map has its
  // beginning, the shortest one; any other character by character.
  void apply(AlignedText& text) const;

 private:
  // `change` as in normal_forms.cpp: 1 = added after the previous one, 0 = replaces one character, -n = and removes n more.
  struct Change {
    char32_t value;
    int change;
  };
  std::optional<std::string_view> replacement(std::string_view chunk) const;
  std::string_view replacement_at(uint32_t place) const;
  uint32_t unit(uint32_t place) const;
  bool rewrite(std::string_view chunk, std::vector<Change>& changes) const;
  bool rewrite_grapheme(std::string_view grapheme, std::vector<Change>& changes) const;
  bool stays(std::string_view text, size_t at) const;
  [[noreturn]] void refuse(const std::string& expected, const std::string& found) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
  std::string where_;
  std::array<bool, 128> ascii_stays_{};
};

}  // namespace distill
