// The demo with its recipes cut to a few updates: it can be interrupted, changed and taken up again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "distill/core/json_reader.h"

#include "system/process.h"

namespace distill::test {
namespace {

using testing::HasSubstr;

// Starts the demo, ends it once its recipes are there, and cuts them to two updates.
void start_and_shorten(const Workplace& place) {
  Command command = place.command({"demo", "--out", "here"});
  command.signal = SIGTERM;
  command.signal_when = [&] { return place.has("here/recipes/distilled.yaml"); };
  EXPECT_EQ(run_process(command).exit_code, 143);
  std::filesystem::remove_all(place.file("here/runs"));
  for (const char* name : {"teacher", "alone", "distilled"}) {
    const std::string file = std::string("here/recipes/") + name + ".yaml";
    std::string recipe = place.read(file);
    const size_t steps = recipe.find(" steps, batch_size");
    ASSERT_NE(steps, std::string::npos) << recipe;
    const size_t length = recipe.rfind("length: ", steps);
    place.write(file, recipe.replace(length, steps - length, "length: 2"));
  }
}

TEST(Demo, GoesOnWithChangedRecipesAndComparesThreeModels) {
  const Workplace place;
  ASSERT_NO_FATAL_FAILURE(start_and_shorten(place));
  const Outcome outcome = place.run({"demo", "--out", "here"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* words : {"teacher", "student alone", "student distilled", "Try next"})
    EXPECT_THAT(outcome.out, HasSubstr(words));
  const Json comparison = Json::parse(place.read("here/comparison.json"));
  EXPECT_EQ(comparison["distilled"]["cross_entropy"].size(), 3u);
  EXPECT_EQ(comparison["alone"]["kl_to_teacher"].size(), 3u);
  for (const char* run : {"teacher", "alone-1", "distilled-3"})
    EXPECT_EQ(Json::parse(place.read(std::string("here/runs/") + run + "/summary.json"))["step"], 2) << run;
}

TEST(Demo, LeavesAForeignFolderAlone) {
  const Workplace place;
  place.write("mine/notes.txt", "keep");
  const Outcome outcome = place.run({"demo", "--out", "mine"});
  EXPECT_EQ(outcome.exit_code, 73);
  EXPECT_THAT(outcome.err, HasSubstr("--out"));
  EXPECT_FALSE(place.has("mine/data"));
}

TEST(Demo, AnotherSeedNeedsAnotherFolder) {
  const Workplace place;
  place.write("here/demo.json", "{\"seed\": 4}\n");
  const Outcome outcome = place.run({"demo", "--out", "here", "--seed", "5"});
  EXPECT_EQ(outcome.exit_code, 73);
  EXPECT_THAT(outcome.err, HasSubstr("--seed 4"));
}

}  // namespace
}  // namespace distill::test
