#include "distill/data/prepare.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <future>
#include <thread>

#include "distill/core/error.h"
#include "distill/core/log.h"
#include "distill/core/stop.h"
#include "distill/core/units.h"

namespace distill {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kChunkBytes = size_t{1} << 18;
constexpr size_t kMaxWorkers = 64;
constexpr auto kSaveEvery = std::chrono::seconds(5);

struct RawChunk {
  std::vector<RawRow> rows;
  ReadPosition end;
};

struct RenderedChunk {
  std::vector<Document> pieces;    // with something kept
  std::vector<Document> teachers;  // what the teacher reads of each piece, under two tokenizers
  DataCounts counts;               // documents, dropped, truncated, split
  ReadPosition end;
};

RawChunk read_chunk(RowReader& reader) {
  RawChunk chunk;
  size_t bytes = 0;
  for (RawRow row; bytes < kChunkBytes && reader.next(row); row = {}) {
    bytes += row.text.size() + row.ids.size() * sizeof(row.ids[0]);
    chunk.rows.push_back(std::move(row));
  }
  chunk.end = reader.position();
  return chunk;
}

void render_row(const Sample& sample, const PrepareRules& rules, const std::string& where, RenderedChunk& out) {
  const TaskRules& task = rules.render.task;
  Document document = render(sample, rules.render, where);
  const bool too_long = static_cast<int64_t>(document.tokens.size()) > rules.sequence_length;
  if (too_long) ++(rules.overflow == Overflow::truncate ? out.counts.truncated : out.counts.split);
  for (Document& piece : cut(std::move(document), rules.sequence_length, rules.overflow, task.targets)) {
    if (num_kept(piece, task) > 0)
      out.pieces.push_back(std::move(piece));
    else
      ++out.counts.dropped;
  }
}

// A text of which the teacher reads no token at all is dropped too: its row would be empty.
void render_row_for_both(const Sample& sample, const PrepareRules& rules, const std::string& where, RenderedChunk& out) {
  TwoDocuments two = render_for_both(sample, {rules.render, rules.sequence_length}, *rules.teacher, where);
  out.counts.truncated += two.student_cut ? 1 : 0;
  out.counts.teacher_truncated += two.teacher_cut ? 1 : 0;
  if (num_kept(two.student, rules.render.task) == 0 || two.teacher.tokens.empty()) {
    ++out.counts.dropped;
    return;
  }
  out.pieces.push_back(std::move(two.student));
  out.teachers.push_back(std::move(two.teacher));
}

RenderedChunk render_chunk(RawChunk chunk, const RowReader& reader, const PrepareRules& rules, const std::string& file) {
  RenderedChunk out;
  out.end = chunk.end;
  for (RawRow& row : chunk.rows) {
    const std::string where = file + ":" + std::to_string(row.number);
    const Sample sample = reader.parse(std::move(row), where);
    ++out.counts.documents;
    (rules.teacher ? render_row_for_both : render_row)(sample, rules, where, out);
  }
  return out;
}

// Returns the hash of the documents up to this one.
uint64_t add_document(TokenStore& store, const Document& document, const TaskRules& task, uint64_t hash) {
  const StoredDocument stored = store.add(document, task);
  return hash_document(hash, {document.tokens.data(), document.labels.empty() ? nullptr : document.labels.data(), stored.length,
                              stored.num_kept, stored.row_class});
}

// A transient line on a terminal, gone when the work ends, however it ends; a plain line now and then elsewhere.
class PreparingStatus {
 public:
  PreparingStatus(std::string label, const RowReader& reader)
      : label_(std::move(label)), total_bytes_(reader.total_bytes()), first_byte_(reader.bytes_read()) {}
  ~PreparingStatus() {
    if (shown_ && transient_) log::set_status_line("");
  }
  PreparingStatus(const PreparingStatus&) = delete;
  PreparingStatus& operator=(const PreparingStatus&) = delete;

  void update(int64_t bytes) {
    const auto now = Clock::now();
    if (total_bytes_ == 0 || now - last_ < (transient_ ? std::chrono::milliseconds(500) : std::chrono::milliseconds(10000)))
      return;
    last_ = now;
    shown_ = true;
    const std::string text = label_ + ": tokenizing, " + std::to_string(100 * bytes / total_bytes_) + " %" + pace(bytes, now);
    transient_ ? log::set_status_line(text) : log::info(text);
  }

 private:
  std::string pace(int64_t bytes, Clock::time_point now) const {
    const double seconds = std::chrono::duration<double>(now - start_).count();
    const double rate = static_cast<double>(bytes - first_byte_) / std::max(seconds, 1e-3);
    if (rate <= 0) return "";
    return ", " + bytes_text(static_cast<uint64_t>(rate)) + "/s, " +
           seconds_text(static_cast<double>(total_bytes_ - bytes) / rate) + " left";
  }

