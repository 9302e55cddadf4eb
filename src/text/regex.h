// Oniguruma, the engine of the reference library, behind one class. A Regex is shared by threads; a RegexScratch is not.
#pragma once

#include <oniguruma.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace distill {

// What `\w` of the Rust regex crate stands for, to be put in brackets: the reference library asks that crate for words in
// some places, and Oniguruma's own `\w` differs in the marks.
inline const std::string kRustWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control})";

struct TextRange {
  size_t begin;
  size_t end;
};

// What one search writes to, and the limits of its backtracking.
class RegexScratch {
 public:
  RegexScratch();
  OnigRegion* region() { return region_.get(); }
  OnigMatchParam* limits() { return limits_.get(); }

 private:
  struct Free {
    void operator()(OnigRegion* region) const { onig_region_free(region, 1); }
    void operator()(OnigMatchParam* limits) const { onig_free_match_param(limits); }
  };
  std::unique_ptr<OnigRegion, Free> region_;
  std::unique_ptr<OnigMatchParam, Free> limits_;
};

class Regex {
 public:
  // `where` names the file and the member; InputError when the pattern does not compile.
  Regex(const std::string& pattern, std::string where);

  // The leftmost match that starts at or after `from`. `text` is valid UTF-8. InputError when the search needs more
  // backtracking than the limits allow.
  std::optional<TextRange> find(std::string_view text, size_t from, RegexScratch& scratch) const;

 private:
  struct Free {
    void operator()(regex_t* regex) const { onig_free(regex); }
  };
  std::unique_ptr<regex_t, Free> regex_;
  std::string where_;
};

}  // namespace distill
