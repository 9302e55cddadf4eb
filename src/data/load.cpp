// Files to rows: lines are read in order by one thread, parsed and tokenised in chunks by a few, and packed in order again.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <future>
#include <thread>

#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/core/log.h"
#include "distill/core/random.h"
#include "distill/core/stop.h"
#include "distill/core/units.h"
#include "distill/data/order.h"
#include "distill/data/rows.h"

namespace distill {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kChunkBytes = size_t{1} << 18;
constexpr size_t kMaxWorkers = 8;
constexpr double kTruncatedWarningShare = 0.05;

struct Chunk {
  std::vector<Line> lines;
};

struct RenderedChunk {
  std::vector<Document> pieces;  // with something kept
  DataCounts counts;             // documents, dropped, truncated, split
};

// What turns a line into documents: everything that does not change from line to line.
struct LineRules {
  FileKind kind = FileKind::json_lines;
  RenderRules render;
  int64_t sequence_length = 0;
  Overflow overflow = Overflow::truncate;
  std::string file;
};

RenderedChunk render_chunk(const Chunk& chunk, const LineRules& rules) {
  const TaskRules& task = rules.render.task;
  RenderedChunk out;
  for (const Line& line : chunk.lines) {
    const std::string where = rules.file + ":" + std::to_string(line.number);
    const Sample sample = rules.kind == FileKind::text
                              ? parse_text_row(line.text, where)
                              : parse_json_row(line.text, where, rules.render.vocab_size, task.num_classes);
    Document document = render(sample, rules.render, where);
    ++out.counts.documents;
    const bool too_long = static_cast<int64_t>(document.tokens.size()) > rules.sequence_length;
    if (too_long) ++(rules.overflow == Overflow::truncate ? out.counts.truncated : out.counts.split);
    for (Document& piece : cut(std::move(document), rules.sequence_length, rules.overflow, task.targets)) {
      if (num_kept(piece, task) > 0)
        out.pieces.push_back(std::move(piece));
      else
        ++out.counts.dropped;
    }
  }
  return out;
}

// In a text file blank lines only part the documents; in JSON Lines one inside the file is a broken row.
bool next_line(LineReader& lines, FileKind kind, Line& line) {
  if (kind == FileKind::json_lines) return lines.next_row(line);
  while (lines.next(line))
    if (!is_blank(line.text)) return true;
  return false;
}

Chunk read_chunk(LineReader& lines, FileKind kind) {
  Chunk chunk;
  size_t bytes = 0;
  for (Line line; bytes < kChunkBytes && next_line(lines, kind, line);) {
    bytes += line.text.size();
    chunk.lines.push_back(std::move(line));
  }
  return chunk;
}

// The transient line on a terminal; gone when loading ends, however it ends.
class LoadingStatus {
 public:
  LoadingStatus(std::string label, int64_t total_bytes)
      : label_(std::move(label)), total_bytes_(total_bytes), on_(::isatty(STDERR_FILENO) == 1) {}
  ~LoadingStatus() {
    if (shown_) log::set_status_line("");
  }
  LoadingStatus(const LoadingStatus&) = delete;
  LoadingStatus& operator=(const LoadingStatus&) = delete;

  void update(int64_t bytes) {
    const auto now = Clock::now();
    if (!on_ || total_bytes_ == 0 || now - last_ < std::chrono::milliseconds(500)) return;
    last_ = now;
    shown_ = true;
    log::set_status_line(label_ + ": tokenizing, " + std::to_string(100 * bytes / total_bytes_) + " %");
  }

 private:
  std::string label_;
  int64_t total_bytes_;
  bool on_, shown_ = false;
  Clock::time_point last_ = Clock::now();
};

class SourceLoader {
 public:
  SourceLoader(Rows& rows, const LineRules& rules, bool packing) : rows_(rows), rules_(rules), packing_(packing) {}

