// Two tokenizers over one text: positions correspond where both have read the same of it, and nowhere else.
#include "distill/data/pairing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "distill/core/file.h"
#include "distill/data/batch.h"

#include "data/byte_tokenizer.h"
#include "paths.h"

namespace distill {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// One token for each word with the blank before it, ids from 10 on in no order that matters; `front` tokens before the text, and
// `behind` after it. With `drops_blanks` words come from no blank, as from a pre-tokenizer that removes them.
class WordTokenizer : public ByteTokenizer {
 public:
  int front = 0, behind = 0;
  bool drops_blanks = false;

  Encoding encode(std::string_view text, bool add_special_tokens) const override {
    Encoding encoding;
    const auto add = [&](int32_t id, size_t begin, size_t end) {
      encoding.ids.push_back(id);
      encoding.offsets.emplace_back(static_cast<uint32_t>(begin), static_cast<uint32_t>(end));
    };
    for (int i = 0; add_special_tokens && i < front; ++i) add(1, 0, 0);
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.size(), text.find(' ', begin + 1));
      const size_t from = begin + (drops_blanks && text[begin] == ' ');
      if (from < end) add(10 + static_cast<int32_t>(end % 200), from, end);
      begin = end;
    }
    for (int i = 0; add_special_tokens && i < behind; ++i) add(2, 0, 0);
    return encoding;
  }
  uint64_t fingerprint() const override { return 8; }
};

ChatWords words_with(const std::string& source) {
  ChatWords words;
  words.chat = std::make_shared<const ChatTemplate>(source, "chat_template.jinja", Json::object());
  return words;
}

constexpr const char* kArrows =
    "{% for m in messages %}{{ m.role[0] + '>' + m.content + '$' }}{% endfor %}{% if add_generation_prompt %}a>{% endif %}";
// Another header, a note before what the assistant says last, and a blank in front of every content.
constexpr const char* kNotes =
    "{% for m in messages %}{{ '[' + m.role + ']' }}{% if m.role == 'assistant' and loop.last %}{{ '<none>' }}{% endif %}"
    "{{ ' ' + m.content + '##' }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

struct TwoTokenizers : testing::Test {
  ByteTokenizer bytes;
  WordTokenizer words;
  DataRecipe recipe;
  int64_t student_length = 1000, teacher_length = 1000;
  ChatWords student_chat = words_with(kArrows), teacher_chat = words_with(kNotes);

  TwoDocuments both(const Sample& sample, const Tokenizer& student, const Tokenizer& teacher) const {
    return render_for_both(sample, {render_rules(recipe, &student, 0, {}, student_chat), student_length},
                           {render_rules(recipe, &teacher, 0, {}, teacher_chat), teacher_length}, "d.jsonl:3");
  }
  // {student's token, teacher's token} of every pair.
  std::vector<std::pair<int, int>> pairs(const Sample& sample, const Tokenizer& student, const Tokenizer& teacher) const {
    const TwoDocuments two = both(sample, student, teacher);
    std::vector<std::pair<int, int>> found;
    for (size_t u = 0; u < two.teacher.tokens.size(); ++u)
      if (two.teacher.tokens[u].kept()) found.emplace_back(two.teacher.labels[u], u);
    return found;
  }
};

using P = std::pair<int, int>;

TEST_F(TwoTokenizers, PairWhereBothHaveReadTheSame) {
  // Bytes:  <s> c(1) d(2) ' '(3) e(4) f(5) ' '(6) g(7) </s>(8).  Words: cd(0) ' ef'(1) ' g'(2) </s>(3); nothing predicts the
  // first.
  EXPECT_THAT(pairs(TextSample{"cd ef g", {}}, bytes, words), ElementsAre(P{3, 1}, P{6, 2}, P{8, 3}));
  // The other way round, with a token in front of the words.
  words.front = 1;
  EXPECT_THAT(pairs(TextSample{"cd ef g", {}}, words, bytes), ElementsAre(P{1, 1}, P{2, 3}, P{3, 6}, P{4, 8}));
}

