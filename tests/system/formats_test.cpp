// Checkpoints that users bring, through the verbs: files of torch.save, and hub ids of the local cache.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "paths.h"
#include "system/tiny.h"

namespace distill::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

std::string torch_file(const std::string& name) { return (test_data("checkpoint/torch") / name).string(); }
std::string tied_llama() { return test_data("model/llama_tied").string(); }

std::string recipe_of(const std::string& student, const std::string& teacher) {
  return "teacher: {path: " + teacher + "}\nstudent: {path: " + student +
         "}\ndata:\n  train: [{path: rows.jsonl}]\n  sequence_length: 16\ntrain: {length: 2 steps, batch_size: 2, device: cpu}\n"
         "objective: [{function: kl}, {function: cross_entropy}]\noutput: runs/one\n";
}

// The layout of huggingface_hub with the tied llama as organisation/tiny.
void write_hub_cache(const Workplace& place) {
  const fs::path repository = place.file("hub/models--organisation--tiny"), snapshot = repository / "snapshots/0123456789";
  fs::create_directories(snapshot);
  place.write("hub/models--organisation--tiny/refs/main", "0123456789");
  fs::create_directories(repository / "blobs");
  for (const char* name : {"config.json", "model.safetensors"}) {
    fs::copy(fs::path(tied_llama()) / name, repository / "blobs" / name);
    fs::create_symlink(fs::path("../../blobs") / name, snapshot / name);
  }
}

Outcome run_with_cache(const Workplace& place, const std::vector<std::string>& arguments) {
  Command command = place.command(arguments);
  command.environment = {{"HF_HUB_CACHE", place.file("hub").string()}};
  return run_process(command);
}

std::vector<std::string> forward_of(const std::string& model, const std::string& output) {
  return {"forward", "--model", model, "--input", "rows.jsonl", "--output", output, "--hidden", "--device", "cpu"};
}

TEST(Formats, APickledModelComputesWhatItsSafetensorsCompute) {
  const Workplace place;
  place.write("rows.jsonl", token_rows(2, 5, 9, 1, 43));
  ASSERT_EQ(place.run(forward_of(torch_file("llama_bin"), "a.safetensors")).exit_code, 0);
  ASSERT_EQ(place.run(forward_of(tied_llama(), "b.safetensors")).exit_code, 0);
  EXPECT_EQ(place.read("a.safetensors"), place.read("b.safetensors"));
}

