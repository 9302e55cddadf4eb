// Hugging Face folders: what is read, what is written, and what an interrupted or refused save leaves behind.
#include "distill/checkpoint/hf_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include <set>

#include "distill/checkpoint/open.h"
#include "distill/checkpoint/safetensors.h"

#include "files.h"

namespace distill {
namespace {

using test::input_error;
using test::TemporaryFolder;
using test::write_bytes;
using testing::AllOf;
using testing::HasSubstr;

const Json kConfig = {{"architectures", {"LlamaForCausalLM"}}, {"model_type", "llama"}, {"torch_dtype", "float16"}};

std::vector<NamedTensor> some_weights() {
  return {{"b", at::randn({5, 7})}, {"a", at::randn({9})}, {"ids", at::zeros({2}, at::kLong)}};
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

at::Tensor read_weight(const HfFolder& folder, const std::string& name) {
  for (size_t i = 0; i < folder.weights->tensors().size(); ++i)
    if (folder.weights->tensors()[i].name == name) return folder.weights->read(i, folder.weights->tensors()[i].dtype, at::kCPU);
  return {};
}

TEST(HfFolder, ComesBackAsItWasSaved) {
  const TemporaryFolder folder;
  const auto weights = some_weights();
  save_hf_folder(folder / "student/", kConfig, weights, {});
  const HfFolder loaded = open_hf_folder(folder / "student");
  for (const NamedTensor& weight : weights) EXPECT_TRUE(at::equal(read_weight(loaded, weight.name), weight.tensor));
  EXPECT_EQ(loaded.config["model_type"], "llama");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"student"});
  EXPECT_EQ(names_in(folder / "student"), (std::set<std::string>{"config.json", "model.safetensors"}));
}

TEST(HfFolder, SavesInTheDtypeAskedForAndSaysSoUnderTheKeyThatWasThere) {
  const TemporaryFolder folder;
  HfSaveOptions options;
  options.dtype = at::kBFloat16;
  save_hf_folder(folder / "old", kConfig, some_weights(), options);
  Json newer = kConfig;
  newer.erase("torch_dtype");
  save_hf_folder(folder / "new", newer, some_weights(), options);
  const HfFolder old_form = open_hf_folder(folder / "old"), new_form = open_hf_folder(folder / "new");
  EXPECT_EQ(old_form.config["torch_dtype"], "bfloat16");
  EXPECT_FALSE(old_form.config.contains("dtype"));
  EXPECT_EQ(new_form.config["dtype"], "bfloat16");
  EXPECT_FALSE(new_form.config.contains("torch_dtype"));
  EXPECT_EQ(read_weight(old_form, "b").scalar_type(), at::kBFloat16);
  EXPECT_EQ(read_weight(old_form, "ids").scalar_type(), at::kLong);
}

TEST(HfFolder, SplitsLargeModelsIntoShardsWithAnIndex) {
  const TemporaryFolder folder;
  std::vector<NamedTensor> weights;
  for (int i = 0; i < 5; ++i) weights.push_back({"w" + std::to_string(i), at::randn({10})});  // 40 bytes each
  weights.push_back({"large", at::randn({100})});
  HfSaveOptions options;
  options.shard_bytes = 80;
  save_hf_folder(folder / "m", kConfig, weights, options);
  EXPECT_EQ(names_in(folder / "m"),
            (std::set<std::string>{"config.json", "model.safetensors.index.json", "model-00001-of-00004.safetensors",
                                   "model-00002-of-00004.safetensors", "model-00003-of-00004.safetensors",
                                   "model-00004-of-00004.safetensors"}));
  EXPECT_EQ(read_json_file((folder / "m/model.safetensors.index.json").string())["metadata"]["total_size"], 600);
  const HfFolder loaded = open_hf_folder(folder / "m");
  for (const NamedTensor& weight : weights) EXPECT_TRUE(at::equal(read_weight(loaded, weight.name), weight.tensor));
}

TEST(HfFolder, CopiesTokenizerFilesByteForByte) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "from/additional_chat_templates");
  const std::string odd("{\"a\" : 1}\r\n\0\xff", 13);
  const std::vector<std::string> names = {"tokenizer.json",
                                          "tokenizer_config.json",
                                          "special_tokens_map.json",
                                          "added_tokens.json",
                                          "chat_template.jinja",
                                          "chat_template.json",
                                          "vocab.json",
                                          "merges.txt",
                                          "tokenizer.model",
                                          "generation_config.json",
                                          "additional_chat_templates/rag.jinja"};
  for (const std::string& name : names) write_bytes(folder / "from" / name, odd + name);
  write_bytes(folder / "from/config.json", "{}");
  write_bytes(folder / "from/training_args.bin", "not copied");
  HfSaveOptions options;
  options.copy_files_from = folder / "from";
  save_hf_folder(folder / "to", kConfig, some_weights(), options);
  for (const std::string& name : names) EXPECT_EQ(read_file(folder / "to" / name), odd + name);
  EXPECT_FALSE(fs::exists(folder / "to/training_args.bin"));
  EXPECT_EQ(open_hf_folder(folder / "to").config["model_type"], "llama");
}