TEST_F(TwoTokenizers, ABoundaryOfOneSideAloneHasNoCounterpart) {
  ByteTokenizer apart;
  apart.begins = false;
  const auto found = pairs(CompletionSample{"x", "abc"}, bytes, apart);  // the same tokenizer, without its <s>
  EXPECT_THAT(found, ElementsAre(P{2, 1}, P{3, 2}, P{4, 3}));
  // x|ab against "xab", a word that began before the answer: nothing but the end.
  EXPECT_THAT(pairs(CompletionSample{"x", "ab"}, bytes, words), ElementsAre(P{3, 1}));
}

TEST_F(TwoTokenizers, OnlyTheAnswerCounts) {
  EXPECT_THAT(pairs(CompletionSample{"cd ef", " gh ij"}, bytes, words), ElementsAre(P{6, 2}, P{9, 3}, P{12, 4}));
  recipe.assistant_only_loss = false;
  EXPECT_THAT(pairs(CompletionSample{"cd ef", " gh ij"}, bytes, words), ElementsAre(P{3, 1}, P{6, 2}, P{9, 3}, P{12, 4}));
}

TEST_F(TwoTokenizers, TokensRoundTheTextAreNoPartOfIt) {
  words.front = 3;
  words.behind = 2;
  recipe.append_eos = false;
  // Words: three in front, cd(3) ' ef'(4), two behind. The bytes have one in front and none behind: no counterpart for the end.
  EXPECT_THAT(pairs(TextSample{"cd ef", {}}, bytes, words), ElementsAre(P{1, 3}, P{3, 4}));
  bytes.ends = true;  // and now the first of what stands behind on each side
  EXPECT_THAT(pairs(TextSample{"cd ef", {}}, bytes, words), ElementsAre(P{1, 3}, P{3, 4}, P{6, 5}));
}

TEST_F(TwoTokenizers, BlanksThatOneSideDropsAreReadWithTheNextWord) {
  words.drops_blanks = true;
  EXPECT_THAT(pairs(TextSample{"cd ef ", {}}, bytes, words), ElementsAre(P{3, 1}, P{7, 2}));
}

TEST_F(TwoTokenizers, WhatOneSideCutsAwayHasNoCounterpart) {
  student_length = 5;
  TwoDocuments two = both(TextSample{"cd ef g", {}}, bytes, words);
  EXPECT_TRUE(two.student_cut);
  EXPECT_FALSE(two.teacher_cut);
  EXPECT_EQ(two.student.tokens.size(), 5u);
  EXPECT_EQ(two.teacher.tokens.size(), 4u);
  EXPECT_THAT(pairs(TextSample{"cd ef g", {}}, bytes, words), ElementsAre(P{3, 1}));
  student_length = 1000;
  teacher_length = 3;
  two = both(TextSample{"cd ef g", {}}, bytes, words);
  EXPECT_FALSE(two.student_cut);
  EXPECT_TRUE(two.teacher_cut);
  EXPECT_EQ(num_kept(two.student), 8);  // all of them count for cross_entropy
  EXPECT_THAT(pairs(TextSample{"cd ef g", {}}, bytes, words), ElementsAre(P{3, 1}, P{6, 2}));
  teacher_length = 1;
  EXPECT_THAT(pairs(TextSample{"cd ef g", {}}, bytes, words), IsEmpty());
}

MessagesSample talk(const std::string& rows) { return std::get<MessagesSample>(parse_json_row(rows, "d.jsonl:3", 0)); }

const char* kTalk =
    R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "cd e"},
                     {"role": "user", "content": "q"}, {"role": "assistant", "content": " x y"}]})";

// The text before every token that is predicted in a pair, from both sides.
TEST_F(TwoTokenizers, TurnsPairFromTheirWordsOnWhateverTheTemplatesPutRound) {
  ByteTokenizer other;
  // Student: u>q$a>cd e$u>q$a> x y$.  Teacher: [user] q##[assistant] cd e##[user] q##[assistant]<none>  x y##.
  const auto found = pairs(talk(kTalk), bytes, other);
  const std::string ours = "u>q$a>cd e$u>q$a> x y$", theirs = "[user] q##[assistant] cd e##[user] q##[assistant]<none>  x y##";
  std::vector<std::string> next;
  for (const auto& [student, teacher] : found)
    next.push_back(ours.substr(static_cast<size_t>(student), 1) + theirs.substr(static_cast<size_t>(teacher), 1));
  EXPECT_THAT(next, ElementsAre("cc", "dd", "  ", "ee", "$#", "xx", "  ", "yy", "$#"));
}

