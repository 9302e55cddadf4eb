// Data files of every format as rows: the same rows whatever holds them, from any position on; broken files by name and place.
#include "distill/data/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "distill/core/file.h"

#include "data/byte_tokenizer.h"
#include "paths.h"

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
  const auto refused = [&](const std::string& name, const std::string& bytes) {
    return message_of([&] { open_rows(folder.write(name, bytes), {}); });
  };
  for (const char* name : {"a.parquet", "a.arrow", "a.csv", "a.tar", "a.zip"})
    EXPECT_THAT(refused(name, "x"), AllOf(HasSubstr(name), HasSubstr("not available yet"))) << name;
  EXPECT_THAT(refused("a.md", "x"), HasSubstr("the ending .md"));
  EXPECT_THAT(refused("c.jsonl", "PAR1...."), HasSubstr("a Parquet file"));
  EXPECT_THAT(refused("d.txt", "PK\x03\x04"), HasSubstr("an archive"));
  EXPECT_THAT(refused("e.jsonl.gz", "{}"), HasSubstr("compressed data, as the name says"));
  EXPECT_THAT(refused("f.jsonl.gz", ""), HasSubstr("compressed data, as the name says"));
  EXPECT_THAT(message_of([&] { open_rows("absent.jsonl", {}); }), HasSubstr("absent.jsonl"));
}

std::string fixture(const std::string& name) { return test::test_data("rows/" + name).string(); }
std::string bytes_of(const std::string& name) { return read_file(fixture(name)); }

TEST(PackedRows, AreThoseOfThePlainFileFromEveryPosition) {
  const std::vector<std::string> plain = rows_from_everywhere(fixture("rows.jsonl"));
  ASSERT_EQ(plain.size(), 300u);
  for (const char* name : {"rows.jsonl.gz", "members.jsonl.gz", "rows.jsonl.zst", "rows.jsonl.xz", "rows.jsonl.bz2"})
    EXPECT_EQ(rows_from_everywhere(fixture(name)), plain) << name;
  const ScratchFolder folder;
  EXPECT_EQ(rest_of(*open_rows(folder.write("named.jsonl", bytes_of("rows.jsonl.zst")), {})), plain) << "the bytes decide";
}

TEST(PackedRows, NothingPackedIsNoRow) {
  for (const char* name : {"empty.jsonl.gz", "empty.jsonl.zst", "empty.jsonl.xz", "empty.jsonl.bz2"})
    EXPECT_THAT(rows_from_everywhere(fixture(name)), IsEmpty()) << name;
}

TEST(PackedRows, FilesCutAnywhereAreRefused) {
  const ScratchFolder folder;
  for (const std::string name : {"rows.jsonl.gz", "rows.jsonl.zst", "rows.jsonl.xz", "rows.jsonl.bz2"}) {
    const std::string bytes = bytes_of(name);
    for (size_t length = 0; length < bytes.size(); length += length < 32 || length + 32 > bytes.size() ? 1 : 13) {
      const std::string path = folder.write(name, bytes.substr(0, length));
      EXPECT_THAT(message_of([&] { rest_of(*open_rows(path, {})); }), AllOf(HasSubstr(path), HasSubstr("compressed data")))
          << name << " " << length;
    }
  }
}

TEST(PackedRows, FilesWithSomethingElseBehindThemAreRefused) {
  const ScratchFolder folder;
  for (const std::string name : {"rows.jsonl.gz", "rows.jsonl.zst", "rows.jsonl.xz", "rows.jsonl.bz2"}) {
    const std::string mixed = folder.write(name, bytes_of(name) + "{\"text\": \"more\"}\n");
    EXPECT_THAT(message_of([&] { rest_of(*open_rows(mixed, {})); }), AllOf(HasSubstr(mixed), HasSubstr("compressed data")))
        << name;
  }
}

TEST(PackedRows, AChangedByteOfAFileWithAChecksumIsRefused) {
  const ScratchFolder folder;
  for (const std::string name : {"rows.jsonl.gz", "rows.jsonl.xz", "rows.jsonl.bz2"}) {
    const std::string bytes = bytes_of(name);
    for (size_t at = bytes.size() / 3; at < bytes.size(); at += 29) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ 0x10);
      const std::string path = folder.write(name, changed);
      EXPECT_THAT(message_of([&] { rest_of(*open_rows(path, {})); }), HasSubstr("compressed data")) << name << " " << at;
    }
  }
}

