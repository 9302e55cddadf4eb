#include "file_format.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "distill/core/error.h"

#include "safetensors_header.h"

namespace distill {
namespace {

constexpr const char* kConvert =
    "Convert it to safetensors where it was made: model.save_pretrained(FOLDER) of transformers writes them.";
constexpr const char* kSaveAgain =
    "Save it again where torch is installed: torch.save(torch.load(\"OLD\", map_location=\"cpu\"), \"NEW\") writes the form of "
    "torch 1.6 "
    "and later, which can be read; safetensors.torch.save_file is better still.";

struct Foreign {
  const char* name;
  const char* advice;
};

uint64_t header_length(std::string_view start) {
  uint64_t length = 0;
  for (size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(start[i]);
  return length;
}

// A pickle begins with its protocol. As the length of a safetensors header, the same bytes would be far too large a number.
bool is_pickle(std::string_view start) {
  return start.size() > 1 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5 &&
         (start.size() < 8 || header_length(start) > kMaxSafetensorsHeader);
}

// A file under another name is taken for safetensors when it begins like one.
bool may_be_safetensors(const fs::path& path, std::string_view start) {
  if (path.extension() == ".safetensors") return true;
  return start.size() > 8 && header_length(start) <= kMaxSafetensorsHeader && (start[8] == '{' || start[8] == ' ');
}

const Foreign* foreign_format(std::string_view start) {
  static constexpr Foreign kPickle{"a pickle without its zip file, as torch.save wrote it before 1.6", kSaveAgain};
  static constexpr Foreign kTar{"a tar file, as torch.save wrote it before 0.1.10", kSaveAgain};
  static constexpr Foreign kGguf{"a GGUF file", kConvert};
  static constexpr Foreign kHdf{"an HDF5 file", kConvert};
  static constexpr Foreign kPointer{"a git-lfs pointer instead of the file itself", "Fetch the file itself with `git lfs pull`."};
  if (is_pickle(start)) return &kPickle;
  if (start.size() > 262 && start.substr(257, 5) == "ustar") return &kTar;
  if (start.rfind("GGUF", 0) == 0) return &kGguf;
  if (start.rfind("\x89HDF", 0) == 0) return &kHdf;
  if (start.rfind("version ", 0) == 0) return &kPointer;
  return nullptr;
}

}  // namespace

WeightsFormat format_of(const fs::path& path) {
  const ReadFile file(path);
  std::string start(std::min<uint64_t>(file.size(), 512), '\0');
  file.read_at(0, start.data(), start.size());
  if (start.rfind("PK\x03\x04", 0) == 0 || start.rfind("PK\x05\x06", 0) == 0) return WeightsFormat::torch_zip;
  if (const Foreign* foreign = foreign_format(start))
    throw InputError(
        {path.string(), "weights as safetensors or as a zip file of torch.save", foreign->name, foreign->advice, ""});
  if (!may_be_safetensors(path, start))
    throw InputError({path.string(), "weights as safetensors or as a zip file of torch.save", "bytes of neither",
                      "Check that the file is the right one and was copied whole.", ""});
  return WeightsFormat::safetensors;
}

void add_file(StoredSource& source, const fs::path& file, WeightsFormat format) {
  if (format == WeightsFormat::torch_zip) return source.add_torch_zip(file);
  source.add_safetensors(file);
}

}  // namespace distill