TEST_F(TwoTokenizers, TheAssistantAloneIsComparedWhereEverythingIsLearned) {
  ByteTokenizer other;
  const auto answers = pairs(talk(kTalk), bytes, other);
  recipe.assistant_only_loss = false;
  EXPECT_EQ(pairs(talk(kTalk), bytes, other), answers);
  EXPECT_EQ(num_kept(both(talk(kTalk), bytes, other).student), 21);
}

// A template that leaves the thoughts of earlier turns out: the turn begins alike and goes on differently.
TEST_F(TwoTokenizers, ATurnWhoseWordsATemplateChangesPairsAsFarAsBothWriteTheSame) {
  ByteTokenizer other;
  teacher_chat = words_with(
      "{% for m in messages %}{{ m.role[0] + '>' }}{{ m.content[:3] }}{{ '$' }}{% endfor %}"
      "{% if add_generation_prompt %}a>{% endif %}");
  const auto found =
      pairs(talk(R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "cdefg"}]})"), bytes, other);
  EXPECT_THAT(found, ElementsAre(P{6, 6}, P{7, 7}, P{8, 8}, P{9, 9}));  // c, d, e; and what comes after "cde"
}

TEST_F(TwoTokenizers, WhatCannotBeReadTwiceIsRefused) {
  EXPECT_THAT(message_of([&] {
                both(IdsSample{{5, 6}, {}, {}}, bytes, words);
              }),
              AllOf(HasSubstr("d.jsonl:3"), HasSubstr("different tokenizers"), HasSubstr("input_ids")));
  teacher_chat = {};
  EXPECT_THAT(
      message_of([&] { both(talk(kTalk), bytes, words); }),
      AllOf(HasSubstr("d.jsonl:3"), HasSubstr("a chat template of the teacher's own"), HasSubstr("teacher's tokenizer.json")));
  teacher_chat = words_with(
      "{% for m in messages %}{% if m.role == 'assistant' and loop.last %}{% generation %}{{ m.content }}{% endgeneration %}"
      "{% else %}{{ m.content }}{% endif %}{% endfor %}");
  EXPECT_THAT(message_of([&] { both(talk(kTalk), bytes, words); }),
              AllOf(HasSubstr("mark as many turns"), HasSubstr("2 for the student and 1 for the teacher")));
  words.eos.reset();
  EXPECT_THAT(message_of([&] {
                both(TextSample{"cd", {}}, bytes, words);
              }),
              AllOf(HasSubstr("d.jsonl:3, for the teacher"), HasSubstr("end-of-sequence")));
}

// For every token how many bytes were read before it; none for one that goes on inside a character or reads nothing.
std::vector<std::optional<uint32_t>> read_before(const Encoding& encoding) {
  std::vector<std::optional<uint32_t>> all;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    uint32_t read = 0;
    for (size_t t = 0; t < i; ++t) read = std::max(read, encoding.offsets[t].second);
    const auto [begin, end] = encoding.offsets[i];
    all.push_back(end > begin && begin >= read ? std::optional(read) : std::nullopt);
  }
  return all;
}

