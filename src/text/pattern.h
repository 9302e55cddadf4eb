// The `pattern` of Split and Replace: a literal string or a regular expression, and what it leaves between its matches.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "regex.h"

namespace distill {

using Pattern = std::variant<std::string, Regex>;  // a literal is not empty

struct Stretch {
  size_t begin;
  size_t end;
  bool is_match;
};

// Covers `text` from end to end with matches and what lies between them. Empty text is one stretch without a match.
// An empty match right after another match is passed over, as the reference library does.
void find_stretches(const Pattern& pattern, std::string_view text, RegexScratch& scratch, std::vector<Stretch>& out);
void find_stretches(const Regex& regex, std::string_view text, RegexScratch& scratch, std::vector<Stretch>& out);

enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

// The pieces that `behavior` makes of the stretches, in order.
void join_stretches(const std::vector<Stretch>& stretches, SplitBehavior behavior, std::vector<TextRange>& out);

}  // namespace distill
