// Data files of every format as rows: the same rows whatever holds them, from any position on; broken files by name and place.
#include "distill/data/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "distill/core/file.h"
#include "distill/core/json_reader.h"

#include "data/byte_tokenizer.h"
#include "paths.h"

namespace distill {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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

TEST(OpenRows, OtherFormatsAreRefusedByName) {
  const ScratchFolder folder;
  const auto refused = [&](const std::string& name, const std::string& bytes) {
    return message_of([&] { open_rows(folder.write(name, bytes), {}); });
  };
  for (const char* name : {"a.csv", "a.tar", "a.zip"})
    EXPECT_THAT(refused(name, "x"), AllOf(HasSubstr(name), HasSubstr("expected .jsonl"))) << name;
  EXPECT_THAT(refused("a.md", "x"), HasSubstr("the ending .md"));
  EXPECT_THAT(refused("c.jsonl", "PAR1...."), AllOf(HasSubstr("a Parquet file"), HasSubstr("end in .parquet")));
  EXPECT_THAT(refused("c.txt", "ARROW1.."), AllOf(HasSubstr("an Arrow file"), HasSubstr("end in .arrow")));
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

TEST(TokenRows, AreNotReadFromPlacesThatAreNoneOfTheirs) {
  for (const char* name : {"ids_u4.npy", "llama3.bin"}) {
    const auto reader = open_rows(fixture(name), {});
    RawRow row;
    ASSERT_TRUE(reader->next(row));
    const int64_t end = reader->total_bytes(), first = reader->position().byte % 2 + 2;
    for (const int64_t byte : {int64_t{-4}, first, end - 1, end + 4, int64_t{1} << 60})
      EXPECT_THAT(message_of([&] { reader->seek({1, byte}); }), HasSubstr("changed since it was read")) << name << byte;
  }
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

#define NEEDS_ARROW() \
  if (!arrow_available()) GTEST_SKIP() << "this build has no Arrow (pyarrow was not found when it was configured)"

// Lines of JSON Lines as values.
std::vector<Json> objects_of(const std::string& lines) {
  std::vector<Json> objects;
  for (size_t begin = 0, end; (end = lines.find('\n', begin)) != std::string::npos; begin = end + 1)
    objects.push_back(parse_json(std::string_view(lines).substr(begin, end - begin), "line"));
  return objects;
}
std::vector<Json> objects_in(const std::string& path) {
  std::vector<Json> objects;
  const auto reader = open_rows(path, {});
  for (RawRow row; reader->next(row);) {
    objects.push_back(parse_json(row.text, path));
    EXPECT_EQ(row.number, static_cast<int64_t>(objects.size()));
  }
  return objects;
}

TEST(TableRows, AreTheObjectsThatJsonLinesWouldHold) {
  NEEDS_ARROW();
  const std::vector<Json> expected = objects_of(bytes_of("table.jsonl"));
  ASSERT_EQ(expected.size(), 11u);
  for (const char* name : {"table.parquet", "snappy.parquet", "zstd.parquet", "table.arrow", "file.arrow", "packed.arrow"}) {
    EXPECT_EQ(objects_in(fixture(name)), expected) << name;
    rows_from_everywhere(fixture(name));
  }
  EXPECT_THAT(objects_in(fixture("empty.parquet")), IsEmpty());
}

TEST(TableRows, FractionsStayFractions) {
  NEEDS_ARROW();
  const auto rows = rest_of(*open_rows(fixture("table.parquet"), {}));
  EXPECT_THAT(rows[0], AllOf(HasSubstr("\"half\":0.0,\"single\":0.0,\"int8\":-128,")));
  EXPECT_THAT(rows[1], HasSubstr("\"half\":0.5,\"single\":0.1,\"int8\":127,"));
}

TEST(TableRows, LongRowGroupsAreReadFromAnyPosition) {
  NEEDS_ARROW();
  const auto all = rest_of(*open_rows(fixture("many.parquet"), {}));
  ASSERT_EQ(all.size(), 9500u);
  for (const size_t at : {0, 1, 4095, 4096, 4097, 8191, 8192, 8999, 9000, 9001, 9499, 9500}) {
    const auto reader = open_rows(fixture("many.parquet"), {});
    reader->seek({static_cast<int64_t>(at), 0});
    EXPECT_EQ(rest_of(*reader), std::vector<std::string>(all.begin() + static_cast<std::ptrdiff_t>(at), all.end())) << at;
  }
  const auto reader = open_rows(fixture("many.parquet"), {});
  EXPECT_THAT(message_of([&] { reader->seek({9501, 0}); }), HasSubstr("at least 9501 rows, found 9500"));
}

TEST(TableRows, SavedDataSetsAreReadFileAfterFile) {
  NEEDS_ARROW();
  const std::vector<Json> expected = objects_of(bytes_of("saved.jsonl"));
  EXPECT_EQ(objects_in(fixture("saved")), expected);
  EXPECT_EQ(objects_in(fixture("saved.parquet")), expected);
  EXPECT_EQ(rows_from_everywhere(fixture("saved")).size(), 10u);
}

TEST(TableRows, AFieldWithoutAFormInJsonIsRefusedByName) {
  NEEDS_ARROW();
  const auto refused = [](const std::string& name) {
    const auto reader = open_rows(fixture(name), {});
    RawRow row;
    EXPECT_TRUE(reader->next(row));
    return message_of([&] { reader->parse(row, "d:1"); });
  };
  EXPECT_THAT(refused("bytes.parquet"), HasSubstr("d:1: expected \"text\" to be a string, found {\"type\":\"binary\"}"));
  EXPECT_THAT(refused("utf8.parquet"), AllOf(HasSubstr("d:1"), HasSubstr("UTF-8")));
}

TEST(TableRows, CutFilesAreRefused) {
  NEEDS_ARROW();
  const ScratchFolder folder;
  for (const std::string name : {"table.parquet", "snappy.parquet", "table.arrow", "file.arrow", "packed.arrow"}) {
    const std::string bytes = bytes_of(name);
    for (size_t length = 0; length<bytes.size(); length += length + 16> bytes.size() ? 1 : 97) {
      const std::string path = folder.write(name, bytes.substr(0, length));
      EXPECT_THAT(message_of([&] { rest_of(*open_rows(path, {})); }), AllOf(HasSubstr(path), HasSubstr("expected a whole")))
          << name << " " << length;
    }
  }
  for (const std::string name : {"text.parquet", "text.arrow"}) {
    const std::string path = folder.write(name, "{\"text\": \"no table\"}\n");
    EXPECT_THAT(message_of([&] { open_rows(path, {}); }), AllOf(HasSubstr(path), HasSubstr("expected a whole"))) << name;
  }
}

// What a changed byte does is open: it may stand in a text. But nothing breaks that is not named.
TEST(TableRows, DamagedFilesEndInRowsOrANamedError) {
  NEEDS_ARROW();
  const ScratchFolder folder;
  int refused = 0;
  for (const std::string name : {"table.parquet", "snappy.parquet", "table.arrow", "file.arrow", "packed.arrow"}) {
    const std::string bytes = bytes_of(name);
    for (size_t at = 0; at < bytes.size(); at += 61) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ 0x81);
      const std::string path = folder.write(name, changed);
      const std::string message = message_of([&] { rest_of(*open_rows(path, {})); });
      if (message == "no error") continue;
      EXPECT_THAT(message, HasSubstr(path)) << at;
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(TableRows, BuildsWithoutArrowSayHowToReadThem) {
  if (arrow_available()) GTEST_SKIP() << "this build has Arrow";
  for (const char* name : {"table.parquet", "table.arrow", "saved"})
    EXPECT_THAT(message_of([&] { open_rows(fixture(name), {}); }),
                AllOf(HasSubstr(fixture(name)), HasSubstr("with Arrow"), HasSubstr("pip install pyarrow"), HasSubstr("to_json")));
}

TEST(SavedDataSets, FoldersOfOtherKindsAreRefused) {
  EXPECT_THAT(message_of([] { open_rows(fixture("splits"), {}); }),
              AllOf(HasSubstr("several splits"), HasSubstr("splits/train")));
  EXPECT_THAT(message_of([] { open_rows(fixture(""), {}); }), HasSubstr("a folder without state.json"));
  const ScratchFolder folder;
  const auto refused = [&](const std::string& state) {
    const fs::path file = folder.write("state.json", state);
    return message_of([&] { open_rows(file.parent_path(), {}); });
  };
  EXPECT_THAT(refused("{"), HasSubstr("state.json"));
  EXPECT_THAT(refused("{}"), HasSubstr("_data_files"));
  EXPECT_THAT(refused(R"({"_data_files": []})"), HasSubstr("_data_files"));
  EXPECT_THAT(refused(R"({"_data_files": [{"filename": "../a.arrow"}]})"), HasSubstr("../a.arrow"));
  EXPECT_THAT(refused(R"({"_data_files": [{"filename": "/a.arrow"}]})"), HasSubstr("/a.arrow"));
  EXPECT_THAT(refused(R"({"_data_files": [{"filename": "a.arrow"}], "_indices_files": [{"filename": "b"}]})"),
              HasSubstr("flatten_indices"));
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

TEST(TextRows, BytesThatAreNoTextAreRefusedWithTheirLine) {
  const ScratchFolder folder;
  const auto refused = [&](const std::string& name, const std::string& bytes) {
    const std::string path = folder.write(name, bytes);
    return message_of([&] {
      const auto reader = open_rows(path, {});
      for (RawRow row; reader->next(row);) reader->parse(row, path + ":" + std::to_string(row.number));
    });
  };
  EXPECT_THAT(refused("a.jsonl", "{\"text\": \"a\"}\n{\"text\": \"\xff\"}\n"), HasSubstr("a.jsonl:2"));
  EXPECT_THAT(refused("b.jsonl", "{\"text\": \"a\"}\n{\"text\": \"" + std::string(1, '\0') + "\"}\n"), HasSubstr("b.jsonl:2"));
  EXPECT_THAT(refused("c.jsonl", std::string(100, '\0')), HasSubstr("c.jsonl:1"));
  EXPECT_THAT(refused("d.txt", "a\nb\xff\n"), HasSubstr("d.txt:2:2: expected UTF-8"));
  EXPECT_EQ(refused("e.txt", "a" + std::string(1, '\0') + "b\n"), "no error");  // U+0000 is a character
}

TEST(TextRows, ALineMayBeVeryLong) {
  const ScratchFolder folder;
  std::string text(100'000'000, 'x');
  const auto reader = open_rows(folder.write("a.txt", text + "\nshort\n"), {});
  RawRow row;
  ASSERT_TRUE(reader->next(row));
  EXPECT_TRUE(row.text == text);
  ASSERT_TRUE(reader->next(row));
  EXPECT_EQ(row.text, "short");
  EXPECT_FALSE(reader->next(row));
}

}  // namespace
}  // namespace distill
