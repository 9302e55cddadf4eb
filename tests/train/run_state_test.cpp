#include "distill/train/run_state.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/core/json_reader.h"

namespace distill {
namespace {

class RunStateFile : public testing::Test {
 protected:
  void TearDown() override { fs::remove(file_); }
  void change(const std::function<void(Json&)>& edit) const {
    Json json = Json::parse(read_file(file_));
    edit(json);
    write_file_atomically(file_, json.dump());
  }
  fs::path file_ = fs::temp_directory_path() / ("distill_state_" + std::to_string(getpid()) + ".json");
};

TEST_F(RunStateFile, HoldsWhoMakesLargeProducts) {
  RunState state;
  state.update = 7;
  for (const auto& [maker, word] : EnumNames<gemm::Maker>::kNames) {
    state.products = maker;
    write_run_state(file_, state);
    EXPECT_EQ(read_run_state(file_).products, maker) << word;
  }
}

TEST_F(RunStateFile, OfAnEarlierVersionDoesNotSayWhoMadeThem) {
  write_run_state(file_, {});
  change([](Json& json) { json.erase("products"); });
  EXPECT_EQ(read_run_state(file_).products, gemm::Maker::undecided);
}

TEST_F(RunStateFile, WithAnotherWordIsRefused) {
  write_run_state(file_, {});
  change([](Json& json) { json["products"] = "magic"; });
  EXPECT_THROW(read_run_state(file_), InputError);
}

}  // namespace
}  // namespace distill
