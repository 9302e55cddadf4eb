#include "distill/data/prepared.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <system_error>
#include <vector>

#include "distill/core/error.h"
#include "distill/core/json_reader.h"
#include "distill/core/log.h"
#include "distill/core/random.h"
#include "distill/core/stop.h"
#include "distill/core/units.h"

#include "folder_lock.h"

namespace distill {
namespace {

// Raise it whenever the same text and rules give other documents than before.
constexpr int kFormat = 2;
constexpr const char* kState = "state.json";
constexpr const char* kTeacher = "teacher";
constexpr size_t kOthersKept = 1;  // of one source, besides the folder that was prepared last
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

// A template that writes the date writes other rows tomorrow.
uint64_t day_of(const ChatTemplate* chat) {
  if (!chat || !chat->tells_time()) return 0;
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  return 1 + static_cast<uint64_t>(local.tm_year) * 366 + static_cast<uint64_t>(local.tm_yday);
}

uint64_t describe_reader(const ReaderRules& reader) {
  const RenderRules& render = reader.render;
  const auto number = [](auto value) { return static_cast<uint64_t>(value); };
  const ChatTemplate* chat = render.words.chat.get();
  return random_key({chat ? chat->fingerprint() : 0, render.tokenizer ? render.tokenizer->fingerprint() : 0,
                     number(render.eos.value_or(-1)), number(render.vocab_size), day_of(chat), number(reader.sequence_length)});
}

uint64_t describe_rules(const PrepareRules& rules) {
  const RenderRules& render = rules.render;
  const TaskRules& task = render.task;
  const auto number = [](auto value) { return static_cast<uint64_t>(value); };
  const ChatTemplate* chat = render.words.chat.get();
  const uint64_t key = random_key(
      {number(kFormat), chat ? chat->fingerprint() : 0, render.tokenizer ? render.tokenizer->fingerprint() : 0,
       number(render.append_eos), number(render.eos.value_or(-1)), number(render.completion_only), number(render.vocab_size),
       number(task.targets), as_key(task.mask_probability), number(task.num_classes), number(task.labels_needed), day_of(chat),
       number(rules.read.vocab_size), number(rules.read.num_classes), number(rules.sequence_length), number(rules.overflow)});
  return rules.teacher ? random_key({key, describe_reader(*rules.teacher)}) : key;
}

std::string hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

std::string name_of(const fs::path& source) { return fs::weakly_canonical(source).string(); }

// Of everything else in state.json, whose numbers no other hash covers.
std::string check_of(const Json& state) { return hex(hash_text(state.dump(-1, ' ', false, Json::error_handler_t::replace))); }

Json to_json(const StoreSizes& sizes) {
  return {{"tokens", sizes.tokens}, {"labels", sizes.labels}, {"documents", sizes.documents}};
}

// The names of a state that two readers make end up in `json["teacher"]`.
Json teacher_json(const PreparedState& state) {
  return {
      {"sizes", to_json(state.teacher_sizes)}, {"hash", hex(state.teacher_hash)}, {"truncated", state.counts.teacher_truncated}};
}

Json to_json(const PreparedState& state, const fs::path& source, bool two_readers) {
  Json json = {{"format", kFormat},
               {"source", name_of(source)},
               {"finished", state.finished},
               {"position", {{"number", state.position.number}, {"byte", state.position.byte}}},
               {"counts",
                {{"documents", state.counts.documents},
                 {"dropped", state.counts.dropped},
                 {"truncated", state.counts.truncated},
                 {"split", state.counts.split}}},
               {"sizes", to_json(state.sizes)},
               {"hash", hex(state.hash)}};
  if (two_readers) json[kTeacher] = teacher_json(state);
  json["check"] = check_of(json);
  return json;
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

StoreSizes sizes_of(const Json& state, const std::string& path) {
  const Json& sizes = json_member(state, "sizes", path);
  return {size_of(sizes, "tokens", path), size_of(sizes, "labels", path), size_of(sizes, "documents", path)};
}

PreparedState read_state(const std::string& path, bool two_readers) {
  Json json = read_json_file(path);
  const std::string check = json_string(json, "check", path);
  json.erase("check");
  if (check_of(json) != check) throw InputError({path, "the text that was written", "another", "", ""});
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
  state.sizes = sizes_of(json, path);
  state.hash = parse_hex(json_string(json, "hash", path), path);
  if (!two_readers) return state;
  const Json& teacher = json_member(json, kTeacher, path);
  state.teacher_sizes = sizes_of(teacher, path);
  state.teacher_hash = parse_hex(json_string(teacher, "hash", path), path);
  state.counts.teacher_truncated = json_int(teacher, "truncated", path);
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

void expect_hash(const TokenStore& store, uint64_t hash, const fs::path& folder) {
  if (hash_of(store) != hash) throw InputError({folder.string(), "the bytes that were written", "others", "", ""});
}

// What the folder's rows were read from; "" when it does not say.
std::string source_of(const fs::path& folder) {
  std::error_code unreadable;
  if (!fs::exists(folder / kState, unreadable)) return "";
  try {
    return json_string_or(read_json_file((folder / kState).string()), "source", "", "");
  } catch (const InputError&) {
    return "";
  }
}

}  // namespace

std::string prepared_key(const fs::path& source, const PrepareRules& rules) {
  return hex(random_key({describe_source(source), describe_rules(rules)}));
}

PreparedFolder::PreparedFolder(const fs::path& place, const fs::path& source, const PrepareRules& rules, const std::string& label)
    : source_(source),
      key_(prepared_key(source, rules)),
      place_(place),
      path_(place / key_),
      label_(label),
      two_readers_(rules.teacher.has_value()),
      lock_(std::make_unique<FolderLock>(path_, label)) {}

PreparedFolder::~PreparedFolder() = default;

bool PreparedFolder::fits(const PrepareRules& rules) const { return prepared_key(source_, rules) == key_; }

TokenStore PreparedFolder::take_store() {
  const fs::path file = path_ / kState;
  if (fs::exists(file)) {
    try {
      PreparedState state = read_state(file.string(), two_readers_);
      TokenStore store(path_, state.sizes);
      expect_hash(store, state.hash, path_);
      if (two_readers_) {
        teacher_store_.emplace(path_ / kTeacher, state.teacher_sizes);
        expect_hash(*teacher_store_, state.teacher_hash, path_ / kTeacher);
      }
      state_ = state;
      std::error_code ignored;  // an older date only makes it the first to go
      fs::last_write_time(file, fs::file_time_type::clock::now(), ignored);
      return store;
    } catch (const InputError& error) {
      log::warn(label_ + ": the prepared rows cannot be used and are prepared again: " + error.complaints().front().text());
    }
  }
  state_ = {};
  teacher_store_.reset();
  if (two_readers_) make_folders(path_ / kTeacher);
  if (two_readers_) teacher_store_.emplace(path_ / kTeacher, StoreSizes{});
  return TokenStore(path_, {});
}

void PreparedFolder::save(TokenStore& store, const PreparedState& state, TokenStore* teacher) {
  store.sync();
  if (teacher) teacher->sync();
  write_file_atomically(path_ / kState,
                        to_json(state, source_, two_readers_).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  state_ = state;
}

void PreparedFolder::remove() { remove_folder(path_); }  // the error that is on its way says more than one of this

void PreparedFolder::remove_older() const {
  remove_leftovers(place_);
  std::vector<std::pair<fs::file_time_type, fs::path>> others;
  std::error_code gone;  // whatever another process removes meanwhile
  for (const auto& entry : fs::directory_iterator(place_, gone))
    if (entry.path() != path_ && source_of(entry.path()) == name_of(source_))
      others.emplace_back(fs::last_write_time(entry.path() / kState, gone), entry.path());
  std::sort(others.rbegin(), others.rend());
  for (size_t i = kOthersKept; i < others.size(); ++i)
    if (remove_if_unused(others[i].second, kTokensFile))
      log::info(label_ + ": removed rows that were prepared for other settings, " + others[i].second.string());
}

}  // namespace distill