  // Chunks are absorbed in the order of the file, so rows, and the first error, do not depend on the threads.
  void load(const fs::path& path, const std::string& label) {
    LineReader lines = lines_of_file(path);
    LoadingStatus status(label, lines.total_bytes());
    std::deque<std::future<RenderedChunk>> in_flight;
    const size_t workers = std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kMaxWorkers);
    for (Chunk chunk = read_chunk(lines, rules_.kind); !chunk.lines.empty(); chunk = read_chunk(lines, rules_.kind)) {
      check_stop();
      if (in_flight.size() == workers) absorb_front(in_flight);
      in_flight.push_back(std::async(std::launch::async, [this, work = std::move(chunk)] { return render_chunk(work, rules_); }));
      status.update(lines.bytes_read());
    }
    while (!in_flight.empty()) absorb_front(in_flight);
  }

 private:
  void absorb_front(std::deque<std::future<RenderedChunk>>& in_flight) {
    std::future<RenderedChunk> front = std::move(in_flight.front());
    in_flight.pop_front();
    absorb(front.get());
  }

  void absorb(const RenderedChunk& chunk) {
    SourceRows& source = rows_.sources.back();
    for (const Document& document : chunk.pieces) {
      const StoredDocument stored = rows_.store.add(document, rules_.render.task);
      pack(source.rows, source.documents.size(), stored, rules_.sequence_length, packing_);
      source.documents.push_back(stored);
      note_fingerprint(document);
    }
    rows_.counts.documents += chunk.counts.documents;
    rows_.counts.dropped += chunk.counts.dropped;
    rows_.counts.truncated += chunk.counts.truncated;
    rows_.counts.split += chunk.counts.split;
  }

  void note_fingerprint(const Document& document) {
    const auto hash = [](const auto& values) {
      return hash_text({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0])});
    };
    rows_.fingerprint = random_key({rows_.fingerprint, hash(document.tokens), hash(document.labels)});
    if (document.row_class) rows_.fingerprint = random_key({rows_.fingerprint, static_cast<uint64_t>(*document.row_class)});
  }

  Rows& rows_;
  const LineRules& rules_;
  bool packing_;
};

void count_epoch(Rows& rows, uint64_t seed) {
  const EpochOrder order(rows, seed, 0, /*shuffle=*/false);
  rows.counts.rows = order.size();
  for (int64_t index = 0; index < order.size(); ++index) {
    const PackedRow& row = rows.row(order.at(index));
    rows.counts.input_tokens += row.num_tokens;
    rows.counts.kept_tokens += row.num_kept;
  }
}

std::string paths_of(const std::vector<SourceRecipe>& sources) {
  std::string text;
  for (const SourceRecipe& source : sources) text += (text.empty() ? "" : ", ") + source.path;
  return text;
}

const char* what_to_learn(const TaskRules& task) {
  switch (task.targets) {
    case Targets::next_token:
      return "Check labels and completions: a document needs two tokens or more, and one label after its first token that is "
             "not -100.";
    case Targets::masked_tokens:
      return "A document needs one token that is not special and whose label is not -100.";
    case Targets::row_class:
      return "Give every row a \"label\", the number of its class; or train without cross_entropy, which alone reads labels.";
    case Targets::row_vector:
      break;
  }
  return "A document needs one token.";
}

[[noreturn]] void refuse_nothing_left(const std::vector<SourceRecipe>& sources, const std::string& name, const Rows& rows,
                                      int64_t sequence_length) {
  const std::string expected = "at least one document with something to learn";
  const std::string where = name + " (" + paths_of(sources) + ")";
  const DataCounts& counts = rows.counts;
  if (counts.documents == 0) throw InputError({where, expected, "no document at all", "Put one document on each line.", ""});
  const bool have_rows = std::any_of(rows.sources.begin(), rows.sources.end(), [](const auto& s) { return !s.rows.empty(); });
  if (have_rows)
    throw InputError({where, expected, "weights so small that no row comes into an epoch", "Raise `weight` of a source.", ""});
  std::string found = std::to_string(counts.documents) + " documents, all without one";
  if (counts.truncated > 0)
    found += "; " + std::to_string(counts.truncated) + " were cut to " + std::to_string(sequence_length) + " tokens";
  throw InputError({where, expected, found,
                    counts.truncated > 0 ? "Raise data.sequence_length, or shorten the prompts." : what_to_learn(rows.task), ""});
}

