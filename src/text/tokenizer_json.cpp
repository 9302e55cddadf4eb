// A vocabulary of 256,000 entries in a JSON tree costs seconds and gigabytes; here it goes straight into a vector.
#include "tokenizer_json.h"

#include <optional>

#include "distill/core/error.h"
#include "distill/core/json_text.h"

#include "score.h"

namespace distill {
namespace {

constexpr size_t kMaxDepth = 128;
constexpr size_t kMaxMembers = 4096;  // of an object other than the vocabulary: keys are compared one by one

constexpr const char* kAdvice = "Take tokenizer.json again from its source.";

class Reader : public nlohmann::json_sax<Json> {
 public:
  Reader(TokenizerFile& file, const JsonText& text) : file_(file), text_(text) {}

  bool null() override { return value(nullptr); }
  bool boolean(bool v) override { return value(v); }
  bool number_integer(number_integer_t v) override {
    if (table_ == Table::pieces) return score(static_cast<double>(v));
    return table_ == Table::vocab ? vocab_id(v) : value(v);
  }
  bool number_unsigned(number_unsigned_t v) override {
    if (table_ == Table::pieces) return score(static_cast<double>(v));
    if (table_ != Table::vocab) return value(v);
    return vocab_id(v > uint64_t{INT64_MAX} ? INT64_MAX : static_cast<int64_t>(v));
  }
  bool number_float(number_float_t v, const string_t& text) override {
    return table_ == Table::pieces ? score(read_score(text)) : value(v);
  }
  bool binary(binary_t&) override { return value(nullptr); }

  bool string(string_t& v) override {
    if (table_ == Table::pieces) return piece_name(std::move(v));
    if (table_ != Table::merges) return value(std::move(v));
    if (in_pair_)
      pair_.push_back(std::move(v));
    else
      legacy_merge(v);
    return true;
  }

  bool key(string_t& name) override {
    if (table_ == Table::vocab) {
      token_ = std::move(name);
      return true;
    }
    Json& object = *open_.back();
    if (object.contains(name)) refuse(path_of(name), "every key once", "it twice");
    if (object.size() >= kMaxMembers) refuse(path_of(""), "at most 4096 keys", "more");
    keys_.back() = name;
    return true;
  }

  bool start_object(std::size_t) override {
    if (table_ != Table::none) refuse_entry("an object");
    if (at_model_member("vocab")) {
      expect_first(file_.has_vocab, "vocab");
      table_ = Table::vocab;
      file_.has_vocab = true;
      return true;
    }
    return open(Json::object());
  }
  bool end_object() override {
    if (table_ == Table::vocab) {
      table_ = Table::none;
      return true;
    }
    return close();
  }

  bool start_array(std::size_t) override {
    if ((table_ == Table::merges || table_ == Table::pieces) && !in_pair_) {
      in_pair_ = true;
      pair_.clear();
      score_.reset();
      return true;
    }
    if (table_ != Table::none) refuse_entry("a list");
    if (at_model_member("merges")) {
      expect_first(file_.has_merges, "merges");
      table_ = Table::merges;
      file_.has_merges = true;
      return true;
    }
    if (at_model_member("vocab")) {
      table_ = Table::pieces;
      file_.has_pieces = true;
      return true;
    }
    return open(Json::array());
  }
  bool end_array() override {
    if (table_ == Table::merges) return end_merges_array();
    if (table_ == Table::pieces) return end_pieces_array();
    return close();
  }

  [[noreturn]] bool parse_error(std::size_t byte, const std::string&, const nlohmann::detail::exception& error) override {
    text_.refuse(byte, error);
  }

 private:
  enum class Table { none, vocab, merges, pieces };

  [[noreturn]] void refuse(const std::string& member, const std::string& expected, const std::string& found) const {
    throw InputError({file_.path + ": " + member, expected, found, kAdvice, ""});
  }
  // The tables are no members of the tree, where a second one would be seen.
  void expect_first(bool seen, const char* name) const {
    if (seen) refuse(path_of(name), "every key once", "it twice");
  }
  [[noreturn]] void refuse_entry(const std::string& found) const {
    if (table_ == Table::vocab) refuse("model.vocab[\"" + token_ + "\"]", "an integer id", found);
    if (table_ == Table::pieces)
      refuse("model.vocab[" + std::to_string(file_.pieces.size()) + "]", R"(a token and its score, ["a", -1.5])", found);
    refuse("model.merges[" + std::to_string(file_.merges.size()) + "]", R"(a pair of tokens, ["a", "b"] or "a b")", found);
  }

  std::string path_of(const std::string& name) const {
    std::string path;
    for (size_t i = 0; i + 1 < keys_.size(); ++i)
      if (!keys_[i].empty()) path += keys_[i] + ".";
    return path + name;
  }

  bool at_model_member(const char* name) const { return keys_.size() == 2 && keys_[0] == "model" && keys_[1] == name; }

  bool vocab_id(int64_t id) {
    file_.vocab.emplace_back(std::move(token_), id);
    return true;
  }

  void legacy_merge(const std::string& line) {
    if (line.starts_with("#version")) return;
    const size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) refuse_entry("\"" + line + "\"");
    file_.merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }

  bool end_merges_array() {
    if (!in_pair_) {
      table_ = Table::none;
      return true;
    }
    if (pair_.size() != 2) refuse_entry("a list of " + std::to_string(pair_.size()));
    file_.merges.emplace_back(std::move(pair_[0]), std::move(pair_[1]));
    in_pair_ = false;
    return true;
  }

  bool piece_name(string_t name) {
    if (!in_pair_ || !pair_.empty()) refuse_entry("a string");
    pair_.push_back(std::move(name));
    return true;
  }
  bool score(double v) {
    if (!in_pair_ || pair_.empty() || score_) refuse_entry("a number");
    score_ = v;
    return true;
  }
  bool end_pieces_array() {
    if (!in_pair_) {
      table_ = Table::none;
      return true;
    }
    if (!score_) refuse_entry("a list of " + std::to_string(pair_.size()));
    file_.pieces.emplace_back(std::move(pair_[0]), *score_);
    in_pair_ = false;
    return true;
  }

  bool value(Json v) {
    if (table_ != Table::none) refuse_entry(v.is_string() ? "a string" : v.dump());
    place(std::move(v));
    return true;
  }

  Json& place(Json v) {
    if (open_.empty()) return file_.tree = std::move(v);
    Json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(v));
      return parent.back();
    }
    return parent[keys_.back()] = std::move(v);
  }

  bool open(Json container) {
    if (open_.size() >= kMaxDepth) refuse(path_of(""), "at most 128 nested levels", "more");
    open_.push_back(&place(std::move(container)));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    open_.pop_back();
    keys_.pop_back();
    return true;
  }

  TokenizerFile& file_;
  const JsonText& text_;
  Table table_ = Table::none;
  std::vector<Json*> open_;        // stable: a container grows only while it is the innermost
  std::vector<std::string> keys_;  // the key being read in each open object
  std::string token_;
  bool in_pair_ = false;
  std::vector<std::string> pair_;
  std::optional<double> score_;
};

}  // namespace

TokenizerFile parse_tokenizer_file(std::string_view text, const std::string& path) {
  TokenizerFile file;
  file.path = path;
  const JsonText source(text, path);
  Reader reader(file, source);
  source.send_to<Json>(reader);
  if (!file.tree.is_object()) throw InputError({path, "a JSON object", file.tree.type_name(), kAdvice, ""});
  return file;
}

}  // namespace distill
