#include "distill/train/run_folder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "distill/core/error.h"
#include "distill/core/file.h"

namespace distill {
namespace {

class RunFolders : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / ("run_folder_" + std::to_string(getpid()));
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  static void write(const fs::path& folder, const std::string& text) {
    WriteFile file(folder / "model.safetensors");
    file.write(text);
    file.close();
  }

  fs::path root_;
};

TEST_F(RunFolders, TheNewestValidCheckpointIsTaken) {
  const RunFolder run = RunFolder::open(root_ / "run", false);
  EXPECT_FALSE(run.newest_checkpoint());
  run.save_checkpoint(5, 3, [](const fs::path& folder) { write(folder, "five"); });
  run.save_checkpoint(10, 3, [](const fs::path& folder) { write(folder, "ten"); });
  EXPECT_EQ(run.newest_checkpoint()->step, 10);
  EXPECT_EQ(run.newest_checkpoint()->path.filename(), "step-00000010");
}

TEST_F(RunFolders, ADamagedCheckpointIsPassedOver) {
  const RunFolder run = RunFolder::open(root_ / "run", false);
  run.save_checkpoint(5, 3, [](const fs::path& folder) { write(folder, "five"); });
  const Checkpoint newest = run.save_checkpoint(10, 3, [](const fs::path& folder) { write(folder, "ten"); });
  write(newest.path, "tin");  // same size, other content
  EXPECT_EQ(run.newest_checkpoint()->step, 5);
  write(newest.path, "te");
  EXPECT_EQ(run.newest_checkpoint()->step, 5);
  fs::remove(newest.path / "manifest.json");
  EXPECT_EQ(run.newest_checkpoint()->step, 5);
}

TEST_F(RunFolders, AFailedSaveLeavesThePreviousOneAndNoRest) {
  const RunFolder run = RunFolder::open(root_ / "run", false);
  run.save_checkpoint(5, 1, [](const fs::path& folder) { write(folder, "five"); });
  const auto fail = [](const fs::path& folder) {
    write(folder, "half");
    throw IoError({"disk", "space", "none", "", ""});
  };
  EXPECT_THROW(run.save_checkpoint(6, 1, fail), IoError);
  EXPECT_EQ(run.newest_checkpoint()->step, 5);
  int entries = 0;
  for (const auto& entry : fs::directory_iterator(root_ / "run" / "checkpoints")) entries += !entry.path().empty();
  EXPECT_EQ(entries, 1);
}

TEST_F(RunFolders, OnlyTheNewestAreKept) {
  const RunFolder run = RunFolder::open(root_ / "run", false);
  for (int64_t step : {1, 2, 3, 4}) run.save_checkpoint(step, 2, [](const fs::path& folder) { write(folder, "x"); });
  EXPECT_FALSE(fs::exists(root_ / "run/checkpoints/step-00000002"));
  EXPECT_TRUE(fs::exists(root_ / "run/checkpoints/step-00000003"));
}

TEST_F(RunFolders, ADamagedCheckpointBeyondTheNewOneDoesNotPushItOut) {
  const RunFolder run = RunFolder::open(root_ / "run", false);
  const Checkpoint damaged = run.save_checkpoint(20, 1, [](const fs::path& folder) { write(folder, "twenty"); });
  write(damaged.path, "cut");
  run.save_checkpoint(5, 1, [](const fs::path& folder) { write(folder, "five"); });
  EXPECT_EQ(run.newest_checkpoint()->step, 5);
  EXPECT_FALSE(fs::exists(damaged.path));
}

TEST_F(RunFolders, ASecondRunInTheSameFolderIsRefused) {
  const RunFolder run = RunFolder::open(root_ / "run", false);
  EXPECT_THROW(RunFolder::open(root_ / "run", false), CreateError);
  EXPECT_THROW(RunFolder::open(root_ / "run", true), CreateError);
}

TEST_F(RunFolders, FreshMovesTheOldRunAside) {
  {
    RunFolder::open(root_ / "run", false).save_checkpoint(7, 2, [](const fs::path& folder) { write(folder, "x"); });
  }
  const RunFolder run = RunFolder::open(root_ / "run", true);
  EXPECT_FALSE(run.newest_checkpoint());
  EXPECT_TRUE(fs::exists(root_ / "run.old-1/checkpoints/step-00000007/manifest.json"));
}

}  // namespace
}  // namespace distill
