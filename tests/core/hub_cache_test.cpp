// Hub ids in the local cache: which folder, which commit, and what is said when something is missing.
#include "distill/core/hub_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "distill/core/error.h"
#include "distill/core/file.h"

namespace distill {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kNames[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"};

// A cache of its own, and the environment as it was afterwards.
class HubCache : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : kNames) {
      if (const char* value = std::getenv(name)) before_[name] = value;
      ::unsetenv(name);
    }
    std::string pattern = (fs::temp_directory_path() / "distill-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    ::setenv("HF_HUB_CACHE", root_.c_str(), 1);
  }
  void TearDown() override {
    for (const char* name : kNames) {
      ::unsetenv(name);
      if (before_.count(name)) ::setenv(name, before_[name].c_str(), 1);
    }
    fs::remove_all(root_);
  }
  // As huggingface_hub lays it out: blobs, and snapshots of links to them.
  fs::path add_model(const std::string& folder, const std::string& commit, const std::string& reference) {
    const fs::path repository = root_ / folder, snapshot = repository / "snapshots" / commit;
    fs::create_directories(snapshot);
    fs::create_directories(repository / "blobs");
    fs::create_directories((repository / "refs" / reference).parent_path());
    std::ofstream(repository / "blobs/b1") << "{}";
    fs::create_symlink("../../blobs/b1", snapshot / "config.json");
    std::ofstream(repository / "refs" / reference) << commit;
    return snapshot;
  }
  static std::string complaint_about(const std::string& word) {
    try {
      find_model(word);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }

  fs::path root_;
  std::map<std::string, std::string> before_;
};

TEST_F(HubCache, FindsTheSnapshotOfMain) {
  const fs::path snapshot = add_model("models--org--name-1.5B", "0123abc", "main");
  EXPECT_EQ(find_model("org/name-1.5B"), snapshot);
  EXPECT_EQ(find_model("org/name-1.5B@main"), snapshot);
  EXPECT_EQ(find_model("org/name-1.5B@0123abc"), snapshot);
  EXPECT_EQ(find_model(add_model("models--gpt2", "77", "main")), root_ / "models--gpt2/snapshots/77");
  EXPECT_EQ(find_model("gpt2"), root_ / "models--gpt2/snapshots/77");
}

TEST_F(HubCache, FindsBranchesTagsAndPullRequests) {
  const fs::path other = add_model("models--org--name", "99", "refs/pr/3");
  add_model("models--org--name", "11", "main");
  EXPECT_EQ(find_model("org/name@refs/pr/3"), other);
  EXPECT_THAT(complaint_about("org/name@v2"), AllOf(HasSubstr("v2"), HasSubstr("hf download org/name --revision v2")));
}

TEST_F(HubCache, APathThatIsThereComesFirst) {
  add_model("models--org--name", "11", "main");
  EXPECT_EQ(find_model(root_), root_);
  EXPECT_EQ(find_model("/"), "/");
}

TEST_F(HubCache, SaysWhatIsMissingAndHowToFetchIt) {
  EXPECT_THAT(complaint_about("org/name"), AllOf(HasSubstr("nothing there"), HasSubstr((root_ / "models--org--name").string()),
                                                 HasSubstr("hf download org/name")));
  const fs::path snapshot = add_model("models--org--name", "11", "main");
  fs::create_symlink("../../blobs/never", snapshot / "model.safetensors");
  EXPECT_THAT(complaint_about("org/name"), AllOf(HasSubstr("no model.safetensors"), HasSubstr("hf download org/name")));
  EXPECT_EQ(find_model_or_none("org/name"), std::nullopt);
  fs::remove_all(snapshot);
  EXPECT_THAT(complaint_about("org/name"), HasSubstr("no snapshot of main"));
}

TEST_F(HubCache, WordsThatCanOnlyBePathsAreNotLookedUp) {
  fs::create_directories(root_ / "models--..--x/snapshots/main");
  for (const char* word : {"../x", "./x/y", "/x/y", "a/b/c", "~/x", "a b/c", "org/", "org/name@../x", "org/na--me"}) {
    const std::string text = complaint_about(word);
    EXPECT_THAT(text, AllOf(HasSubstr("nothing there"), testing::Not(HasSubstr("hf download")))) << word;
  }
}

TEST_F(HubCache, AReferenceCannotLeaveTheCache) {
  add_model("models--org--name", "11", "main");
  std::ofstream(root_ / "models--org--name/refs/main") << "../../../..";
  EXPECT_THAT(complaint_about("org/name"), HasSubstr("no snapshot"));
}

TEST_F(HubCache, TheFolderFollowsTheEnvironment) {
  EXPECT_EQ(hub_cache_folder(), root_);
  ::unsetenv("HF_HUB_CACHE");
  ::setenv("HOME", "/home/ada", 1);
  EXPECT_EQ(hub_cache_folder(), "/home/ada/.cache/huggingface/hub");
  ::setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_EQ(hub_cache_folder(), "/cache/huggingface/hub");
  ::setenv("HF_HOME", "~/hf", 1);
  EXPECT_EQ(hub_cache_folder(), "/home/ada/hf/hub");
}

TEST_F(HubCache, AMissingFileOfASnapshotIsFetchedByItsCommand) {
  const fs::path snapshot = add_model("models--org--name", "11", "main");
  EXPECT_THAT(download_advice(snapshot, "other"), HasSubstr("hf download org/name --revision 11"));
  EXPECT_THAT(download_advice(snapshot / "", "other"), HasSubstr("hf download org/name"));
  EXPECT_EQ(download_advice("/models/mine", "other"), "other");
}

}  // namespace
}  // namespace distill