TEST(Formats, APickledStudentTrainsAndIsSavedAsSafetensorsInItsType) {
  const Workplace place;
  place.write("rows.jsonl", token_rows(8, 5, 9, 1, 43));
  place.write("r.yaml", recipe_of(torch_file("llama_bin"), tied_llama()));
  const Outcome outcome = place.run({"train", "r.yaml", "--progress", "none"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_FALSE(place.has("runs/one/student/pytorch_model.bin"));
  const Json saved = Json::parse(place.run({"inspect", "runs/one/student", "--json"}).out);
  EXPECT_EQ(saved["tensors"][0]["dtype"], "F32");
  EXPECT_EQ(saved["config"]["dtype"], "float32");
}

TEST(Formats, VocabularyFilesOfAnUnknownClassMatterToRowsOfTextAlone) {
  const Workplace place;
  place.write("words/vocab.txt", "[UNK]\n[SEP]\nabc\n");
  place.write("words/tokenizer_config.json", R"({"tokenizer_class": "ElectraTokenizer"})");
  place.write("ids.jsonl", token_rows(8, 5, 9, 1, 43));
  place.write("text.jsonl", token_rows(2, 5, 9, 1, 43) + "{\"text\": \"abc\"}\n");
  place.write("r.yaml", "student: {init: {tokenizer: words, config: " + tiny_config(16, 1) +
                            "}}\ndata: {train: [{path: ids.jsonl}], sequence_length: 16}\n"
                            "objective: [{function: cross_entropy}]\ntrain: {length: 1 steps, device: cpu}\noutput: runs/one\n");
  const Outcome ids = place.run({"train", "r.yaml", "--progress", "none"});
  EXPECT_EQ(ids.exit_code, 0) << ids.err;
  EXPECT_TRUE(place.has("runs/one/student/vocab.txt"));
  const Outcome text =
      place.run({"train", "r.yaml", "--progress", "none", "--set", "data.train.0.path=text.jsonl", "--set", "output=runs/two"});
  EXPECT_EQ(text.exit_code, 65);
  EXPECT_THAT(text.err, AllOf(HasSubstr("text.jsonl:3, words/tokenizer_config.json"), HasSubstr("ElectraTokenizer")));
}

TEST(Formats, InspectListsASparseAutoencoderPickledOnAGpu) {
  const Workplace place;
  const Json listed = Json::parse(place.run({"inspect", torch_file("sae.pt"), "--json"}).out);
  ASSERT_EQ(listed["tensors"].size(), 4u);
  EXPECT_EQ(listed["tensors"][0]["name"], "encoder.weight");
  EXPECT_EQ(listed["tensors"][0]["shape"], Json::array({32, 8}));
  EXPECT_EQ(listed["tensors"][3]["name"], "decoder.bias");
  EXPECT_FALSE(listed.contains("not_tensors"));
  const Outcome table = place.run({"inspect", torch_file("trainer.pt")});
  EXPECT_THAT(table.out, AllOf(HasSubstr("optimizer.state.0.exp_avg"), HasSubstr("not tensors (25): ")));
}

TEST(Formats, WhatCannotBeReadEndsWith65AndItsName) {
  const Workplace place;
  const std::pair<const char*, const char*> cases[] = {{"refused_module.pt", "torch.nn.modules.linear.Linear"},
                                                       {"refused_script.pt", "trust: torchscript"},
                                                       {"refused_legacy.pt", "before 1.6"}};
  for (const auto& [name, word] : cases) {
    const Outcome outcome = place.run({"inspect", torch_file(name)});
    EXPECT_EQ(outcome.exit_code, 65) << name;
    EXPECT_THAT(outcome.err, HasSubstr(word));
  }
}

TEST(Formats, HubIdsOfTheLocalCacheAreModels) {
  const Workplace place;
  write_hub_cache(place);
  place.write("rows.jsonl", token_rows(8, 5, 9, 1, 43));
  EXPECT_EQ(run_with_cache(place, {"inspect", "organisation/tiny"}).exit_code, 0);
  EXPECT_EQ(run_with_cache(place, forward_of("organisation/tiny", "a.safetensors")).exit_code, 0);
  ASSERT_EQ(place.run(forward_of(tied_llama(), "b.safetensors")).exit_code, 0);
  EXPECT_EQ(place.read("a.safetensors"), place.read("b.safetensors"));
  place.write("r.yaml", recipe_of("organisation/tiny@main", "organisation/tiny"));
  const Outcome check = run_with_cache(place, {"check", "r.yaml"});
  EXPECT_EQ(check.exit_code, 0) << check.err;
  const Outcome train = run_with_cache(place, {"train", "r.yaml", "--progress", "none"});
  EXPECT_EQ(train.exit_code, 0) << train.err;
  EXPECT_THAT(place.read("runs/one/recipe.resolved.yaml"), HasSubstr("organisation/tiny"));
}

TEST(Formats, AHubIdThatIsNotInTheCacheComesWithTheCommandThatFetchesIt) {
  const Workplace place;
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"inspect", "organisation/other"}, {"tokenize", "--model", "organisation/other"}}) {
    const Outcome outcome = run_with_cache(place, words);
    EXPECT_EQ(outcome.exit_code, 65);
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("models--organisation--other"), HasSubstr("hf download organisation/other")));
  }
}

}  // namespace
}  // namespace distill::test
