#include "distill/core/error.h"

#include <algorithm>
#include <numeric>

namespace distill {
namespace {

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
  std::string out = where + ": expected " + expected;
  if (!found.empty()) out += ", found " + found;
  out += ".";
  if (!excerpt.empty()) out += "\n" + excerpt;
  if (!advice.empty()) out += "\n  -> " + advice;
  return out;
}

Error::Error(ExitCode code, std::vector<Complaint> complaints)
    : std::runtime_error(join_texts(complaints)), code_(code), complaints_(std::move(complaints)) {}

std::string nearest_word(const std::string& word, const std::vector<std::string>& known) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace distill
