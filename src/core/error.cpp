#include "distill/core/error.h"

#include <algorithm>
#include <numeric>

namespace distill {
namespace {

constexpr size_t kLongestPart = 2000;  // bytes; what a file holds may be megabytes

// Control characters of a stranger's file would steer the terminal, or end a C string.
std::string printable(const std::string& text) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string out;
  size_t end = std::min(text.size(), kLongestPart);
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // whole characters
  for (size_t i = 0; i < end; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool control = (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F;
    if (control)
      out += std::string("\\x") + kDigits[byte >> 4] + kDigits[byte & 15];
    else
      out += text[i];
  }
  return end == text.size() ? out : out + "... (" + std::to_string(text.size()) + " bytes)";
}

std::string join_texts(const std::vector<Complaint>& complaints) {
  std::string all;
  for (const Complaint& complaint : complaints) {
    if (!all.empty()) all += "\n";
    all += complaint.text();
  }
  return all;
}

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string Complaint::text() const {
  std::string out = printable(where) + ": expected " + printable(expected);
  if (!found.empty()) out += ", found " + printable(found);
  out += ".";
  if (!excerpt.empty()) out += "\n" + printable(excerpt);
  if (!advice.empty()) out += "\n  -> " + printable(advice);
  return out;
}

Error::Error(ExitCode code, std::vector<Complaint> complaints)
    : std::runtime_error(join_texts(complaints)), code_(code), complaints_(std::move(complaints)) {}

std::string nearest_word(const std::string& word, const std::vector<std::string>& known) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    if (std::max(word.size(), candidate.size()) - std::min(word.size(), candidate.size()) >= best_distance) continue;
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace distill
