// What the kernel says is left, read from a made-up /proc and /sys.
#include "distill/plan/hardware.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace distill {
namespace {

namespace fs = std::filesystem;

class Hardware : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / ("distill_hardware_" + std::to_string(getpid()));
    write("proc/meminfo", "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n");
  }
  void TearDown() override { fs::remove_all(root_); }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  fs::path root_;
};

constexpr int64_t kAvailable = int64_t{8000000} * 1024;

TEST_F(Hardware, WithoutCgroupsItIsWhatTheKernelCallsAvailable) { EXPECT_EQ(free_host_bytes(root_), kAvailable); }

TEST_F(Hardware, ACgroupOfVersion2MayAllowLess) {
  write("proc/self/cgroup", "0::/jobs/mine\n");
  write("sys/fs/cgroup/jobs/mine/memory.max", "max\n");
  write("sys/fs/cgroup/jobs/mine/memory.current", "1000\n");
  EXPECT_EQ(free_host_bytes(root_), kAvailable) << "no limit";
  write("sys/fs/cgroup/jobs/memory.max", "1000000\n");
  write("sys/fs/cgroup/jobs/memory.current", "300000\n");
  write("sys/fs/cgroup/jobs/memory.stat", "anon 200000\ninactive_file 50000\n");
  EXPECT_EQ(free_host_bytes(root_), 750000) << "that of a group above counts, and its page cache can be dropped";
}

TEST_F(Hardware, ACgroupOfVersion1SeenFromItsContainer) {
  write("proc/self/cgroup", "4:memory:/docker/abc\n3:cpu:/\n0::/\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000000\n");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "2500000\n");
  EXPECT_EQ(free_host_bytes(root_), 0) << "never below nothing";
}

TEST_F(Hardware, AMachineThatTellsNothingHasNothing) { EXPECT_EQ(free_host_bytes(root_ / "absent"), 0); }

TEST_F(Hardware, AFolderThatIsNotThereYetHasTheDiskOfTheOneAbove) {
  EXPECT_GT(free_disk_bytes(root_ / "runs/new"), 0);
  EXPECT_GT(free_disk_bytes("relative/new"), 0);
}

}  // namespace
}  // namespace distill
