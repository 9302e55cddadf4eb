// Several files that an index names: model.safetensors.index.json, pytorch_model.bin.index.json.
#include <map>
#include <set>

#include "distill/checkpoint/open.h"
#include "distill/core/error.h"
#include "distill/core/hub_cache.h"
#include "distill/core/json_reader.h"

#include "file_format.h"
#include "safetensors_words.h"
#include "stored_source.h"

namespace distill {
namespace {

constexpr uint64_t kMaxIndexBytes = uint64_t{256} << 20;
constexpr size_t kMaxNameBytes = 255;  // of a file, on every file system that matters

// A shard lies beside its index, under a plain name: an index must not reach elsewhere in the file system. Links may.
void check_shard_name(const std::string& name, const std::string& where) {
  const bool plain = !name.empty() && name.size() <= kMaxNameBytes && name != "." && name.find("..") == name.npos &&
                     name.find('/') == name.npos && name.find('\\') == name.npos && name.find('\0') == name.npos;
  if (!plain)
    throw InputError({where, "shards named by plain file names in the index's folder", "\"" + shown(name) + "\"",
                      "Do not use this checkpoint unless you trust its source; correct the index.", ""});
}

std::map<std::string, std::string> read_weight_map(const std::filesystem::path& index_file) {
  const std::string where = index_file.string();
  const Json index = read_json_file(where, kMaxIndexBytes);
  const Json& entries = json_member(index, "weight_map", where);
  if (!entries.is_object() || entries.empty())
    throw InputError({where, "\"weight_map\" to be an object with the file of every tensor", entries.dump().substr(0, 40),
                      "Take the index again from its source.", ""});
  std::map<std::string, std::string> shard_of;
  for (const auto& [tensor, shard] : entries.items()) {
    if (!shard.is_string())
      throw InputError({where, "a file name for tensor \"" + shown(tensor) + "\"", shard.dump().substr(0, 40),
                        "Take the index again from its source.", ""});
    check_shard_name(shard.get<std::string>(), where);
    shard_of[tensor] = shard.get<std::string>();
  }
  return shard_of;
}

void check_shards_exist(const std::set<std::string>& shards, const std::filesystem::path& index_file) {
  constexpr size_t kShown = 8;
  std::string missing;
  size_t num_missing = 0;
  for (const std::string& shard : shards) {
    if (std::filesystem::exists(index_file.parent_path() / shard)) continue;
    if (num_missing++ < kShown) missing += (missing.empty() ? "" : ", ") + shown(shard);
  }
  if (num_missing > kShown) missing += " and " + std::to_string(num_missing - kShown) + " more";
  if (!missing.empty())
    throw InputError({index_file.string(), "all " + std::to_string(shards.size()) + " files that it names", "no " + missing,
                      download_advice(index_file.parent_path(), "Download the missing files into the same folder."), ""});
}

// Every tensor of the index is in the shard that the index says. Tensors beyond the index are kept, as transformers does: the
// model refuses those that it has no place for.
void check_places(const StoredSource& source, const std::map<std::string, std::string>& shard_of,
                  const std::filesystem::path& index_file) {
  std::map<std::string_view, std::string> found;
  for (const TensorMeta& meta : source.tensors()) found[meta.name] = std::filesystem::path(meta.file).filename().string();
  for (const auto& [tensor, shard] : shard_of) {
    const auto place = found.find(tensor);
    if (place == found.end() || place->second != shard)
      throw InputError({index_file.string(), "tensor \"" + shown(tensor) + "\" in " + shard,
                        place == found.end() ? "no such tensor" : "it in " + place->second,
                        "Index and files belong to different checkpoints: take them again from one source.", ""});
  }
}

}  // namespace

std::unique_ptr<TensorSource> open_sharded_weights(const std::filesystem::path& index_file) {
  const auto shard_of = read_weight_map(index_file);
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : shard_of) shards.insert(shard);
  check_shards_exist(shards, index_file);
  const std::filesystem::path folder = index_file.parent_path();
  const WeightsFormat format = format_of(folder / *shards.begin());
  auto source = std::make_unique<StoredSource>(index_file.string());
  for (const std::string& shard : shards) {
    if (format_of(folder / shard) != format)
      throw InputError({index_file.string(), "files of one format", shard + " in another format than " + *shards.begin(),
                        "Take the files again from one source.", ""});
    add_file(*source, folder / shard, format);
  }
  check_places(*source, shard_of, index_file);
  return source;
}

}  // namespace distill
