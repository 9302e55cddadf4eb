// The run folder `<output>/`: one run at a time, checkpoints that are complete or absent, and the newest valid one.
//   checkpoints/step-00000100/{model.safetensors, optimizer.safetensors, state.json, manifest.json}
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "distill/core/json_reader.h"

namespace distill {

struct Checkpoint {
  int64_t step = 0;
  std::filesystem::path path;
};

class RunFolder {
 public:
  // Creates the folder and takes its lock. CreateError when it cannot be created, or when another process trains in it.
  // `fresh` moves an old run aside first, to `<output>.old-1`, `-2`, ...
  static RunFolder open(const std::filesystem::path& path, bool fresh);
  RunFolder(RunFolder&& other) noexcept;
  ~RunFolder();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }

  // The newest checkpoint whose manifest fits its files (sizes and SHA-256); invalid ones are named in a warning and passed over.
  std::optional<Checkpoint> newest_checkpoint() const;
  // Calls `write` with a temporary folder, adds the manifest, syncs and renames; the previous checkpoints stay untouched until
  // the new one is in place, then all but the newest `keep` are removed.
  Checkpoint save_checkpoint(int64_t step, int64_t keep, const std::function<void(const std::filesystem::path&)>& write) const;

 private:
  RunFolder(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}
  std::vector<Checkpoint> checkpoints() const;  // ascending
  void prune(int64_t newest_step, int64_t keep) const;

  std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace distill
