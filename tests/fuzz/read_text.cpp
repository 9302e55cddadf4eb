// Reads tokenizers, chat templates and data files as the verbs do, many in one process, for builds with sanitizers.
//   read_text --cases FOLDER    the corpus of make_malformed_texts.py: exit 1 unless each case ends as its list says
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "distill/core/log.h"
#include "distill/data/conversation.h"
#include "distill/data/reader.h"
#include "distill/data/render.h"

#include "fuzz/corpus_cases.h"

namespace distill::test {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kVocabulary = 48, kClasses = 3, kLength = 32;  // as tests/system/malformed_texts_test.cpp has them

void tokenize(const Sample& sample, const Tokenizer& tokenizer, const ChatWords& words, const std::string& where) {
  if (const auto* text = std::get_if<TextSample>(&sample)) {
    tokenizer.decode(tokenizer.encode(text->text, true).ids, false);
  } else if (const auto* talk = std::get_if<MessagesSample>(&sample)) {
    const TurnText turns = write_turns(*talk, expect_template(words, *talk, where), where, talk->add_generation_prompt);
    const Encoding encoding = tokenizer.encode(turns.text, false);
    tokens_in_spans(encoding, turns);
    tokenizer.decode(encoding.ids, false);
  }
}

// As `tokenize --model FOLDER < FOLDER/lines.jsonl`.
void read_folder(const fs::path& folder) {
  const auto tokenizer = load_tokenizer(folder);
  const ChatWords words = chat_words(folder);
  LineReader lines = lines_of_file(folder / "lines.jsonl");
  for (Line line; lines.next_row(line);) {
    const std::string where = lines.where(line.number);
    tokenize(parse_json_row(line.text, where, 0), *tokenizer, words, where);
  }
}

// What `train` does with a data file before the first step.
void read_rows(const fs::path& file, const RenderRules& rules) {
  const std::unique_ptr<RowReader> reader = open_rows(file, {kVocabulary, rules.task.num_classes, std::nullopt, kLength});
  int64_t kept = 0;
  for (RawRow row; reader->next(row);) {
    const std::string where = file.string() + ":" + std::to_string(row.number);
    Document document = render(reader->parse(std::move(row), where), rules, where);
    for (const Document& piece : cut(std::move(document), kLength, Overflow::truncate, rules.task.targets))
      kept += num_kept(piece, rules.task);
  }
  if (kept == 0) throw InputError({file.string(), "something to learn", "nothing", "Put one document on each line.", ""});
}

class Recipes {
 public:
  explicit Recipes(const fs::path& folder) : folder_(folder), tokenizer_(load_tokenizer(folder / "valid/bpe")) {}

  void read(const Json& given) const {
    const fs::path path = folder_ / given["path"].get<std::string>();
    if (given["verb"] == "tokenize") return read_folder(path);
    const std::string recipe = given["recipe"];
    RenderRules rules;
    rules.tokenizer = tokenizer_.get();
    rules.append_eos = false;
    rules.vocab_size = kVocabulary;
    if (recipe == "classes") rules.task = {.targets = Targets::row_class, .num_classes = kClasses};
    const bool names_template = recipe == "template";
    if (names_template || recipe == "chat")
      rules.words = chat_words(folder_ / "valid/bpe", names_template ? path : folder_ / "valid/chat.jinja");
    read_rows(names_template ? folder_ / "valid/talks.jsonl" : path, rules);
  }

 private:
  fs::path folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

int run(const std::vector<std::string>& words) {
  log::configure(log::Level::error, "never");
  if (words.size() != 2 || words[0] != "--cases") {
    std::cerr << "usage: read_text --cases FOLDER\n";
    return 2;
  }
  const Recipes recipes(words[1]);
  return check_cases(words[1], [&](const Json& given) { recipes.read(given); });
}

}  // namespace
}  // namespace distill::test

int main(int argc, char** argv) { return distill::test::run({argv + 1, argv + argc}); }
