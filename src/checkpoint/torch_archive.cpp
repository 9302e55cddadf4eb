#include "torch_archive.h"

#include <algorithm>
#include <string_view>

#include "distill/core/error.h"

#include "pickle.h"
#include "pickled_tensors.h"
#include "zip_directory.h"

namespace distill {
namespace {

constexpr uint64_t kMaxPickleBytes = uint64_t{64} << 20, kMaxWordBytes = 64;
constexpr int kMaxVersion = 10;  // of the layout; torch's own limit

// The entries of an archive by their name inside its one folder.
class Archive {
 public:
  explicit Archive(const ReadFile& file) : file_(file), where_(file.path().string()), entries_(read_zip_directory(file)) {
    for (const ZipEntry& entry : entries_)
      if (const size_t slash = entry.name.find('/'); slash != entry.name.npos && entry.name.substr(slash) == "/data.pkl") {
        if (!root_.empty()) refuse("one data.pkl", "two");
        root_ = entry.name.substr(0, slash + 1);
      }
    if (root_.empty()) refuse("a zip file of torch.save, with data.pkl in its folder", "no data.pkl");
  }

  const ZipEntry* find(std::string_view name) const {
    for (const ZipEntry& entry : entries_)
      if (entry.name.size() == root_.size() + name.size() && entry.name.rfind(root_, 0) == 0 &&
          std::string_view(entry.name).substr(root_.size()) == name)
        return &entry;
    return nullptr;
  }
  std::string word(const ZipEntry& entry) const {
    std::string text = read_zip_entry(file_, entry, kMaxWordBytes);
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    return text;
  }

  void check_layout() const {
    const bool script = find("constants.pkl") || std::any_of(entries_.begin(), entries_.end(), [&](const ZipEntry& entry) {
                          return entry.name.rfind(root_ + "code/", 0) == 0;
                        });
    if (script)
      throw InputError(
          {where_, "weights", "a TorchScript program",
           "A script runs code: as a teacher, name it in the recipe with `trust: torchscript`. For its weights, save "
           "model.state_dict() where it was made.",
           ""});
    for (const ZipEntry& entry : entries_) check_stored(file_, entry);
    const ZipEntry* version = find("version");
    if (!version) version = find(".data/version");
    if (!version) refuse("an entry \"version\"", "none");
    const std::string number = word(*version);
    if (number.empty() || number.size() > 3 || number.find_first_not_of("0123456789") != number.npos || std::stoi(number) < 1 ||
        std::stoi(number) > kMaxVersion)
      refuse("a version of the layout from 1 to " + std::to_string(kMaxVersion), "another");
    if (const ZipEntry* order = find("byteorder"); order && word(*order) != "little")
      throw InputError(
          {where_, "little-endian values", "another byte order", "Save the file again on an x86 or ARM machine.", ""});
  }

  Storages storages() const {
    const std::string prefix = root_ + "data/";
    Storages found;
    for (const ZipEntry& entry : entries_)
      if (entry.name.rfind(prefix, 0) == 0) found[entry.name.substr(prefix.size())] = {entry.offset, entry.size};
    return found;
  }

  std::string pickle() const { return read_zip_entry(file_, *find("data.pkl"), kMaxPickleBytes); }
  const std::string& where() const { return where_; }

 private:
  [[noreturn]] void refuse(const std::string& expected, const std::string& found) const {
    throw InputError(
        {where_, expected, found, "The file is damaged or was not written by torch.save: take it again from its source.", ""});
  }

  const ReadFile& file_;
  std::string where_;
  std::vector<ZipEntry> entries_;
  std::string root_;
};

}  // namespace

TorchArchive read_torch_archive(const ReadFile& file) {
  const Archive archive(file);
  archive.check_layout();
  const Pickle pickle = read_pickle(archive.pickle(), archive.where() + " (data.pkl)");
  return tensors_of_pickle(pickle, archive.storages(), archive.where());
}

}  // namespace distill
