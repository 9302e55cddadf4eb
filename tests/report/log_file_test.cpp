#include "distill/report/log_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <sstream>

#include "distill/core/file.h"
#include "distill/core/json_reader.h"

namespace distill {
namespace {

std::vector<Json> lines_of(const fs::path& file) {
  std::istringstream text(read_file(file));
  std::vector<Json> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(parse_json(line, "log"));
  return lines;
}

class LogFiles : public testing::Test {
 protected:
  fs::path file_ = fs::temp_directory_path() / ("log_file_" + std::to_string(getpid()) + ".jsonl");
  void SetUp() override { fs::remove(file_); }
  void TearDown() override { fs::remove(file_); }
};

TEST_F(LogFiles, NumbersReadBackToTheSameBitsAndNonFiniteIsNull) {
  StepEvent event;
  event.step = 3;
  event.loss = 0.1 + 0.2;
  event.terms = {{"kl", 1.0 / 3}, {"kl_2", std::nan("")}};
  event.grad_norm = INFINITY;
  {
    LogFile log(file_, 10);
    log.on_step(event);
    log.flush();
  }
  const Json line = lines_of(file_).at(0);
  EXPECT_EQ(line["event"], "step");
  EXPECT_EQ(line["loss"].get<double>(), 0.1 + 0.2);
  EXPECT_EQ(line["terms"]["kl"].get<double>(), 1.0 / 3);
  EXPECT_TRUE(line["terms"]["kl_2"].is_null());
  EXPECT_TRUE(line["grad_norm"].is_null());
  EXPECT_FALSE(line["skipped"].get<bool>());
}

TEST_F(LogFiles, ALineThatAKilledProcessLeftUnfinishedIsCutOff) {
  {
    WriteFile torn(file_);
    torn.write("{\"event\":\"step\",\"step\":1}\n{\"event\":\"st");
    torn.close();
  }
  {
    LogFile log(file_, 1);
    log.on_save({2, "somewhere", 0.5});
  }
  const std::vector<Json> lines = lines_of(file_);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1]["event"], "save");
}

TEST_F(LogFiles, StepsAreFlushedInGroups) {
  LogFile log(file_, 2);
  log.on_step({});
  EXPECT_EQ(fs::file_size(file_), 0u);
  log.on_step({});
  EXPECT_EQ(lines_of(file_).size(), 2u);
}

}  // namespace
}  // namespace distill
