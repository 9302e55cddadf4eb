// Model files that must be refused. The corpus is generated here by scripts/goldens/make_malformed_models.py.
#include "system/malformed_corpus.h"

namespace distill::test {
namespace {

// What is left out here is opened by tests/fuzz/read_model in every run of the test script, under sanitizers.
class MalformedModels : public MalformedCorpus {
 protected:
  void SetUp() override {
    generate("make_malformed_models.py", "models", {"attack", "torch_folder", "format"}, 4);
    place.write("rows.jsonl", "{\"input_ids\": [1, 2, 3]}\n");
  }

  Command command_for(const MalformedCase& given, const std::string& output) const override {
    const std::string path = "models/" + given.path;
    if (given.verb != "forward") return place.command({"inspect", path});
    return place.command({"forward", "--model", path, "--input", "rows.jsonl", "--output", output});
  }
};

TEST_F(MalformedModels, EachIsRefusedWithItsNameAndItsFaultInLittleMemoryAndRunsNothing) {
  const std::vector<MalformedEnding> endings = run_all(false);
  ASSERT_GE(endings.size(), 130u);
  report(endings);
  print_extremes(endings, "malformed models");
}

TEST_F(MalformedModels, TheSoundModelsTheyComeFromOpen) {
  const std::vector<MalformedEnding> endings = run_all(true);
  ASSERT_GE(endings.size(), 5u);
  report(endings);
}

}  // namespace
}  // namespace distill::test
