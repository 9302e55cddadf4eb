// Data files of every format as rows: the same rows whatever holds them, from any position on; broken files by name and place.
#include "distill/data/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "data/byte_tokenizer.h"

namespace distill {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

std::vector<std::string> rest_of(RowReader& reader) {
  std::vector<std::string> rows;
  for (RawRow row; reader.next(row);) rows.push_back(std::to_string(row.number) + row.text);
  return rows;
}

// All rows, after proving that every position can be gone to, by the same reader and by a new one.
std::vector<std::string> rows_from_everywhere(const std::string& path, const ReadRules& rules = {}) {
  const auto reader = open_rows(path, rules);
  std::vector<ReadPosition> positions = {reader->position()};
  for (RawRow row; reader->next(row);) positions.push_back(reader->position());
  const std::vector<std::string> all = rest_of(*open_rows(path, rules));
  EXPECT_EQ(all.size() + 1, positions.size());
  for (size_t i = positions.size(); i-- > 0;) {
    const std::vector<std::string> expected(all.begin() + static_cast<std::ptrdiff_t>(i), all.end());
    const auto fresh = open_rows(path, rules);
    fresh->seek(positions[i]);
    EXPECT_EQ(fresh->position(), positions[i]);
    EXPECT_EQ(rest_of(*fresh), expected) << path << " from row " << i;
    reader->seek(positions[i]);
    EXPECT_EQ(rest_of(*reader), expected) << path << " again from row " << i;
  }
  return all;
}

TEST(OpenRows, GoesByTheEndOfTheName) {
  const ScratchFolder folder;
  for (const char* name : {"a.jsonl", "a.JSON", "a.ndjson"})
    EXPECT_THAT(rest_of(*open_rows(folder.write(name, "\n{}\n\n"), {})), ElementsAre("1", "2{}")) << name;
  for (const char* name : {"a.txt", "a.Text"})
    EXPECT_THAT(rest_of(*open_rows(folder.write(name, "\nx\n\n"), {})), ElementsAre("2x")) << name;
}

TEST(OpenRows, FormatsOfLaterAreRefusedByName) {
  const ScratchFolder folder;
  const auto refused = [&](const char* name, const std::string& bytes) {
    return message_of([&] { open_rows(folder.write(name, bytes), {}); });
  };
  for (const char* name : {"a.jsonl.gz", "a.jsonl.zst", "a.parquet", "a.bin", "a.npy", "a.arrow", "a.csv"})
    EXPECT_THAT(refused(name, "x"), AllOf(HasSubstr(name), HasSubstr("not available yet"))) << name;
  EXPECT_THAT(refused("a.md", "x"), HasSubstr("the ending .md"));
  EXPECT_THAT(refused("b.jsonl", "\x1f\x8b\x08\x01"), HasSubstr("a gzip file"));
  EXPECT_THAT(refused("c.jsonl", "PAR1...."), HasSubstr("a Parquet file"));
  EXPECT_THAT(message_of([&] { open_rows("absent.jsonl", {}); }), HasSubstr("absent.jsonl"));
}

TEST(TextRows, AreReadFromEveryPosition) {
  const ScratchFolder folder;
  EXPECT_THAT(rows_from_everywhere(folder.write("a.jsonl", "\xEF\xBB\xBF{\"a\":1}\r\n{}\n \n\n{\"b\"}\n{\"c\"}\n\n")),
              ElementsAre("1{\"a\":1}", "2{}", "3 ", "5{\"b\"}", "6{\"c\"}"));
  EXPECT_THAT(rows_from_everywhere(folder.write("a.txt", "\xEF\xBB\xBFone\r\n\n  \ntwo\n\nthree")),
              ElementsAre("1one", "4two", "6three"));
  EXPECT_THAT(rows_from_everywhere(folder.write("b.txt", "")), IsEmpty());
}

TEST(TextRows, APositionBeyondTheFileIsRefused) {
  const ScratchFolder folder;
  const auto reader = open_rows(folder.write("a.txt", "one\ntwo\n"), {});
  EXPECT_THAT(message_of([&] { reader->seek({7, 100}); }), AllOf(HasSubstr("a.txt"), HasSubstr("at least 100 bytes, found 8")));
}

}  // namespace
}  // namespace distill
