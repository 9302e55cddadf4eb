// One process at a time in a folder that whoever was there before may have removed.
#pragma once

#include <string>

#include "distill/core/file.h"

namespace distill {

class FolderLock {
 public:
  // Makes the folder and waits until no other process is in it; `label` starts the message that says so. CreateError when it
  // cannot be made, Stopped when a signal came.
  FolderLock(const fs::path& folder, const std::string& label);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

// Under another name first, so that whoever comes meanwhile makes a folder of its own. False when something of it is left.
bool remove_folder(const fs::path& folder);

// Removes the folder unless a process is in it, or holds its `file` (GrowingFile::mark_in_use). False when it stays.
bool remove_if_unused(const fs::path& folder, const std::string& file);

// What a remove_folder() that was killed left in `place`.
void remove_leftovers(const fs::path& place);

}  // namespace distill
