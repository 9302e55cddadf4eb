// Prepared rows: taken up again, gone on with, and never trusted when they do not fit.
#include "distill/data/prepare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <future>
#include <set>

#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/core/log.h"
#include "distill/data/rows.h"

#include "data/byte_tokenizer.h"

namespace distill {
namespace {

using testing::HasSubstr;

// Documents of many lengths and kinds; some have labels of their own.
std::string many_rows(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    if (i % 3 == 0)
      text += "{\"text\": \"" + std::string(static_cast<size_t>(1 + i % 50), "cd"[i % 2]) + "\"}\n";
    else if (i % 3 == 1)
      text += ids_row(i % 100, 2 + i % 7);
    else
      text += "{\"input_ids\": [7, 8, 9], \"labels\": [-100, 9, " + std::to_string(i % 200) + "]}\n";
  }
  return text;
}

struct Prepared : ::testing::Test {
  ScratchFolder folder;
  ByteTokenizer tokenizer, other;
  fs::path place = fs::path(folder.write("x", "")).parent_path() / "prepared";

  PrepareRules rules(int64_t sequence_length = 16) const {
    DataRecipe recipe;
    PrepareRules rules;
    rules.render = render_rules(recipe, &tokenizer, 301);
    rules.read.vocab_size = 301;
    rules.sequence_length = sequence_length;
    return rules;
  }
  // A teacher that reads without <s>.
  PrepareRules rules_of_two(int64_t teacher_length = 12) {
    other.begins = false;
    PrepareRules two = rules();
    two.teacher = ReaderRules{render_rules(DataRecipe(), &other, 301), teacher_length};
    return two;
  }
  PreparedSource prepare(const std::string& path, const PrepareRules& rules) const {
    return prepare_source(path, rules, {place, 0}, "data.train");
  }
  fs::path only_folder() const {
    fs::path found;
    for (const auto& entry : fs::directory_iterator(place)) {
      EXPECT_TRUE(found.empty()) << found << entry.path();
      found = entry.path();
    }
    return found;
  }
  size_t num_folders() const {
    if (!fs::exists(place)) return 0;
    return static_cast<size_t>(std::distance(fs::directory_iterator(place), fs::directory_iterator()));
  }
};

void expect_same_documents(const TokenStore& a, const TokenStore& b) {
  EXPECT_EQ(a.documents(), b.documents());
  RowBuffer one, other;
  read_documents(a, 0, a.documents().size(), one);
  read_documents(b, 0, b.documents().size(), other);
  ASSERT_EQ(one.tokens.size(), other.tokens.size());
  for (size_t i = 0; i < one.tokens.size(); ++i) ASSERT_EQ(one.tokens[i].bits, other.tokens[i].bits);
  EXPECT_EQ(one.labels, other.labels);
}

void expect_same(const PreparedSource& a, const PreparedSource& b) {
  expect_same_documents(a.store, b.store);
  EXPECT_EQ(a.state.hash, b.state.hash);
  EXPECT_EQ(a.state.teacher_hash, b.state.teacher_hash);
  EXPECT_EQ(a.state.counts.documents, b.state.counts.documents);
  EXPECT_EQ(a.state.counts.truncated, b.state.counts.truncated);
  EXPECT_EQ(a.state.counts.teacher_truncated, b.state.counts.teacher_truncated);
  ASSERT_EQ(a.teacher.has_value(), b.teacher.has_value());
  if (a.teacher) expect_same_documents(*a.teacher, *b.teacher);
}

std::string many_texts(int count) {
  std::string text;
  for (int i = 0; i < count; ++i)
    text += "{\"text\": \"" + std::string(static_cast<size_t>(1 + i % 20), "cd"[i % 2]) + std::to_string(i) + "\"}\n";
  return text;
}

TEST_F(Prepared, AreTheSameOnDiskAsInMemoryAndWhenTakenUpAgain) {
  const auto path = folder.write("d.jsonl", many_rows(5000));
  const PreparedSource memory = prepare_source(path, rules(), {}, "data.train");
  EXPECT_FALSE(fs::exists(place));
  expect_same(memory, prepare(path, rules()));
  EXPECT_TRUE(fs::exists(only_folder() / "state.json"));
  const auto written = fs::last_write_time(only_folder() / "tokens.bin");
  expect_same(memory, prepare(path, rules()));
  EXPECT_EQ(fs::last_write_time(only_folder() / "tokens.bin"), written) << "prepared twice";
}

TEST_F(Prepared, AnyOtherRuleOrFilePreparesAnew) {
  const auto path = folder.write("d.jsonl", many_rows(50));
  std::vector<PrepareRules> all = {rules(), rules(15)};
  all.emplace_back(rules()).render.append_eos = false;
  all.emplace_back(rules()).overflow = Overflow::split;
  all.emplace_back(rules()).render.completion_only = false;
  std::set<std::string> keys;
  for (const PrepareRules& one : all) keys.insert(prepared_key(path, one));
  EXPECT_EQ(keys.size(), all.size());
  prepare(path, rules());
  folder.write("d.jsonl", many_rows(51));
  EXPECT_FALSE(keys.contains(prepared_key(path, rules())));
  EXPECT_EQ(prepare(path, rules()).state.counts.documents, 51);
}

TEST_F(Prepared, OldOnesGoButForTheNewestTwoOfASourceAndThoseInUse) {
  const auto path = folder.write("d.jsonl", many_rows(50)), other = folder.write("e.jsonl", many_rows(40));
  const auto state_of = [&](const std::string& file, int64_t length) {
    return place / prepared_key(file, rules(length)) / "state.json";
  };
  const auto age = [&](int64_t length, int hours) {
    fs::last_write_time(state_of(path, length), fs::file_time_type::clock::now() - std::chrono::hours(hours));
  };
  const auto kept = [&](const std::vector<int64_t>& lengths) {
    std::vector<int64_t> found;
    for (const int64_t length : lengths)
      if (fs::exists(state_of(path, length))) found.push_back(length);
    return found;
  };
  prepare(other, rules());
  const PreparedSource used = prepare(path, rules(8));
  age(8, 4);
  prepare(path, rules(9));
  age(9, 3);
  prepare(path, rules(10));
  age(10, 2);
  prepare(path, rules(11));
  EXPECT_THAT(kept({8, 9, 10, 11}), testing::ElementsAre(8, 10, 11));
  age(11, 1);
  prepare(path, rules(10));  // taken up again
  prepare(path, rules(12));
  EXPECT_THAT(kept({8, 9, 10, 11, 12}), testing::ElementsAre(8, 10, 12));
  EXPECT_TRUE(fs::exists(state_of(other, 16)));
  EXPECT_EQ(num_folders(), 4u);
}

// What waits for the first preparation finds its folder gone when the lock is free.
TEST_F(Prepared, WhoWaitsForAPreparationOfBadDataNamesTheRowToo) {
  const auto path = folder.write("d.jsonl", many_rows(300) + "{\n");
  auto first = std::make_unique<PreparedFolder>(place, path, rules(), "data.train");
  auto second = std::async(std::launch::async, [&] { return message_of([&] { prepare(path, rules()); }); });
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(300)), std::future_status::timeout);
  first->remove();
  first.reset();
  EXPECT_THAT(second.get(), HasSubstr("d.jsonl:301"));
  EXPECT_EQ(num_folders(), 0u);
}

