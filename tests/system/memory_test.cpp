// Memory of the host that runs out (`ulimit -v`), as a user meets it: the exit code of a recipe that cannot be done here, and
// what to change.
#include <gmock/gmock.h>

#include "system/tiny.h"

using namespace distill::test;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

class LittleMemory : public testing::Test {
 protected:
  // 24 GiB of addresses hold the program with all of torch's libraries, but no tensor of 32 GiB.
  Outcome train(const std::string& config, const std::string& more) {
    place_.write("rows.jsonl", token_rows(64, 60, 64, 1));
    place_.write("big.yaml", "student: {init: {config: " + config +
                                 "}}\n"
                                 "data: {train: [{path: rows.jsonl}], sequence_length: 64}\n"
                                 "objective: [{function: cross_entropy}]\n" +
                                 more + "output: runs/big\n");
    Command command = place_.command({"train", "big.yaml", "--progress", "none", "--device", "cpu"});
    command.max_mapped_bytes = uint64_t{24} << 30;
    return run_process(command);
  }
  static std::string with(std::string config, const std::string& word, const std::string& value) {
    const size_t begin = config.find(word + ": ");
    return config.replace(begin, config.find(',', begin) - begin, word + ": " + value);
  }
  Workplace place_;
};

TEST_F(LittleMemory, AnUpdateThatDoesNotFitNamesItsRowsAndEveryWayOut) {
  // 64 rows of 64 tokens, 2 million wide inside: 32 GB at once; the weights are 192 MB.
  const Outcome outcome =
      train(with(tiny_config(8, 1), "intermediate_size", "2000000"), "train: {length: 2 steps, batch_size: 64}\n");
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("memory: expected enough for update 1 (64 rows of 64 tokens at once), found 30.5"));
  EXPECT_THAT(outcome.err, HasSubstr("GiB asked for"));
  EXPECT_THAT(outcome.err, HasSubstr("an update may not fit: it takes about")) << "the plan said so at the start";
  EXPECT_THAT(outcome.err, HasSubstr("Smallest change that fits: train."));
  EXPECT_THAT(outcome.err, HasSubstr("may map at most 24.00 GiB (ulimit -v)"));
  for (const char* way :
       {"train.batch_size", "train.gradient_accumulation_steps", "train.gradient_checkpointing", "data.sequence_length"})
    EXPECT_THAT(outcome.err, HasSubstr(way));
  EXPECT_THAT(outcome.err, Not(HasSubstr("report this")));
}

TEST_F(LittleMemory, AModelThatDoesNotFitSaysSo) {
  const Outcome outcome = train(tiny_config(4096, 1, 2000000), "train: {length: 2 steps}\n");
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("memory: expected enough for this command, found 30.5"));
  EXPECT_THAT(outcome.err, HasSubstr("smaller models"));
}

}  // namespace
