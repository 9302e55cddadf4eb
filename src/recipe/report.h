// Where things stand in a recipe file or a --set text, and the findings about them. Everything is gathered, nothing
// is thrown: a recipe comes back with all its mistakes at once.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "distill/core/error.h"

namespace distill {

// A place in one of the texts; lines and columns count from 1, columns in bytes.
struct Spot {
  int source = 0;
  int line = 1;
  int column = 1;
  bool operator<(const Spot& other) const {
    return std::tie(source, line, column) < std::tie(other.source, other.line, other.column);
  }
};

// The texts that a recipe is made of: source 0 is the file, the others are --set texts.
class Sources {
 public:
  int add(std::string name, std::string text);
  const std::string& text(int source) const { return sources_.at(static_cast<size_t>(source)).text; }
  // `recipe.yaml:3:7` with the column in characters; `--set a.b=c` for an override.
  std::string where(const Spot& spot) const;
  // `recipe.yaml:3`, or `--set`.
  std::string origin(const Spot& spot) const;
  // The line with a caret under the column; long lines are cut around it.
  std::string excerpt(const Spot& spot) const;

 private:
  struct Source {
    std::string name;
    std::string text;
    std::vector<size_t> line_starts;
  };
  std::string line_of(const Spot& spot) const;
  std::vector<Source> sources_;
};

// What was found about one recipe, in the order of the texts.
class Report {
 public:
  explicit Report(const Sources& sources) : sources_(sources) {}
  // `path` is the dotted key that the finding is about, "" for the file.
  void complain(const Spot& spot, const std::string& path, std::string expected, std::string found, std::string advice);
  void warn(const Spot& spot, const std::string& path, std::string expected, std::string found, std::string advice);
  // Keeps rules quiet about a section that holds an unknown key: it may be the one they miss.
  void mark_failed(const std::string& path) { failed_paths_.insert(path); }
  bool is_full() const;  // further complaints are only counted
  bool failed(const std::string& path) const { return failed_paths_.contains(path); }
  std::vector<Complaint> problems() const;
  std::vector<Complaint> warnings() const;

 private:
  struct Finding {
    Spot spot;
    Complaint complaint;
  };
  Complaint complaint(const Spot& spot, const std::string& path, std::string expected, std::string found,
                      std::string advice) const;
  static std::vector<Complaint> sorted(std::vector<Finding> findings);

  const Sources& sources_;
  std::vector<Finding> problems_;
  std::vector<Finding> warnings_;
  size_t num_dropped_ = 0;
  std::set<std::string> failed_paths_;
};

// Where the keys of the recipe were written. Sections and list items are keys too.
struct Given {
  Spot key;
  Spot value;
};
using GivenKeys = std::map<std::string, Given>;

// The first characters of a text that may be long or hold control characters.
std::string shortened(const std::string& text, size_t most = 60);
// nearest_word, without spending time on words that are no words.
std::string nearest_key(const std::string& word, const std::vector<std::string>& known);
// `a, b or c`, or with another last word.
std::string either(const std::vector<std::string>& words, const std::string& last = "or");
std::string join_path(const std::string& parent, std::string_view key);

}  // namespace distill
