// Places, excerpts and the collection of findings. What is wrong is decided elsewhere.
#include "report.h"

#include <algorithm>

namespace distill {
namespace {

constexpr size_t kMostProblems = 100;  // a page is read; a flood is not
constexpr size_t kExcerptWidth = 110;

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

size_t num_characters(std::string_view text) {
  return text.size() - static_cast<size_t>(std::count_if(text.begin(), text.end(), is_continuation));
}

std::string printable(std::string text) {
  for (char& letter : text)
    if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7F) letter = letter == '\t' ? ' ' : '?';
  return text;
}

}  // namespace

int Sources::add(std::string name, std::string text) {
  Source source{std::move(name), std::move(text), {0}};
  for (size_t i = 0; i < source.text.size(); ++i)
    if (source.text[i] == '\n') source.line_starts.push_back(i + 1);
  sources_.push_back(std::move(source));
  return static_cast<int>(sources_.size()) - 1;
}

std::string Sources::line_of(const Spot& spot) const {
  const Source& source = sources_.at(static_cast<size_t>(spot.source));
  const auto index = static_cast<size_t>(std::max(spot.line, 1)) - 1;
  if (index >= source.line_starts.size()) return "";
  const size_t begin = source.line_starts[index];
  std::string line = source.text.substr(begin, source.text.find('\n', begin) - begin);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

std::string Sources::where(const Spot& spot) const {
  const std::string& name = sources_.at(static_cast<size_t>(spot.source)).name;
  if (spot.source > 0) return name;
  const std::string line = line_of(spot);
  const size_t before = std::min(line.size(), static_cast<size_t>(spot.column - 1));
  return name + ":" + std::to_string(spot.line) + ":" +
         std::to_string(num_characters(std::string_view(line).substr(0, before)) + 1);
}

std::string Sources::origin(const Spot& spot) const {
  if (spot.source > 0) return "--set";
  return sources_.front().name + ":" + std::to_string(spot.line);
}

std::string Sources::excerpt(const Spot& spot) const {
  std::string line = line_of(spot);
  size_t at = std::min(line.size(), static_cast<size_t>(spot.column - 1));
  if (line.find_first_not_of(" \t") == std::string::npos) return "";
  if (at > kExcerptWidth / 2) {
    size_t cut = at - kExcerptWidth / 2;
    while (cut < at && is_continuation(line[cut])) ++cut;
    if (line.size() > kExcerptWidth) line.erase(0, cut), at -= cut;
  }
  if (line.size() > kExcerptWidth) {
    size_t end = kExcerptWidth;
    while (end > 0 && is_continuation(line[end])) --end;
    line.resize(end);
  }
  const std::string label = spot.source > 0 ? "--set" : std::to_string(spot.line);
  const std::string caret(num_characters(std::string_view(line).substr(0, at)), ' ');
  return "  " + label + " | " + printable(line) + "\n  " + std::string(label.size(), ' ') + " | " + caret + "^";
}

Complaint Report::complaint(const Spot& spot, const std::string& path, std::string expected, std::string found,
                            std::string advice) const {
  const std::string place = sources_.where(spot);
  return {path.empty() ? place : place + ": " + path, std::move(expected), std::move(found), std::move(advice),
          sources_.excerpt(spot)};
}

bool Report::is_full() const { return problems_.size() >= kMostProblems; }

void Report::complain(const Spot& spot, const std::string& path, std::string expected, std::string found, std::string advice) {
  failed_paths_.insert(path);
  if (is_full()) {
    ++num_dropped_;
    return;
  }
  problems_.push_back({spot, complaint(spot, path, std::move(expected), std::move(found), std::move(advice))});
}

void Report::warn(const Spot& spot, const std::string& path, std::string expected, std::string found, std::string advice) {
  warnings_.push_back({spot, complaint(spot, path, std::move(expected), std::move(found), std::move(advice))});
}

std::vector<Complaint> Report::sorted(std::vector<Finding> findings) {
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) { return a.spot < b.spot; });
  std::vector<Complaint> complaints;
  complaints.reserve(findings.size());
  for (Finding& finding : findings) complaints.push_back(std::move(finding.complaint));
  return complaints;
}

std::vector<Complaint> Report::problems() const {
  std::vector<Complaint> all = sorted(problems_);
  if (num_dropped_ > 0)
    all.push_back({sources_.where({}), "a recipe", std::to_string(num_dropped_) + " more problems", "Correct these first.", ""});
  return all;
}

std::vector<Complaint> Report::warnings() const { return sorted(warnings_); }

std::string shortened(const std::string& text, size_t most) {
  if (text.size() <= most) return printable(text);
  size_t end = most;
  while (end > 0 && is_continuation(text[end])) --end;
  return printable(text.substr(0, end)) + "...";
}

std::string nearest_key(const std::string& word, const std::vector<std::string>& known) {
  if (word.size() > 64) return "";
  std::string lower = word;
  for (char& letter : lower) letter = letter == '-' || letter == ' ' ? '_' : static_cast<char>(std::tolower(letter));
  return nearest_word(lower, known);
}

std::string either(const std::vector<std::string>& words, const std::string& last) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " " + last + " " : ", ";
    out += words[i];
  }
  return out;
}

std::string join_path(const std::string& parent, std::string_view key) {
  return parent.empty() ? std::string(key) : parent + "." + std::string(key);
}

}  // namespace distill