TEST(PackedRows, TextMayBeginAsBzip2Does) {
  const ScratchFolder folder;
  EXPECT_THAT(rest_of(*open_rows(folder.write("a.txt", "BZh91 is a word\n"), {})), ElementsAre("1BZh91 is a word"));
}

std::vector<std::vector<int32_t>> documents_of_file(const std::string& path, const ReadRules& rules) {
  const auto reader = open_rows(path, rules);
  std::vector<std::vector<int32_t>> all;
  std::vector<ReadPosition> positions = {reader->position()};
  for (RawRow row; reader->next(row);) {
    all.push_back(std::get<IdsSample>(reader->parse(row, "")).ids);
    positions.push_back(reader->position());
  }
  for (size_t i = 0; i < all.size(); ++i) {
    const auto fresh = open_rows(path, rules);
    fresh->seek(positions[i]);
    RawRow row;
    EXPECT_TRUE(fresh->next(row));
    EXPECT_EQ(row.ids, all[i]);
    EXPECT_EQ(row.number, static_cast<int64_t>(i) + 1);
  }
  return all;
}

TEST(TokenRows, AStreamEndsItsDocumentsAtTheEndOfSequence) {
  ReadRules rules;
  rules.eos = 10;
  const std::vector<int32_t> first = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, later = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
                             last = {0, 1, 2, 3, 4, 5, 6, 7};
  for (const char* name : {"ids.bin", "gpt2.bin", "llama3.bin", "ids_u2.npy", "ids_u4.npy", "ids_i4.npy", "ids_i8.npy"})
    EXPECT_THAT(documents_of_file(fixture(name), rules), ElementsAre(first, later, later, last)) << name;
}

TEST(TokenRows, LongDocumentsComeInPiecesThatShareNoToken) {
  ReadRules rules;
  rules.sequence_length = 15;
  const auto pieces = documents_of_file(fixture("ids.bin"), rules);
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[0].size(), 15u);
  EXPECT_EQ(pieces[2].size(), 10u);
  EXPECT_EQ(pieces[1].front(), 16 % 11);
}

TEST(TokenRows, ATableHasOneDocumentInEachRow) {
  ReadRules rules;
  rules.eos = 10;
  const auto rows = documents_of_file(fixture("table.npy"), rules);
  ASSERT_EQ(rows.size(), 8u);
  EXPECT_THAT(rows[0], ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(rows[1], ElementsAre(6, 7, 8, 9, 10));
}

TEST(TokenRows, BrokenFilesAreRefusedWithTheReason) {
  const ScratchFolder folder;
  const auto refused = [&](const std::string& name, const std::string& bytes, ReadRules rules = {}) {
    const std::string path = folder.write(name, bytes);
    const std::string message = message_of([&] { documents_of_file(path, rules); });
    EXPECT_THAT(message, HasSubstr(path));
    return message;
  };
  EXPECT_THAT(refused("odd.bin", "abc"), HasSubstr("an odd number"));
  const std::string gpt2 = bytes_of("gpt2.bin"), array = bytes_of("ids_u4.npy");
  EXPECT_THAT(refused("cut.bin", gpt2.substr(0, gpt2.size() - 2)), HasSubstr("40 ids of 2 bytes"));
  EXPECT_THAT(refused("more.bin", gpt2 + "ab"), HasSubstr("found 82 bytes"));
  std::string version = gpt2;
  version[4] = 9;
  EXPECT_THAT(refused("version.bin", version), HasSubstr("version 9"));
  for (size_t length = 0; length < array.size(); length += 7) refused("cut.npy", array.substr(0, length));
  EXPECT_THAT(refused("text.npy", "{\"text\": \"not an array\"}\n"), HasSubstr("a NumPy file"));
  EXPECT_THAT(refused("floats.npy", bytes_of("floats.npy")), HasSubstr("<f4"));
  EXPECT_THAT(refused("fortran.npy", bytes_of("fortran.npy")), HasSubstr("Fortran"));
  EXPECT_THAT(refused("cube.npy", bytes_of("cube.npy")), HasSubstr("(2,4,5)"));
  ReadRules rules;
  rules.vocab_size = 10;
  EXPECT_THAT(refused("large.npy", array, rules), AllOf(HasSubstr("id 10"), HasSubstr("ids from 0 to 9, found 10")));
  std::string negative = bytes_of("ids_i4.npy");
  negative.back() = '\xff';
  EXPECT_THAT(refused("negative.npy", negative), HasSubstr("a negative number"));
  EXPECT_THAT(refused("packed.npy", bytes_of("rows.jsonl.gz")), HasSubstr("a compressed file"));
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
