// Prepared rows: the documents of one source, tokenised and cut, kept in a folder so that the next start reads them back.
//   <place>/<key>/{tokens.bin, labels.bin, documents.bin}   see token_store.h
//   <place>/<key>/teacher/      the same three files of what a teacher with a tokenizer of its own reads
//   <place>/<key>/state.json    source, and how far preparing came; written last, after the files are on the disk
// The key names the source (path, size, time, samples of its bytes) and all that decides what its text becomes, so that a change
// of any of them prepares anew. A preparation that was killed goes on from its last state.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "distill/data/pairing.h"
#include "distill/data/reader.h"
#include "distill/data/render.h"
#include "distill/data/stream.h"
#include "distill/data/token_store.h"

namespace distill {

struct PreparedState {
  ReadPosition position;  // of the source, behind the last document
  DataCounts counts;      // documents, dropped, truncated, split
  StoreSizes sizes;
  uint64_t hash = 0;  // of all documents, by hash_document()
  // The same of the teacher's documents, under two tokenizers.
  StoreSizes teacher_sizes;
  uint64_t teacher_hash = 0;
  bool finished = false;
};

// What the bytes of a source become: everything that rendering and cutting read.
struct PrepareRules {
  RenderRules render;
  ReadRules read;
  int64_t sequence_length = 0;
  Overflow overflow = Overflow::truncate;
  // A teacher with a tokenizer of its own reads the same text by these, and every document has a second one (pairing.h).
  std::optional<ReaderRules> teacher;
};

// A name for (source, rules), 16 hexadecimal digits. InputError when the source cannot be read.
std::string prepared_key(const std::filesystem::path& source, const PrepareRules& rules);

class FolderLock;

class PreparedFolder {
 public:
  // Creates <place>/<key of source and rules> and takes its lock, waiting for another process that prepares the same. Files that
  // do not fit their state are said and dropped. CreateError when the folder cannot be made.
  PreparedFolder(const std::filesystem::path& place, const std::filesystem::path& source, const PrepareRules& rules,
                 const std::string& label);
  ~PreparedFolder();

  const std::filesystem::path& path() const { return path_; }
  // Whether source and rules still have the key that they had.
  bool fits(const PrepareRules& rules) const;
  // What an earlier preparation left, its bytes compared with their hash; a start from nothing otherwise.
  TokenStore take_store();
  // After it: the documents of the teacher; none under one tokenizer.
  std::optional<TokenStore> take_teacher_store() { return std::move(teacher_store_); }
  const PreparedState& state() const { return state_; }
  // The store is on the disk up to here.
  void save(TokenStore& store, const PreparedState& state, TokenStore* teacher = nullptr);
  void remove();  // bad data: nothing is left behind
  // What was prepared of the same source under other keys goes, but for the newest one and those that are in use.
  void remove_older() const;

 private:
  std::filesystem::path source_;
  std::string key_;
  std::filesystem::path place_, path_;
  std::string label_;
  bool two_readers_ = false;
  std::optional<TokenStore> teacher_store_;
  PreparedState state_;
  std::unique_ptr<FolderLock> lock_;
};

}  // namespace distill
