// The local cache of the Hugging Face hub, read only: `organisation/name` to the folder where its files lie. Nothing is
// downloaded. Layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace distill {

// HF_HUB_CACHE, else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub.
std::filesystem::path hub_cache_folder();

// What the user called a model: `word` itself when something is there, else the snapshot of `organisation/name`, `name` or
// `organisation/name@revision` in the cache. InputError when there is neither, or the snapshot misses files: names what was
// looked for and where, and the command that fetches it.
std::filesystem::path find_model(const std::filesystem::path& word);

// The same without a word: nullopt instead of an error.
std::optional<std::filesystem::path> find_model_or_none(const std::filesystem::path& word);

// For files that are missing in `folder`: the command that fetches them when it is a snapshot of the cache, else `otherwise`.
std::string download_advice(const std::filesystem::path& folder, const std::string& otherwise);

}  // namespace distill