TEST_F(Prepared, ATemplateThatWritesTheDateHasAKeyForEveryDay) {
  const auto path = folder.write("d.jsonl", many_rows(5));
  const auto key_with = [&](const std::string& source) {
    PrepareRules with = rules();
    with.render.words.chat = std::make_shared<const ChatTemplate>(source, "here", Json());
    return prepared_key(path, with);
  };
  const char* zone = std::getenv("TZ");
  const std::string before = zone ? zone : "";
  const auto at = [&](const char* name, const std::string& source) {
    setenv("TZ", name, 1);
    tzset();
    return key_with(source);
  };
  // Never the same day: they lie 26 hours apart.
  EXPECT_NE(at("AAA-14", "{{ strftime_now('%d') }}"), at("AAA+12", "{{ strftime_now('%d') }}"));
  EXPECT_EQ(at("AAA-14", "{{ messages }}"), at("AAA+12", "{{ messages }}"));
  zone ? setenv("TZ", before.c_str(), 1) : unsetenv("TZ");
  tzset();
}

TEST_F(Prepared, GoOnWhereAKilledPreparationStopped) {
  const auto path = folder.write("d.jsonl", many_rows(20000));
  const PreparedSource whole = prepare_source(path, rules(), {}, "data.train");
  for (const int64_t first : {1, 777, 19999}) {
    fs::remove_all(place);
    {
      PreparedFolder half(place, path, rules(), "data.train");
      TokenStore store = half.take_store();
      PreparedState state;
      const auto reader = open_rows(path, rules().read);
      RawRow row;
      for (int64_t i = 0; i < first; ++i) {
        ASSERT_TRUE(reader->next(row));
        Document document = render(reader->parse(row, "d"), rules().render, "d");
        const bool too_long = document.tokens.size() > 16;
        for (const Document& piece : cut(std::move(document), 16, Overflow::truncate)) {
          if (num_kept(piece) == 0) {
            ++state.counts.dropped;
            continue;
          }
          const StoredDocument stored = store.add(piece);
          state.hash = hash_document(state.hash, {piece.tokens.data(), piece.labels.empty() ? nullptr : piece.labels.data(),
                                                  stored.length, stored.num_kept, stored.row_class});
        }
        ++state.counts.documents;
        state.counts.truncated += too_long;
      }
      state.position = reader->position();
      state.sizes = store.sizes();
      half.save(store, state);
      store.add(Document{{Token::of(1, true)}, {}, {}});  // written after the last state: not counted
      store.sync();
    }
    expect_same(whole, prepare(path, rules()));
  }
}

