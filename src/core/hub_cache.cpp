#include "distill/core/hub_cache.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <vector>

#include "distill/core/error.h"
#include "distill/core/file.h"

namespace distill {
namespace {

struct HubId {
  std::string repository;         // organisation/name, or name
  std::string revision = "main";  // a branch, a tag or a commit
};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

fs::path with_home(const std::string& path) {
  if (path == "~" || path.rfind("~/", 0) == 0) return fs::path(environment("HOME") + path.substr(1));
  return path;
}

bool is_plain_name(const std::string& text) {
  return !text.empty() && text[0] != '.' && text[0] != '-' && text.find("..") == text.npos && text.find("--") == text.npos &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_revision(const std::string& text) {
  std::string part;
  for (const char c : text + "/") {
    if (c != '/') {
      part += c;
      continue;
    }
    if (part.empty() || part[0] == '.' || part.find("..") != part.npos || part.find('\\') != part.npos) return false;
    part.clear();
  }
  return true;
}

// nullopt for words that can only be paths.
std::optional<HubId> parse_hub_id(const std::string& word) {
  HubId id;
  const size_t at = word.find('@');
  id.repository = word.substr(0, at);
  if (at != word.npos) id.revision = word.substr(at + 1);
  const size_t slash = id.repository.find('/');
  const bool plain = slash == id.repository.npos
                         ? is_plain_name(id.repository)
                         : is_plain_name(id.repository.substr(0, slash)) && is_plain_name(id.repository.substr(slash + 1));
  return plain && is_revision(id.revision) ? std::optional(id) : std::nullopt;
}

std::string download_command(const HubId& id) {
  return "hf download " + id.repository + (id.revision == "main" ? "" : " --revision " + id.revision);
}

fs::path repository_folder(const HubId& id) {
  std::string name = "models--" + id.repository;
  if (const size_t slash = name.find('/'); slash != name.npos) name.replace(slash, 1, "--");
  return hub_cache_folder() / name;
}

// The commit of a branch or tag stands in refs/; a commit is a folder's name itself.
std::optional<fs::path> find_snapshot(const HubId& id) {
  const fs::path repository = repository_folder(id), reference = repository / "refs" / id.revision;
  std::error_code error;
  std::string commit = id.revision;
  if (fs::is_regular_file(reference, error)) commit = read_file(reference, 256);
  while (!commit.empty() && std::isspace(static_cast<unsigned char>(commit.back()))) commit.pop_back();
  if (!is_plain_name(commit)) return std::nullopt;
  const fs::path snapshot = repository / "snapshots" / commit;
  return fs::is_directory(snapshot, error) ? std::optional(snapshot) : std::nullopt;
}

// Files of a snapshot are links to blobs; a link to nothing is a file that was not fetched to its end.
std::vector<std::string> missing_blobs(const fs::path& snapshot) {
  std::vector<std::string> missing;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(snapshot, error))
    if (!fs::exists(entry.path(), error)) missing.push_back(entry.path().filename().string());
  std::sort(missing.begin(), missing.end());
  return missing;
}

[[noreturn]] void refuse_word(const fs::path& word, const std::optional<HubId>& id) {
  std::error_code error;
  const std::string found = fs::is_symlink(word, error) ? "a link to nothing" : "nothing there";
  if (!id)
    throw InputError({word.string(), "a model folder or a weights file", found,
                      "Check the path; relative paths start at the working directory.", ""});
  throw InputError(
      {word.string(), "a model folder, a weights file, or a model of the hub cache",
       found + ", and no snapshot of " + id->revision + " in " + repository_folder(*id).string(),
       "Correct the path (relative paths start at the working directory), or fetch the model: " + download_command(*id), ""});
}

}  // namespace

fs::path hub_cache_folder() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (const std::string cache = environment(name); !cache.empty()) return with_home(cache);
  if (const std::string home = environment("HF_HOME"); !home.empty()) return with_home(home) / "hub";
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty()) return with_home(cache) / "huggingface/hub";
  return with_home("~/.cache/huggingface/hub");
}

fs::path find_model(const fs::path& word) {
  std::error_code error;
  if (fs::exists(word, error)) return word;
  const std::optional<HubId> id = parse_hub_id(word.string());
  const std::optional<fs::path> snapshot = id ? find_snapshot(*id) : std::nullopt;
  if (!snapshot) refuse_word(word, id);
  if (const auto missing = missing_blobs(*snapshot); !missing.empty() || fs::is_empty(*snapshot, error))
    throw InputError({snapshot->string(), "a whole snapshot of " + id->repository,
                      missing.empty() ? "an empty folder" : "no " + missing.front() + (missing.size() > 1 ? " and others" : ""),
                      "Finish the download: " + download_command(*id), ""});
  return *snapshot;
}

std::optional<fs::path> find_model_or_none(const fs::path& word) {
  try {
    return find_model(word);
  } catch (const InputError&) {
    return std::nullopt;
  }
}

std::string download_advice(const fs::path& folder, const std::string& otherwise) {
  const fs::path normal = folder.lexically_normal();
  const fs::path snapshot = normal.has_filename() ? normal : normal.parent_path();
  std::string repository = snapshot.parent_path().parent_path().filename().string();
  if (snapshot.parent_path().filename() != "snapshots" || repository.rfind("models--", 0) != 0) return otherwise;
  repository = repository.substr(8);
  if (const size_t dashes = repository.find("--"); dashes != repository.npos) repository.replace(dashes, 2, "/");
  return "Finish the download: " + download_command({repository, snapshot.filename().string()});
}

}  // namespace distill
