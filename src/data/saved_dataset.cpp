// Folders of datasets.save_to_disk: state.json names the Arrow files in their order.
#include "distill/core/error.h"
#include "distill/core/json_reader.h"

#include "row_readers.h"

namespace distill {
namespace {

[[noreturn]] void refuse(const fs::path& where, const std::string& expected, const std::string& found,
                         const std::string& advice) {
  throw InputError({where.string(), expected, found, advice, ""});
}

fs::path checked_file(const fs::path& folder, const std::string& name) {
  const fs::path path(name);
  if (name.empty() || path.is_absolute() || path != path.filename())
    refuse(folder / "state.json", "names of files in its folder", "`" + name + "`",
           "Save the data set again: `save_to_disk(FOLDER)`.");
  return folder / path;
}

}  // namespace

std::vector<fs::path> files_of_saved_dataset(const fs::path& folder) {
  if (fs::exists(folder / "dataset_dict.json"))
    refuse(folder, "one data set", "a folder of several splits",
           "Name the folder of one of them, for example " + (folder / "train").string() + ".");
  const fs::path state = folder / "state.json";
  if (!fs::exists(state))
    refuse(folder, "a data file, or a folder of datasets.save_to_disk", "a folder without state.json",
           "Name the data files themselves.");
  const Json json = read_json_file(state.string());
  for (const char* indices : {"_indices_files", "_indices_data_files"})
    if (json.contains(indices) && !json[indices].empty())
      refuse(state, "rows in the order of the files", "a list of indices",
             "Save it again: `dataset.flatten_indices().save_to_disk(FOLDER)`.");
  std::vector<fs::path> files;
  const Json& names = json_member(json, "_data_files", state.string());
  for (const Json& file : names) files.push_back(checked_file(folder, json_string(file, "filename", state.string())));
  if (files.empty())
    refuse(state, "names of data files in _data_files", "none", "Save the data set again: `save_to_disk(FOLDER)`.");
  return files;
}

}  // namespace distill