  std::string label_;
  int64_t total_bytes_, first_byte_;
  bool transient_ = ::isatty(STDERR_FILENO) == 1, shown_ = false;
  Clock::time_point start_ = Clock::now(), last_ = Clock::now();
};

void save(PreparedFolder& folder, PreparedSource& source) {
  folder.save(source.store, source.state, source.teacher ? &*source.teacher : nullptr);
}

class Preparation {
 public:
  Preparation(PreparedSource& source, PreparedFolder* folder, RowReader& reader, const PrepareRules& rules, std::string file)
      : source_(source), folder_(folder), reader_(reader), rules_(rules), file_(std::move(file)) {}

  void run(const std::string& label) {
    if (source_.state.position.number > 0) reader_.seek(source_.state.position);
    PreparingStatus status(label, reader_);
    std::deque<std::future<RenderedChunk>> in_flight;
    const size_t workers = std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kMaxWorkers);
    for (RawChunk chunk = read_chunk(reader_); !chunk.rows.empty(); chunk = read_chunk(reader_)) {
      check_stop();
      if (in_flight.size() > workers) absorb_front(in_flight);
      in_flight.push_back(std::async(std::launch::async, [this, work = std::move(chunk)]() mutable {
        return render_chunk(std::move(work), reader_, rules_, file_);
      }));
      status.update(reader_.bytes_read());
    }
    while (!in_flight.empty()) absorb_front(in_flight);
    source_.state.finished = true;
  }

 private:
  void absorb_front(std::deque<std::future<RenderedChunk>>& in_flight) {
    std::future<RenderedChunk> front = std::move(in_flight.front());
    in_flight.pop_front();
    absorb(front.get());
    if (folder_ && Clock::now() - saved_ > kSaveEvery) {
      save(*folder_, source_);
      saved_ = Clock::now();
    }
  }

  void absorb(const RenderedChunk& chunk) {
    PreparedState& state = source_.state;
    for (const Document& document : chunk.pieces)
      state.hash = add_document(source_.store, document, rules_.render.task, state.hash);
    for (const Document& document : chunk.teachers)
      state.teacher_hash = add_document(*source_.teacher, document, {}, state.teacher_hash);
    state.counts.add_documents(chunk.counts);
    state.position = chunk.end;
    state.sizes = source_.store.sizes();
    if (source_.teacher) state.teacher_sizes = source_.teacher->sizes();
  }

  PreparedSource& source_;
  PreparedFolder* folder_;
  RowReader& reader_;
  const PrepareRules& rules_;
  std::string file_;
  Clock::time_point saved_ = Clock::now();
};

PreparedSource prepare_in_memory(RowReader& reader, const PrepareRules& rules, const fs::path& file, const std::string& label) {
  PreparedSource source;
  if (rules.teacher) source.teacher.emplace();
  Preparation(source, nullptr, reader, rules, file.string()).run(label);
  source.store.flush();
  if (source.teacher) source.teacher->flush();
  return source;
}

void expect_unchanged(const PreparedFolder& folder, const fs::path& file, const PrepareRules& rules) {
  if (folder.fits(rules)) return;
  throw InputError({file.string(), "the file that it was when reading began", "another",
                    "Let whoever writes it finish, then run the same command again.", ""});
}

PreparedSource prepare_in_folder(RowReader& reader, const PrepareRules& rules, const PreparedPlace& place, const fs::path& file,
                                 const std::string& label) {
  PreparedFolder folder(place.folder, file, rules, label);
  TokenStore store = folder.take_store();
  PreparedSource source{std::move(store), folder.state(), folder.take_teacher_store()};
  if (source.state.finished) {
    log::info(label + ": taking the rows that were prepared before, in " + folder.path().string());
    return source;
  }
  if (source.state.position.number > 0)
    log::info(label + ": going on with preparing after row " + std::to_string(source.state.position.number));
  try {
    Preparation(source, &folder, reader, rules, file.string()).run(label);
    expect_unchanged(folder, file, rules);
  } catch (const Stopped&) {
    save(folder, source);
    throw;
  } catch (const InputError&) {
    folder.remove();
    throw;
  }
  save(folder, source);
  folder.remove_older();
  return source;
}

}  // namespace

PreparedSource prepare_source(const fs::path& file, const PrepareRules& rules, const PreparedPlace& place,
                              const std::string& label) {
  const std::unique_ptr<RowReader> reader = open_rows(file, rules.read);
  const bool small = static_cast<uint64_t>(reader->total_bytes()) < place.min_bytes;
  return place.folder.empty() || small ? prepare_in_memory(*reader, rules, file, label)
                                       : prepare_in_folder(*reader, rules, place, file, label);
}

}  // namespace distill