void warn_about(const Rows& rows, const std::vector<SourceRecipe>& sources, const std::string& name, int64_t sequence_length) {
  for (size_t s = 0; s < rows.sources.size(); ++s) {
    if (rows.sources[s].rows.empty()) log::warn(name + ": " + sources[s].path + " has no document with something to learn");
  }
  const DataCounts& counts = rows.counts;
  const double share = static_cast<double>(counts.truncated) / static_cast<double>(counts.documents);
  if (share <= kTruncatedWarningShare) return;
  log::warn(name + ": " + std::to_string(counts.truncated) + " of " + std::to_string(counts.documents) +
            " documents are longer than " + std::to_string(sequence_length) +
            " tokens and were cut. Raise data.sequence_length, or set data.overflow: split to use all of them.");
}

void check_weight(const SourceRecipe& source, const std::string& name) {
  if (source.weight > 0 && source.weight <= 1e6) return;
  throw RecipeError({name + " (" + source.path + ")", "a weight above 0 and at most 1000000", number_text(source.weight),
                     "Give the number of repetitions per epoch; remove the source to leave it out.", ""});
}

}  // namespace

std::string DataCounts::text() const {
  std::string text = std::to_string(documents) + (documents == 1 ? " document, " : " documents, ") + std::to_string(dropped) +
                     " dropped (nothing to learn), " + std::to_string(truncated) + " truncated";
  if (split > 0) text += ", " + std::to_string(split) + " split";
  return text + "; " + std::to_string(rows) + (rows == 1 ? " row" : " rows") + " per epoch with " + std::to_string(input_tokens) +
         " tokens, " + std::to_string(kept_tokens) + " kept";
}

std::shared_ptr<const Rows> load_rows(const std::vector<SourceRecipe>& sources, const DataRecipe& recipe, const std::string& name,
                                      const Tokenizer* tokenizer, const DataLimits& limits, uint64_t seed) {
  const auto start = Clock::now();
  const bool evaluation = name == "data.eval";
  auto rows = std::make_shared<Rows>();
  LineRules rules;
  rows->task = limits.task;
  if (limits.task.targets == Targets::masked_tokens) {
    rows->mask_words = mask_words(tokenizer, limits.vocab_size);
    rows->fingerprint = random_key({static_cast<uint64_t>(rows->mask_words.mask_id), rows->mask_words.ordinary_ids.size()});
  }
  rules.render = render_rules(recipe, tokenizer, limits.vocab_size, limits.task, limits.words);
  rules.overflow = recipe.overflow;
  rules.sequence_length =
      limits.max_positions > 0 ? std::min(recipe.sequence_length, limits.max_positions) : recipe.sequence_length;
  const bool packing = recipe.packing && !limits.task.one_document_per_row();
  for (const SourceRecipe& source : sources) {
    check_weight(source, name);
    rules.kind = file_kind(source.path);
    rules.file = source.path;
    rows->sources.emplace_back().weight = evaluation ? 1 : source.weight;
    SourceLoader(*rows, rules, packing).load(source.path, name + " " + source.path);
  }
  count_epoch(*rows, seed);
  if (rows->counts.rows == 0) refuse_nothing_left(sources, name, *rows, rules.sequence_length);
  warn_about(*rows, sources, name, rules.sequence_length);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  log::info(name + ": " + rows->counts.text() + " (" + seconds_text(seconds) + ")");
  return rows;
}

const DataCounts& counts_of(const Rows& rows) { return rows.counts; }
uint64_t fingerprint_of(const Rows& rows) { return rows.fingerprint; }

}  // namespace distill
