#include "distill/data/prepared.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <system_error>
#include <thread>
#include <vector>

#include "distill/core/error.h"
#include "distill/core/json_reader.h"
#include "distill/core/log.h"
#include "distill/core/random.h"
#include "distill/core/stop.h"
#include "distill/core/units.h"

namespace distill {
namespace {

// Raise it whenever the same text and rules give other documents than before.
constexpr int kFormat = 1;
constexpr const char* kState = "state.json";
constexpr uint64_t kSampleBytes = uint64_t{1} << 16;
constexpr int kSamples = 16;

uint64_t as_key(double value) { return hash_text(number_text(value)); }

// Size, time and some of the bytes: reading all of a large file would cost as much as it saves.
uint64_t describe_file(const fs::path& path) {
  const ReadFile file(path);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) throw InputError({path.string(), "a readable file", "none", "Check the path.", ""});
  uint64_t key = random_key({hash_text(fs::weakly_canonical(path).string()), file.size(),
                             static_cast<uint64_t>(info.st_mtim.tv_sec), static_cast<uint64_t>(info.st_mtim.tv_nsec)});
  std::string sample;
  for (uint64_t i = 0; i < kSamples; ++i) {
    const uint64_t at = file.size() / kSamples * i;
    sample.resize(std::min(kSampleBytes, file.size() - at));
    file.read_at(at, sample.data(), sample.size());
    key = random_key({key, hash_text(sample)});
  }
  return key;
}

// A folder of data files stands for the files in it.
uint64_t describe_source(const fs::path& path) {
  if (!fs::is_directory(path)) return describe_file(path);
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(path))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  uint64_t key = files.size();
  for (const fs::path& file : files) key = random_key({key, describe_file(file)});
  return key;
}

uint64_t describe_rules(const PrepareRules& rules) {
  const RenderRules& render = rules.render;
  const TaskRules& task = render.task;
  const auto number = [](auto value) { return static_cast<uint64_t>(value); };
  const ChatTemplate* chat = render.words.chat.get();
  return random_key({number(kFormat), chat ? chat->fingerprint() : 0, render.tokenizer ? render.tokenizer->fingerprint() : 0,
                     number(render.append_eos), number(render.eos.value_or(-1)), number(render.completion_only),
                     number(render.vocab_size), number(task.targets), as_key(task.mask_probability), number(task.num_classes),
                     number(task.labels_needed), number(rules.read.vocab_size), number(rules.read.num_classes),
                     number(rules.sequence_length), number(rules.overflow)});
}

int take_lock(const fs::path& folder, const std::string& label) {
  const fs::path file = folder / ".lock";
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0)
    throw CreateError({folder.string(), "a folder that can be written to", std::generic_category().message(errno),
                       "Set data.prepared to a folder of your own, or to `none`.", ""});
  bool said = false;
  // Other answers than EWOULDBLOCK come from file systems without locks: there it goes on unguarded, as a run does.
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    if (!std::exchange(said, true)) log::info(label + ": waiting for another process that prepares the same rows");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    check_stop();
  }
  return descriptor;
}

std::string hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

Json to_json(const PreparedState& state) {
  return {{"format", kFormat},
          {"finished", state.finished},
          {"position", {{"number", state.position.number}, {"byte", state.position.byte}}},
          {"counts",
           {{"documents", state.counts.documents},
            {"dropped", state.counts.dropped},
            {"truncated", state.counts.truncated},
            {"split", state.counts.split}}},
          {"sizes", {{"tokens", state.sizes.tokens}, {"labels", state.sizes.labels}, {"documents", state.sizes.documents}}},
          {"hash", hex(state.hash)}};
}

uint64_t size_of(const Json& sizes, const char* name, const std::string& where) {
  const int64_t size = json_int(sizes, name, where);
  constexpr int64_t kMost = int64_t{1} << 48;  // far above any disk, far below where products overflow
  if (size < 0 || size > kMost) throw InputError({where, "a size", std::to_string(size), "", ""});
  return static_cast<uint64_t>(size);
}

uint64_t parse_hex(const std::string& text, const std::string& where) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) throw InputError({where, "a hash", "\"" + text + "\"", "", ""});
  return value;
}

PreparedState read_state(const std::string& path) {
  const Json json = read_json_file(path);
  PreparedState state;
  if (json_int(json, "format", path) != kFormat) throw InputError({path, "format " + std::to_string(kFormat), "another", "", ""});
  state.finished = json_bool_or(json, "finished", false, path);
  const Json& position = json_member(json, "position", path);
  state.position = {json_int(position, "number", path), json_int(position, "byte", path)};
  const Json& counts = json_member(json, "counts", path);
  state.counts.documents = json_int(counts, "documents", path);
  state.counts.dropped = json_int(counts, "dropped", path);
  state.counts.truncated = json_int(counts, "truncated", path);
  state.counts.split = json_int(counts, "split", path);
  const Json& sizes = json_member(json, "sizes", path);
  state.sizes = {size_of(sizes, "tokens", path), size_of(sizes, "labels", path), size_of(sizes, "documents", path)};
  state.hash = parse_hex(json_string(json, "hash", path), path);
  return state;
}

uint64_t hash_of(const TokenStore& store) {
  constexpr uint64_t kDocumentsAtOnce = 256;
  RowBuffer buffer;
  uint64_t hash = 0;
  const uint64_t total = store.documents().size();
  for (uint64_t first = 0; first < total; first += kDocumentsAtOnce) {
    check_stop();
    read_documents(store, first, std::min(kDocumentsAtOnce, total - first), buffer);
    for (const DocumentView& document : buffer.documents) hash = hash_document(hash, document);
  }
  return hash;
}

}  // namespace

std::string prepared_key(const fs::path& source, const PrepareRules& rules) {
  return hex(random_key({describe_source(source), describe_rules(rules)}));
}

PreparedFolder::PreparedFolder(const fs::path& place, const std::string& key, const std::string& label)
    : path_(place / key), label_(label) {
  make_folders(path_);
  lock_ = take_lock(path_, label_);
}

PreparedFolder::~PreparedFolder() {
  if (lock_ >= 0) ::close(lock_);
}

TokenStore PreparedFolder::take_store() {
  const fs::path file = path_ / kState;
  if (fs::exists(file)) {
    try {
      PreparedState state = read_state(file.string());
      TokenStore store(path_, state.sizes);
      if (hash_of(store) != state.hash) throw InputError({path_.string(), "the bytes that were written", "others", "", ""});
      state_ = state;
      return store;
    } catch (const InputError& error) {
      log::warn(label_ + ": the prepared rows cannot be used and are prepared again: " + error.complaints().front().text());
    }
  }
  state_ = {};
  return TokenStore(path_, {});
}

void PreparedFolder::save(TokenStore& store, const PreparedState& state) {
  store.sync();
  write_file_atomically(path_ / kState, to_json(state).dump(2) + "\n");
  state_ = state;
}

void PreparedFolder::remove() {
  std::error_code ignored;  // the error that is on its way says more
  fs::remove_all(path_, ignored);
}

}  // namespace distill