TEST(HfFolder, ReplacesAnOlderModelWholeAndKeepsFilesOfTheUser) {
  const TemporaryFolder folder;
  HfSaveOptions sharded;
  sharded.shard_bytes = 40;
  save_hf_folder(folder / "m", kConfig, some_weights(), sharded);
  write_bytes(folder / "m/notes.txt", "mine");
  write_bytes(folder / "m/tokenizer.json", "of the old model");
  const auto weights = some_weights();
  save_hf_folder(folder / "m", kConfig, weights, {});
  EXPECT_EQ(names_in(folder / "m"), (std::set<std::string>{"config.json", "model.safetensors", "notes.txt"}));
  EXPECT_TRUE(at::equal(read_weight(open_hf_folder(folder / "m"), "b"), weights[0].tensor));
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"m"});
}

TEST(HfFolder, SavesInPlaceOverTheFolderItCopiesFrom) {
  const TemporaryFolder folder;
  save_hf_folder(folder / "m", kConfig, some_weights(), {});
  write_bytes(folder / "m/tokenizer.json", "{}");
  HfSaveOptions options;
  options.copy_files_from = folder / "m";
  save_hf_folder(folder / "m", kConfig, some_weights(), options);
  EXPECT_EQ(read_file(folder / "m/tokenizer.json"), "{}");
}

TEST(HfFolder, ReplacesTheTargetOfALinkAndNotTheLink) {
  const TemporaryFolder folder;
  save_hf_folder(folder / "real", kConfig, some_weights(), {});
  fs::create_directory_symlink("real", folder / "link");
  const auto weights = some_weights();
  save_hf_folder(folder / "link", kConfig, weights, {});
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_TRUE(at::equal(read_weight(open_hf_folder(folder / "real"), "b"), weights[0].tensor));
}

TEST(HfFolder, NeverReplacesWhatIsNoModel) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "home");
  write_bytes(folder / "home/thesis.tex", "years of work");
  EXPECT_THROW(save_hf_folder(folder / "home", kConfig, some_weights(), {}), CreateError);
  write_bytes(folder / "file", "x");
  EXPECT_THROW(save_hf_folder(folder / "file", kConfig, some_weights(), {}), CreateError);
  EXPECT_EQ(read_file(folder / "home/thesis.tex"), "years of work");
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"file", "home"}));
}

TEST(HfFolder, AFailedSaveLeavesTheOldModelIntactAndNothingElse) {
  const TemporaryFolder folder;
  const auto weights = some_weights();
  save_hf_folder(folder / "m", kConfig, weights, {});
  std::vector<NamedTensor> broken = some_weights();
  broken.push_back({"undefined", at::Tensor()});
  EXPECT_ANY_THROW(save_hf_folder(folder / "m", kConfig, broken, {}));
  EXPECT_TRUE(at::equal(read_weight(open_hf_folder(folder / "m"), "b"), weights[0].tensor));
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"m"});
}

