// From files to updates: sources > render > pack > shuffle > batch, with a prefetch thread.
// The content of update u is a pure function of (recipe, seed, u): the position is one number.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distill/data/chat_words.h"
#include "distill/data/task_rules.h"
#include "distill/recipe/data.h"
#include "distill/tensor/token_batch.h"
#include "distill/text/tokenizer.h"

namespace distill {

// A teacher with a tokenizer of its own, and how it reads the same rows.
struct TeacherReader {
  std::shared_ptr<const Tokenizer> tokenizer;
  int64_t vocab_size = 0;
  int64_t max_positions = 0;  // 0 = unbounded
  ChatWords words;
};

struct DataLimits {
  int64_t vocab_size = 0;     // ids at or above are InputError, with file and line
  int64_t max_positions = 0;  // bounds sequence_length; 0 = unbounded
  TaskRules task;
  ChatWords words;                             // without a template conversations are refused
  std::optional<Complaint> tokenizer_problem;  // why there is no tokenizer, for the row that needs one
  std::optional<TeacherReader> teacher;        // none: the teacher reads the student's tokens
};

struct DataCounts {
  int64_t documents = 0;     // rows of the files
  int64_t dropped = 0;       // without a kept label; pieces of split ones count as documents here
  int64_t truncated = 0;     // documents longer than sequence_length, cut to it
  int64_t split = 0;         // documents longer than sequence_length, in pieces (`overflow: split`)
  int64_t rows = 0;          // after packing, one epoch
  int64_t input_tokens = 0;  // of those rows, padding left out
  int64_t kept_tokens = 0;
  int64_t teacher_truncated = 0;         // documents longer than the teacher may read, cut to that
  std::optional<int64_t> paired_tokens;  // kept tokens with a counterpart of the teacher's; none under one tokenizer
  // Those of more documents, which are known before rows are made.
  void add_documents(const DataCounts& more);
  std::string text() const;  // one line for the start of a run
};

// Where prepared rows (prepared.h) are kept between runs.
struct PreparedPlace {
  std::filesystem::path folder;            // empty: nowhere, they live in this process's memory
  uint64_t min_bytes = uint64_t{8} << 20;  // smaller sources are as quickly prepared as read back: they stay in memory
};

// All rows of a split, tokenised and packed.
class Rows;
// `tokenizer` may be null when every row carries input_ids and no token is masked. InputError: file and line of the first bad
// row; no kept label at all. `name` is `data.train` or `data.eval`, for messages. Evaluation uses every row once, in file order:
// weights do not count there. Logs one line with the counts, and a warning when more than 5 % of the documents were truncated.
// The counts are those of epoch 0 under `seed`, which must be the stream's. Stopped when a signal comes. `place` keeps the tokens
// for the next start. With `limits.teacher` every row has a second reading (Rows::teacher); then token ids are InputError, and
// not one position at which both sides have read the same text; `overflow: split`, whose pieces would be others on each side, is
// a Bug.
std::shared_ptr<const Rows> load_rows(const std::vector<SourceRecipe>& sources, const DataRecipe& recipe, const std::string& name,
                                      const Tokenizer* tokenizer, const DataLimits& limits, uint64_t seed,
                                      const PreparedPlace& place = {});
const DataCounts& counts_of(const Rows& rows);
// Hash of all tokens and labels: tells whether a resumed run sees the data that it began with.
uint64_t fingerprint_of(const Rows& rows);

struct StreamOptions {
  int64_t batch_size = 4;    // rows in a micro-batch
  int64_t accumulation = 1;  // micro-batches in an update
  bool shuffle = true;
  uint64_t seed = 0;
  int64_t rank = 0, world = 1;
  bool pin_memory = false;
  int64_t prefetch = 2;  // updates that the thread prepares ahead
};

// One optimizer update's worth of batches of this rank, and the counts over all ranks.
struct Update {
  int64_t index = 0;  // 0-based place in the run
  int64_t epoch = 0;
  std::vector<TokenBatch> micro_batches;
  int64_t kept_tokens = 0;   // over all micro-batches and ranks; rows when a row is one sample
  int64_t input_tokens = 0;  // that are not padding, over all ranks
  int64_t padded_tokens = 0;
  int64_t paired_tokens = 0;  // of two tokenizers, over all ranks; 0 under one
};

class UpdateStream {
 public:
  UpdateStream(std::shared_ptr<const Rows> rows, const StreamOptions& options);
  ~UpdateStream();
  int64_t updates_per_epoch() const;
  // Updates until this many kept tokens have been seen (at least one).
  int64_t updates_for_tokens(double tokens) const;
  // Padding tokens of epoch 0's micro-batches.
  int64_t padding_per_epoch() const;
  // The update at the position; moves on by one. Never ends: epochs follow each other.
  Update next();
  void seek(int64_t update);  // position = number of updates already taken
  int64_t position() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// Batches of all rows once, in order, for evaluation. Masks are the same at every evaluation, whatever the run's seed.
std::vector<TokenBatch> evaluation_batches(const Rows& rows, int64_t batch_size);
// The same one by one, for data that should not lie in memory as tensors all at once.
int64_t num_evaluation_batches(const Rows& rows, int64_t batch_size);
TokenBatch evaluation_batch(const Rows& rows, int64_t batch_size, int64_t index);

}  // namespace distill