TEST_F(Prepared, TwoReadingsAreTheSameOnDiskAsInMemoryAndWhenTakenUpAgain) {
  const auto path = folder.write("d.jsonl", many_texts(3000));
  const PreparedSource memory = prepare_source(path, rules_of_two(), {}, "data.train");
  ASSERT_TRUE(memory.teacher);
  EXPECT_EQ(memory.store.documents().size(), memory.teacher->documents().size());
  EXPECT_GT(memory.state.counts.teacher_truncated, memory.state.counts.truncated);
  expect_same(memory, prepare(path, rules_of_two()));
  const auto written = fs::last_write_time(only_folder() / "teacher" / "tokens.bin");
  expect_same(memory, prepare(path, rules_of_two()));
  EXPECT_EQ(fs::last_write_time(only_folder() / "teacher" / "tokens.bin"), written) << "prepared twice";
}

TEST_F(Prepared, AnotherTeacherPreparesAnew) {
  const auto path = folder.write("d.jsonl", many_texts(50));
  std::vector<PrepareRules> all = {rules(), rules_of_two(), rules_of_two(11)};
  all.emplace_back(rules_of_two()).teacher->render.eos = 9;
  all.emplace_back(rules_of_two()).teacher->render.tokenizer = nullptr;
  std::set<std::string> keys;
  for (const PrepareRules& one : all) keys.insert(prepared_key(path, one));
  EXPECT_EQ(keys.size(), all.size());
}