TEST(HfFolder, ClearsWhatAKilledSaveLeftBehind) {
  const TemporaryFolder folder;
  fs::create_directory(folder / ".m.partial");
  write_bytes(folder / ".m.partial/model-00001-of-00002.safetensors", "half");
  save_hf_folder(folder / "m", kConfig, some_weights(), {});
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"m"});
  EXPECT_EQ(names_in(folder / "m"), (std::set<std::string>{"config.json", "model.safetensors"}));
}

TEST(HfFolder, SaysWhatIsMissing) {
  const TemporaryFolder folder;
  EXPECT_THAT(input_error([&] { open_hf_folder(folder / "nowhere"); }), HasSubstr("nothing there"));
  EXPECT_THAT(input_error([&] { open_hf_folder(folder.path()); }), HasSubstr("config.json"));
  write_bytes(folder / "config.json", "{}");
  EXPECT_THAT(input_error([&] { open_hf_folder(folder.path()); }), HasSubstr("model.safetensors"));
  EXPECT_THAT(input_error([&] { open_hf_folder(folder / "config.json"); }), HasSubstr("a Hugging Face model folder"));
  write_bytes(folder / "config.json", "[]");
  EXPECT_THAT(input_error([&] { read_hf_config(folder.path()); }), HasSubstr("a JSON object"));
  write_bytes(folder / "config.json", "{\"a\":1,");
  EXPECT_THAT(input_error([&] { read_hf_config(folder.path()); }), HasSubstr("valid JSON"));
}

TEST(HfFolder, NamesWeightsThatItCannotUse) {
  for (const char* name : {"model.gguf", "tf_model.h5", "model.pt", "weights.safetensors"}) {
    const TemporaryFolder folder;
    write_bytes(folder / "config.json", "{}");
    write_bytes(folder / name, "x");
    EXPECT_THAT(input_error([&] { open_hf_folder(folder.path()); }), AllOf(HasSubstr("pytorch_model.bin"), HasSubstr(name)))
        << name;
  }
}

TEST(OpenWeights, TellsFilesApartByTheirBytes) {
  const TemporaryFolder folder;
  write_bytes(folder / "zip.bin", "PK\x03\x04rest of it");
  write_bytes(folder / "pickle.pt", std::string("\x80\x02}q\x00", 5));
  write_bytes(folder / "model.gguf", "GGUF1234");
  write_bytes(folder / "lfs.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  EXPECT_THAT(input_error([&] { open_weights(folder / "zip.bin"); }), HasSubstr("zip"));
  EXPECT_THAT(input_error([&] { open_weights(folder / "pickle.pt"); }), HasSubstr("pickle"));
  EXPECT_THAT(input_error([&] { open_weights(folder / "model.gguf"); }), HasSubstr("GGUF"));
  EXPECT_THAT(input_error([&] { open_weights(folder / "lfs.safetensors"); }), HasSubstr("git lfs pull"));
  write_bytes(folder / "notes.bin", "just some text, longer than a header");
  EXPECT_THAT(input_error([&] { open_weights(folder / "notes.bin"); }), HasSubstr("bytes of neither"));
  write_safetensors(folder / "weights", {{"a", at::zeros({1})}});
  EXPECT_EQ(open_weights(folder / "weights")->tensors().size(), 1u);
}

TEST(OpenWeights, PrefersTheSingleFileAsTransformersDoes) {
  const TemporaryFolder folder;
  write_safetensors(folder / "model.safetensors", {{"a", at::zeros({1})}});
  write_bytes(folder / "model.safetensors.index.json", R"({"weight_map":{"b":"gone.safetensors"}})");
  EXPECT_EQ(open_weights(folder.path())->tensors().front().name, "a");
}

}  // namespace
}  // namespace distill
