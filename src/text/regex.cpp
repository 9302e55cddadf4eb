#include "regex.h"

#include <iterator>
#include <utility>

#include "distill/core/error.h"

#include "unicode.h"

namespace distill {
namespace {

// The engine's own default for one starting position; the reference library stops there as well.
constexpr unsigned long kMaxRetriesInMatch = 10'000'000;
constexpr unsigned long kMaxRetriesInSearch = 200'000'000;
constexpr unsigned int kMaxStackEntries = 16U << 20;

// Real patterns have a few hundred bytes; the engine's time and memory grow faster than the pattern.
constexpr size_t kLongestPattern = 256 << 10;

void initialize_engine() {
  static const int status = [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    return onig_initialize(encodings, static_cast<int>(std::size(encodings)));
  }();
  if (status != ONIG_NORMAL) throw Bug("the regular expression engine does not start");
}

std::string engine_message(int code, OnigErrorInfo* info) {
  OnigUChar text[ONIG_MAX_ERROR_MESSAGE_LEN];
  const int length = info ? onig_error_code_to_str(text, code, info) : onig_error_code_to_str(text, code);
  return {reinterpret_cast<const char*>(text), static_cast<size_t>(length)};
}

const OnigUChar* engine_pointer(const char* text) { return reinterpret_cast<const OnigUChar*>(text); }

}  // namespace

RegexScratch::RegexScratch() : region_(onig_region_new()), limits_(onig_new_match_param()) {
  onig_initialize_match_param(limits_.get());
  onig_set_retry_limit_in_match_of_match_param(limits_.get(), kMaxRetriesInMatch);
  onig_set_retry_limit_in_search_of_match_param(limits_.get(), kMaxRetriesInSearch);
  onig_set_match_stack_limit_size_of_match_param(limits_.get(), kMaxStackEntries);
}

Regex::Regex(const std::string& pattern, std::string where) : where_(std::move(where)) {
  initialize_engine();
  if (find_invalid_utf8(pattern))
    throw InputError({where_, "a regular expression in UTF-8", "other bytes", "Take the file again.", ""});
  if (pattern.size() > kLongestPattern)
    throw InputError({where_, "a regular expression of at most 256 KiB", std::to_string(pattern.size()) + " bytes",
                      "Take the file again from its source, or correct the pattern.", ""});
  regex_t* compiled = nullptr;
  OnigErrorInfo info{};
  const int code = onig_new(&compiled, engine_pointer(pattern.data()), engine_pointer(pattern.data() + pattern.size()),
                            ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_ONIGURUMA, &info);
  if (code != ONIG_NORMAL) {
    throw InputError({where_, "a regular expression that Oniguruma compiles", engine_message(code, &info),
                      "Take the file again from its source, or correct the pattern.", pattern});
  }
  regex_.reset(compiled);
}

std::optional<TextRange> Regex::find(std::string_view text, size_t from, RegexScratch& scratch) const {
  const OnigUChar* begin = engine_pointer(text.data());
  const OnigUChar* end = begin + text.size();
  const int code =
      onig_search_with_param(regex_.get(), begin, end, begin + from, end, scratch.region(), ONIG_OPTION_NONE, scratch.limits());
  if (code == ONIG_MISMATCH) return std::nullopt;
  if (code < 0) {
    throw InputError({where_, "a pattern that matches without much backtracking",
                      engine_message(code, nullptr) + ", in a text of " + std::to_string(text.size()) + " bytes",
                      "Break up the longest lines of the data, or correct the pattern.", ""});
  }
  return TextRange{static_cast<size_t>(scratch.region()->beg[0]), static_cast<size_t>(scratch.region()->end[0])};
}

}  // namespace distill
