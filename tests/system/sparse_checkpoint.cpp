#include "system/sparse_checkpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>

#include "distill/core/json_reader.h"

#include "checkpoint/torch_files.h"

namespace distill::test {
namespace {

namespace fs = std::filesystem;

// Writes pieces at places of their own; what lies between is a hole.
class SparseFile {
 public:
  explicit SparseFile(const fs::path& path) : descriptor_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600)) {
    if (descriptor_ < 0) throw std::runtime_error("cannot create " + path.string());
  }
  ~SparseFile() { ::close(descriptor_); }
  SparseFile(const SparseFile&) = delete;
  SparseFile& operator=(const SparseFile&) = delete;
  uint64_t size() const { return size_; }
  void append(const std::string& bytes) {
    if (::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(size_)) != static_cast<ssize_t>(bytes.size()))
      throw std::runtime_error("cannot write a sparse file");
    size_ += bytes.size();
  }
  void skip(uint64_t count) {
    size_ += count;
    if (::ftruncate(descriptor_, static_cast<off_t>(size_)) != 0) throw std::runtime_error("cannot extend a sparse file");
  }

 private:
  int descriptor_;
  uint64_t size_ = 0;
};

void write_safetensors_holes(const fs::path& path, const std::vector<SparseTensor>& tensors) {
  Json header;
  uint64_t end = 0;
  for (const SparseTensor& tensor : tensors) {
    header[tensor.name] = {{"dtype", "F16"}, {"shape", tensor.shape}, {"data_offsets", {end, end + tensor.bytes()}}};
    end += tensor.bytes();
  }
  const std::string text = header.dump();
  SparseFile file(path);
  file.append(number_bytes(text.size(), 8) + text);
  file.skip(end);
}

std::string state_dict_pickle(const std::vector<SparseTensor>& tensors) {
  std::string items;
  for (size_t i = 0; i < tensors.size(); ++i) {
    PickledTensor pickled{"HalfStorage", std::to_string(i), "cuda:0", static_cast<int64_t>(tensors[i].bytes() / 2)};
    pickled.shape = tensors[i].shape;
    pickled.strides = tensors[i].shape.size() == 1 ? std::vector<int64_t>{1} : std::vector<int64_t>{tensors[i].shape[1], 1};
    items += text_op(tensors[i].name) + tensor_op(pickled);
  }
  return pickle_of("}(" + items + "u");
}

void write_torch_zip_holes(const fs::path& path, const std::vector<SparseTensor>& tensors) {
  SparseFile file(path);
  std::string directory;
  uint64_t count = 0;
  const auto add = [&](const std::string& name, const std::string& bytes, uint64_t hole) {
    const ZipPart part{name, bytes};
    const uint64_t size = bytes.size() + hole;
    directory += zip_central(part, size, file.size());
    file.append(zip_local(part, size) + bytes);
    file.skip(hole);
    ++count;
  };
  add("model/data.pkl", state_dict_pickle(tensors), 0);
  add("model/byteorder", "little", 0);
  for (size_t i = 0; i < tensors.size(); ++i) add("model/data/" + std::to_string(i), "", tensors[i].bytes());
  add("model/version", "3\n", 0);
  const uint64_t start = file.size();
  file.append(directory + zip_end(count, directory.size(), start));
}

void write_text(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

}  // namespace

uint64_t SparseTensor::bytes() const {
  uint64_t count = 2;
  for (const int64_t size : shape) count *= static_cast<uint64_t>(size);
  return count;
}

std::vector<SparseTensor> SparseLlama::tensors() const {
  const int64_t d = hidden_size, f = feed_forward;
  std::vector<SparseTensor> all = {{"model.embed_tokens.weight", {vocab_size, d}}};
  for (int64_t l = 0; l < num_layers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    for (const char* name : {"q", "k", "v", "o"}) all.push_back({layer + "self_attn." + name + "_proj.weight", {d, d}});
    for (const char* name : {"gate", "up"}) all.push_back({layer + "mlp." + name + "_proj.weight", {f, d}});
    all.push_back({layer + "mlp.down_proj.weight", {d, f}});
    all.push_back({layer + "input_layernorm.weight", {d}});
    all.push_back({layer + "post_attention_layernorm.weight", {d}});
  }
  all.push_back({"model.norm.weight", {d}});
  all.push_back({"lm_head.weight", {vocab_size, d}});
  return all;
}

std::string SparseLlama::config() const {
  return Json{{"architectures", {"LlamaForCausalLM"}},
              {"model_type", "llama"},
              {"hidden_size", hidden_size},
              {"intermediate_size", feed_forward},
              {"num_hidden_layers", num_layers},
              {"num_attention_heads", num_heads},
              {"vocab_size", vocab_size},
              {"tie_word_embeddings", false},
              {"torch_dtype", "float16"}}
      .dump();
}

void write_sparse_folder(const fs::path& folder, const SparseLlama& model, SparseForm form, size_t num_files) {
  const bool zip = form == SparseForm::torch_zip;
  const std::string stem = zip ? "pytorch_model" : "model", end = zip ? ".bin" : ".safetensors";
  const auto write = zip ? write_torch_zip_holes : write_safetensors_holes;
  const std::vector<SparseTensor> tensors = model.tensors();
  fs::create_directories(folder);
  write_text(folder / "config.json", model.config());
  if (num_files == 1) return write(folder / (stem + end), tensors);
  Json weight_map;
  for (size_t i = 0; i < num_files; ++i) {
    const std::string shard = stem + "-" + std::to_string(i + 1) + end;
    const size_t first = i * tensors.size() / num_files, last = (i + 1) * tensors.size() / num_files;
    const std::vector<SparseTensor> part(tensors.begin() + static_cast<std::ptrdiff_t>(first),
                                         tensors.begin() + static_cast<std::ptrdiff_t>(last));
    write(folder / shard, part);
    for (const SparseTensor& tensor : part) weight_map[tensor.name] = shard;
  }
  write_text(folder / (stem + end + ".index.json"), Json{{"weight_map", weight_map}}.dump());
}

}  // namespace distill::test