// Every string of the corpus with every pair of real tokenizers: exactly the positions that have read the same text.
TEST_F(TwoTokenizers, RealOnesPairExactlyWhereTheyHaveReadTheSame) {
  const Json corpus = parse_json(read_file(test::test_data("text/corpus.json")), "corpus.json");
  recipe.append_eos = false;
  int64_t num_pairs = 0, num_kept_tokens = 0, inside_characters = 0;
  for (const char* student_name : {"qwen2", "llama2", "gpt2", "metaspace"}) {
    for (const char* teacher_name : {"llama2", "llama3", "gpt2", "words"}) {
      const auto student = load_tokenizer(test::test_data(std::string("text/") + student_name));
      const auto teacher = load_tokenizer(test::test_data(std::string("text/") + teacher_name));
      for (const Json& one : corpus["strings"]) {
        const auto text = one.get<std::string>();
        const Encoding a = student->encode(text, true), b = teacher->encode(text, true);
        const auto ours = read_before(a), theirs = read_before(b);
        std::vector<P> wanted;
        for (size_t i = 1; i < a.ids.size(); ++i) {
          inside_characters += !ours[i] && a.offsets[i].second > a.offsets[i].first;
          for (size_t k = 1; ours[i] && k < b.ids.size(); ++k)
            if (ours[i] == theirs[k]) wanted.emplace_back(i, k);
        }
        std::vector<P> found = pairs(TextSample{text, {}}, *student, *teacher);
        // What stands behind the whole text on both sides, where both add something.
        if (!found.empty() && a.offsets[static_cast<size_t>(found.back().first)].second == 0) found.pop_back();
        ASSERT_EQ(found, wanted) << student_name << " and " << teacher_name << ": " << text;
        num_pairs += static_cast<int64_t>(wanted.size());
        num_kept_tokens += static_cast<int64_t>(a.ids.size()) - 1;
      }
    }
  }
  EXPECT_GT(num_pairs, num_kept_tokens / 4);
  EXPECT_GT(inside_characters, 1000) << "the corpus is meant to cut characters into bytes";
}

TEST_F(TwoTokenizers, ACharacterInPiecesHasOneCounterpart) {
  const auto llama = load_tokenizer(test::test_data("text/llama2")), gpt = load_tokenizer(test::test_data("text/gpt2"));
  recipe.append_eos = false;
  const std::string text = "x\xF0\x9F\xA6\x94y";  // a hedgehog, which neither vocabulary has
  const Encoding a = gpt->encode(text, true), b = llama->encode(text, true);
  ASSERT_GE(a.ids.size(), 4u);
  ASSERT_GE(b.ids.size(), 6u);
  std::vector<std::pair<uint32_t, uint32_t>> next;
  for (const auto& [i, k] : pairs(TextSample{text, {}}, *gpt, *llama))
    next.emplace_back(a.offsets[static_cast<size_t>(i)].first, b.offsets[static_cast<size_t>(k)].first);
  EXPECT_THAT(next, ElementsAre(std::pair(1u, 1u), std::pair(5u, 5u)));
}

DataLimits limits_with(const std::shared_ptr<const Tokenizer>& teacher, int64_t max_positions = 0) {
  DataLimits limits{301, 0, {}};
  limits.teacher = TeacherReader{teacher, 301, max_positions, {}};
  return limits;
}

std::vector<int64_t> values(const at::Tensor& tensor) {
  const int64_t* data = tensor.const_data_ptr<int64_t>();
  return {data, data + tensor.numel()};
}

TEST_F(TwoTokenizers, ABatchHoldsTheSameDocumentsOnBothSides) {
  const ScratchFolder folder;
  const auto path = folder.write("d.jsonl", "{\"text\": \"cd ef\"}\n{\"text\": \"g\"}\n{\"text\": \"h i jk lm no\"}\n");
  recipe.sequence_length = 12;
  const auto rows = load_rows({{path, 1}}, recipe, "data.train", &bytes, limits_with(std::make_shared<WordTokenizer>()), 17);
  // <s>cd ef</s> <s>g</s> | <s>h i jk lm n (cut);   cd ef</s> g</s> | h i jk lm no</s>
  const TokenBatch batch = make_batch(*rows, {{{0, 1}, 1}, {{0, 0}, 0}}, false);
  ASSERT_TRUE(batch.teacher);
  const TokenBatch& teacher = batch.read_by_teacher();
  EXPECT_THAT(batch.document_lengths, ElementsAre(ElementsAre(12), ElementsAre(7, 3)));
  EXPECT_THAT(teacher.document_lengths, ElementsAre(ElementsAre(6), ElementsAre(3, 2)));
  EXPECT_THAT(values(teacher.documents_BT), ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, -1));
  EXPECT_THAT(values(teacher.positions_BT), ElementsAre(0, 1, 2, 3, 4, 5, 0, 1, 2, 0, 1, 0));
  // Predicted in pairs: ' i' ' jk' ' lm' ' no'; ' ef' </s>; </s>.
  EXPECT_THAT(values(teacher.kept_N), ElementsAre(0, 1, 2, 3, 6, 7, 9));
  std::vector<int64_t> positions;
  for (const int64_t row : batch.pairs.rows) positions.push_back(values(batch.kept_N)[static_cast<size_t>(row)]);
  EXPECT_THAT(positions, ElementsAre(1, 3, 6, 9, 12 + 2, 12 + 5, 12 + 8));
  EXPECT_EQ(values(batch.pairs.rows_P), batch.pairs.rows);
  EXPECT_FALSE(teacher.targets_BT.defined());
  EXPECT_EQ(counts_of(*rows).paired_tokens, 7);
  EXPECT_THAT(counts_of(*rows).text(), HasSubstr("1 truncated; 2 rows per epoch with 22 tokens, 19 kept, 7 of them paired"));
  EXPECT_FALSE(evaluation_batches(*load_rows({{path, 1}}, recipe, "data.eval", &bytes, {301, 0, {}}, 17), 2)[0].teacher);
}