TEST_F(Prepared, TwoReadingsGoOnWhereAKilledPreparationStopped) {
  const auto path = folder.write("d.jsonl", many_texts(20000));
  const PrepareRules two = rules_of_two();
  const PreparedSource whole = prepare_source(path, two, {}, "data.train");
  const auto add = [](TokenStore& store, const Document& document, uint64_t& hash) {
    const StoredDocument stored = store.add(document);
    hash = hash_document(hash, {document.tokens.data(), document.labels.empty() ? nullptr : document.labels.data(), stored.length,
                                stored.num_kept, stored.row_class});
  };
  for (const int64_t first : {1, 777, 19999}) {
    fs::remove_all(place);
    {
      PreparedFolder half(place, path, two, "data.train");
      TokenStore store = half.take_store();
      auto teacher = half.take_teacher_store();
      ASSERT_TRUE(teacher);
      PreparedState state;
      const auto reader = open_rows(path, two.read);
      RawRow row;
      for (int64_t i = 0; i < first; ++i) {
        ASSERT_TRUE(reader->next(row));
        const TwoDocuments both = render_for_both(reader->parse(row, "d"), {two.render, 16}, *two.teacher, "d");
        add(store, both.student, state.hash);
        add(*teacher, both.teacher, state.teacher_hash);
        ++state.counts.documents;
        state.counts.truncated += both.student_cut;
        state.counts.teacher_truncated += both.teacher_cut;
      }
      state.position = reader->position();
      state.sizes = store.sizes();
      state.teacher_sizes = teacher->sizes();
      half.save(store, state, &*teacher);
      add(*teacher, Document{{Token::of(1, true)}, {}, {}}, state.teacher_hash);  // written after the last state: not counted
      teacher->sync();
    }
    expect_same(whole, prepare(path, two));
  }
}

TEST_F(Prepared, ADamagedSecondReadingIsPreparedAgainWithAWarning) {
  const auto path = folder.write("d.jsonl", many_texts(500));
  const PreparedSource sound = prepare(path, rules_of_two());
  for (const char* name : {"tokens.bin", "labels.bin", "documents.bin"}) {
    const fs::path file = only_folder() / "teacher" / name;
    std::string bytes = read_file(file);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    std::ofstream(file, std::ios::binary) << bytes;
    const size_t before = log::warnings().size();
    expect_same(sound, prepare(path, rules_of_two()));
    ASSERT_EQ(log::warnings().size(), before + 1) << name;
    EXPECT_THAT(log::warnings().back(), HasSubstr("prepared again"));
  }
}

TEST_F(Prepared, DamagedFilesArePreparedAgainWithAWarning) {
  const auto path = folder.write("d.jsonl", many_rows(500));
  const PreparedSource sound = prepare(path, rules());
  const auto damage = [&](const std::string& name, const std::function<void(std::string&)>& change) {
    std::string bytes = read_file(only_folder() / name);
    change(bytes);
    std::ofstream(only_folder() / name, std::ios::binary) << bytes;
    const size_t before = log::warnings().size();
    expect_same(sound, prepare(path, rules()));
    ASSERT_EQ(log::warnings().size(), before + 1) << name;
    EXPECT_THAT(log::warnings().back(), HasSubstr("prepared again"));
  };
  for (const char* name : {"tokens.bin", "labels.bin", "documents.bin", "state.json"}) {
    damage(name, [](std::string& bytes) { bytes.resize(bytes.size() / 2); });
    damage(name, [](std::string& bytes) { bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1); });
    damage(name, [](std::string& bytes) { bytes.clear(); });
  }
}

TEST_F(Prepared, BadDataLeavesNothingBehind) {
  const auto path = folder.write("d.jsonl", many_rows(3000) + "{\n");
  EXPECT_THROW(prepare(path, rules()), InputError);
  EXPECT_EQ(num_folders(), 0u);
}

TEST_F(Prepared, SmallSourcesStayInMemory) {
  const auto path = folder.write("d.jsonl", many_rows(10));
  prepare_source(path, rules(), {place, 1 << 20}, "data.train");
  EXPECT_FALSE(fs::exists(place));
}

TEST_F(Prepared, APlaceThatCannotBeMadeIsSaid) {
  const auto path = folder.write("d.jsonl", many_rows(10));
  EXPECT_THROW(prepare_source(path, rules(), {fs::path(path) / "inside a file", 0}, "data.train"), CreateError);
}

}  // namespace
}  // namespace distill
