#include "pattern.h"

#include <algorithm>

#include "unicode.h"

namespace distill {
namespace {

class StretchWriter {
 public:
  StretchWriter(std::string_view text, std::vector<Stretch>& out) : size_(text.size()), out_(out) { out_.clear(); }
  void match(size_t begin, size_t end) {
    if (begin != covered_) out_.push_back({covered_, begin, false});
    out_.push_back({begin, end, true});
    covered_ = end;
  }
  void finish() {
    if (covered_ != size_ || size_ == 0) out_.push_back({covered_, size_, false});
  }

 private:
  size_t size_;
  size_t covered_ = 0;
  std::vector<Stretch>& out_;
};

void find_literal(const std::string& literal, std::string_view text, std::vector<Stretch>& out) {
  StretchWriter writer(text, out);
  for (size_t at = text.find(literal); at != std::string_view::npos; at = text.find(literal, at + literal.size()))
    writer.match(at, at + literal.size());
  writer.finish();
}

// A match joins the piece before it, unless that one was a match, too.
void merge_with_previous(const std::vector<Stretch>& stretches, std::vector<TextRange>& out) {
  bool previous = false;
  for (const Stretch& stretch : stretches) {
    if (stretch.is_match && !previous && !out.empty())
      out.back().end = stretch.end;
    else
      out.push_back({stretch.begin, stretch.end});
    previous = stretch.is_match;
  }
}

void merge_with_next(const std::vector<Stretch>& stretches, std::vector<TextRange>& out) {
  bool previous = false;
  for (auto at = stretches.rbegin(); at != stretches.rend(); ++at) {  // clang 14 cannot read views::reverse of libstdc++ 12
    const Stretch& stretch = *at;
    if (stretch.is_match && !previous && !out.empty())
      out.back().begin = stretch.begin;
    else
      out.push_back({stretch.begin, stretch.end});
    previous = stretch.is_match;
  }
  std::reverse(out.begin(), out.end());
}

void join_equal_neighbours(const std::vector<Stretch>& stretches, std::vector<TextRange>& out) {
  bool previous = false;
  for (const Stretch& stretch : stretches) {
    if (stretch.is_match == previous && !out.empty())
      out.back().end = stretch.end;
    else
      out.push_back({stretch.begin, stretch.end});
    previous = stretch.is_match;
  }
}

}  // namespace

void find_stretches(const Regex& regex, std::string_view text, RegexScratch& scratch, std::vector<Stretch>& out) {
  StretchWriter writer(text, out);
  std::optional<size_t> last_end;
  for (size_t from = 0; !text.empty() && from <= text.size();) {
    const std::optional<TextRange> found = regex.find(text, from, scratch);
    if (!found) break;
    if (found->begin == found->end && last_end == found->end) {
      from += from < text.size() ? code_point_at(text, from).num_bytes : 1;
      continue;
    }
    writer.match(found->begin, found->end);
    from = found->end;
    last_end = found->end;
  }
  writer.finish();
}

void find_stretches(const Pattern& pattern, std::string_view text, RegexScratch& scratch, std::vector<Stretch>& out) {
  if (const auto* literal = std::get_if<std::string>(&pattern))
    find_literal(*literal, text, out);
  else
    find_stretches(std::get<Regex>(pattern), text, scratch, out);
}

void join_stretches(const std::vector<Stretch>& stretches, SplitBehavior behavior, std::vector<TextRange>& out) {
  out.clear();
  switch (behavior) {
    case SplitBehavior::merged_with_previous:
      return merge_with_previous(stretches, out);
    case SplitBehavior::merged_with_next:
      return merge_with_next(stretches, out);
    case SplitBehavior::contiguous:
      return join_equal_neighbours(stretches, out);
    case SplitBehavior::removed:
    case SplitBehavior::isolated:
      for (const Stretch& stretch : stretches)
        if (!stretch.is_match || behavior == SplitBehavior::isolated) out.push_back({stretch.begin, stretch.end});
  }
}

}  // namespace distill
