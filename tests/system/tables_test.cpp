// Parquet through the built program: Arrow and LibTorch in one process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "paths.h"
#include "system/tiny.h"

namespace distill::test {
namespace {

using testing::HasSubstr;

TEST(Tables, TrainingOnParquetEqualsTrainingOnJsonLines) {
  Workplace place;
  prepare_tiny(place);
  place.write("tiny.yaml", tiny_recipe("runs/a"));
  const auto train = [&](const std::string& data, const std::string& output) {
    return place.run({"train", "tiny.yaml", "--progress", "none", "--set", "output=" + output, "--set",
                      "data.train=[" + test_data("rows/" + data).string() + "]"});
  };
  const Outcome table = train("tokens.parquet", "runs/table");
  if (table.exit_code == 65 && table.err.find("a build without it") != std::string::npos)
    GTEST_SKIP() << "this build has no Arrow (pyarrow was not found when it was configured)";
  ASSERT_EQ(table.exit_code, 0) << table.err;
  EXPECT_THAT(table.err, HasSubstr("24 documents"));
  const Outcome lines = train("tokens.jsonl", "runs/lines");
  ASSERT_EQ(lines.exit_code, 0) << lines.err;
  EXPECT_TRUE(place.read("runs/table/student/model.safetensors") == place.read("runs/lines/student/model.safetensors"));
}

}  // namespace
}  // namespace distill::test
