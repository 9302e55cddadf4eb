#include "distill/checkpoint/open.h"

#include <algorithm>
#include <string>
#include <vector>

#include "distill/checkpoint/safetensors.h"
#include "distill/core/error.h"
#include "distill/core/file.h"

namespace distill {
namespace {

constexpr const char* kConvert =
    "Convert it to safetensors where it was made: model.save_pretrained(FOLDER) of transformers writes them.";

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// What a file is when it is no safetensors file; "" when nothing is known of it.
std::string foreign_format(const fs::path& path) {
  const ReadFile file(path);
  std::string start(std::min<uint64_t>(file.size(), 8), '\0');
  file.read_at(0, start.data(), start.size());
  if (start.rfind("PK\x03\x04", 0) == 0) return "a zip file of torch.save or TorchScript";
  if (start.rfind("GGUF", 0) == 0) return "a GGUF file";
  if (start.rfind("\x89HDF", 0) == 0) return "an HDF5 file";
  if (start.size() >= 2 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5 && !ends_with(path.string(), ".safetensors"))
    return "a pickle of torch.save";
  if (start.rfind("version ", 0) == 0) return "a git-lfs pointer instead of the file itself";
  return "";
}

[[noreturn]] void refuse_format(const fs::path& where, const std::string& found) {
  if (found.find("git-lfs") != std::string::npos)
    throw InputError({where.string(), "a safetensors file", found, "Fetch the file itself with `git lfs pull`.", ""});
  throw InputError({where.string(), "weights in the safetensors format", found,
                    "This format is not available yet. " + std::string(kConvert), ""});
}

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

std::unique_ptr<TensorSource> open_folder(const fs::path& folder) {
  const fs::path single = folder / "model.safetensors", index = folder / "model.safetensors.index.json";
  if (fs::exists(single)) return open_weights(single);
  if (fs::exists(index)) return open_sharded_safetensors(index);
  const std::string found = other_weights(folder);
  if (ends_with(found, ".safetensors"))
    throw InputError({folder.string(), "model.safetensors or model.safetensors.index.json", "only " + found,
                      "Name the file itself, or rename it to model.safetensors.", ""});
  if (!found.empty()) refuse_format(folder, found);
  throw InputError({folder.string(), "model.safetensors or model.safetensors.index.json", "no weights",
                    "Check that the download is complete.", ""});
}

// `organisation/name` that is no path looks like a hub id.
bool looks_like_hub_id(const fs::path& path) {
  const std::string text = path.string();
  return !text.empty() && text[0] != '/' && text[0] != '.' && text[0] != '~' && std::count(text.begin(), text.end(), '/') == 1 &&
         text.back() != '/' && !path.has_extension();
}

}  // namespace

std::unique_ptr<TensorSource> open_weights(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    const std::string advice =
        looks_like_hub_id(path)
            ? "If this is a hub id: reading the local Hugging Face cache by id is not available yet. Download the model "
              "(hf download " +
                  path.string() + " --local-dir FOLDER) and name the folder."
            : "Check the path; relative paths start at the working directory.";
    throw InputError({path.string(), "a model folder or a weights file",
                      fs::is_symlink(path, error) ? "a link to nothing" : "nothing there", advice, ""});
  }
  if (fs::is_directory(path, error)) return open_folder(path);
  if (ends_with(path.string(), ".json")) return open_sharded_safetensors(path);
  if (const std::string format = foreign_format(path); !format.empty()) refuse_format(path, format);
  return open_safetensors(path);
}

}  // namespace distill
