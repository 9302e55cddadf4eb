// Files that grow at the end and are read back: on a disk and in memory alike.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "distill/core/error.h"
#include "distill/core/file.h"

namespace distill {
namespace {

struct GrowingFiles : ::testing::Test {
  fs::path path = fs::temp_directory_path() / ("distill-growing-" + std::to_string(::getpid()));
  ~GrowingFiles() override { fs::remove(path); }
};

std::string read(const GrowingFile& file, uint64_t at, uint64_t count) {
  std::string text(count, '\0');
  file.read_at(at, text.data(), count);
  return text;
}

TEST_F(GrowingFiles, GiveBackWhatWasAppendedAndFlushed) {
  GrowingFile memory, disk(path);
  for (GrowingFile* file : {&memory, &disk}) {
    const std::string large(300000, 'x');
    file->append("abc", 3);
    file->append(large.data(), large.size());
    file->append("end", 3);
    EXPECT_EQ(file->size(), 300006u);
    file->flush();
    EXPECT_EQ(read(*file, 0, 4), "abcx");
    EXPECT_EQ(read(*file, 300002, 4), "xend");
    EXPECT_THROW(read(*file, 300003, 4), InputError);
  }
}

TEST_F(GrowingFiles, GoOnWhereTheyWereCut) {
  {
    GrowingFile file(path);
    file.append("abcdef", 6);
    file.sync();
  }
  GrowingFile file(path);
  EXPECT_EQ(file.size(), 6u);
  file.cut(2);
  file.append("XY", 2);
  file.sync();
  EXPECT_EQ(read(file, 0, 4), "abXY");
  EXPECT_EQ(fs::file_size(path), 4u);
}

TEST_F(GrowingFiles, SayWhyTheyCannotBeMade) { EXPECT_THROW(GrowingFile(path / "no folder" / "file"), CreateError); }

TEST_F(GrowingFiles, SayThatTheDiskIsFull) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  GrowingFile file("/dev/full");
  file.append("abc", 3);
  EXPECT_THROW(file.flush(), IoError);
}

}  // namespace
}  // namespace distill