TEST_F(TwoTokenizers, ARowIsFullWhenEitherSideIs) {
  const ScratchFolder folder;
  const auto path = folder.write("d.jsonl", "{\"text\": \"c\"}\n{\"text\": \"d\"}\n{\"text\": \"e\"}\n{\"text\": \"f g h\"}\n");
  recipe.sequence_length = 16;
  const auto teacher = std::make_shared<WordTokenizer>();
  const auto num_rows = [&](int64_t positions) {
    const auto rows = load_rows({{path, 1}}, recipe, "data.train", &bytes, limits_with(teacher, positions), 17);
    for (const PackedRow& row : rows->teacher->sources[0].rows)
      EXPECT_LE(row.num_tokens, positions == 0 ? recipe.sequence_length : positions);
    EXPECT_EQ(rows->teacher->sources[0].rows.size(), rows->sources[0].rows.size());
    return counts_of(*rows).rows;
  };
  EXPECT_EQ(num_rows(0), 1);
  EXPECT_EQ(num_rows(6), 2);  // 2 + 2 + 2 | 4
  EXPECT_EQ(num_rows(4), 3);  // 2 + 2 | 2 | 4
}

TEST_F(TwoTokenizers, ATextOfWhichTheTeacherReadsNothingIsDropped) {
  const ScratchFolder folder;
  const auto teacher = std::make_shared<WordTokenizer>();
  teacher->drops_blanks = true;
  recipe.append_eos = false;
  const auto rows = load_rows({{folder.write("d.jsonl", "{\"text\": \" \"}\n{\"text\": \"c d\"}\n"), 1}}, recipe, "data.train",
                              &bytes, limits_with(teacher), 17);
  EXPECT_EQ(counts_of(*rows).dropped, 1);
  EXPECT_EQ(counts_of(*rows).kept_tokens, 3);
  EXPECT_EQ(rows->teacher->sources[0].store.documents().size(), 1u);
}

TEST_F(TwoTokenizers, RowsThatCannotBeComparedAreRefused) {
  const ScratchFolder folder;
  const auto teacher = std::make_shared<WordTokenizer>();
  const auto load = [&](const std::string& path) {
    return load_rows({{path, 1}}, recipe, "data.train", &bytes, limits_with(teacher), 17);
  };
  EXPECT_THAT(message_of([&] { load(folder.write("ids.jsonl", "{\"text\": \"c d\"}\n{\"input_ids\": [1, 2]}\n")); }),
              AllOf(HasSubstr("ids.jsonl:2"), HasSubstr("input_ids")));
  recipe.append_eos = false;
  EXPECT_THAT(message_of([&] { load(folder.write("one.jsonl", "{\"text\": \"cdef\"}\n")); }),
              AllOf(HasSubstr("one.jsonl"), HasSubstr("none among 4 kept tokens")));
}

}  // namespace
}  // namespace distill
