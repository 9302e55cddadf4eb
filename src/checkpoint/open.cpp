#include "distill/checkpoint/open.h"

#include <algorithm>
#include <string>
#include <vector>

#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/core/hub_cache.h"

#include "file_format.h"
#include "stored_source.h"

namespace distill {
namespace {

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

constexpr const char* kWanted = "model.safetensors or pytorch_model.bin, or the index of their shards";

// Weights of other formats in a folder, so that the message can say what is there.
std::string other_weights(const fs::path& folder) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    for (const std::string_view end :
         {".bin", ".pt", ".pth", ".h5", ".msgpack", ".gguf", ".onnx", ".safetensors", ".bin.index.json"})
      if (ends_with(name, end)) found.push_back(name);
  }
  std::sort(found.begin(), found.end());
  std::string text;
  for (size_t i = 0; i < found.size() && i < 4; ++i) text += (i ? ", " : "") + found[i];
  return found.size() > 4 ? text + ", ..." : text;
}

// The order in which from_pretrained() looks.
std::unique_ptr<TensorSource> open_folder(const fs::path& folder) {
  for (const char* name :
       {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"})
    if (fs::exists(folder / name)) return open_weights(folder / name);
  const std::string found = other_weights(folder);
  if (!found.empty())
    throw InputError({folder.string(), kWanted, "only " + found,
                      "Name the file itself, or save the model with model.save_pretrained(FOLDER) of transformers.", ""});
  throw InputError({folder.string(), kWanted, "no weights", download_advice(folder, "Check that the download is complete."), ""});
}

std::unique_ptr<TensorSource> open_file(const fs::path& file) {
  auto source = std::make_unique<StoredSource>(file.string());
  add_file(*source, file, format_of(file));
  return source;
}

}  // namespace

std::unique_ptr<TensorSource> open_weights(const fs::path& word) {
  const fs::path path = find_model(word);
  std::error_code error;
  if (fs::is_directory(path, error)) return open_folder(path);
  return ends_with(path.string(), ".json") ? open_sharded_weights(path) : open_file(path);
}

}  // namespace distill
