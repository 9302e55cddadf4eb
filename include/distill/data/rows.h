// All rows of a split in memory: tokens of every source in file order, packed. 4 bytes per token.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "distill/data/masking.h"
#include "distill/data/render.h"
#include "distill/data/stream.h"

namespace distill {

// A document at its place in a TokenStore.
struct StoredDocument {
  const Token* tokens = nullptr;
  const int32_t* labels = nullptr;  // null: every kept token is its own label
  uint32_t length = 0;
  uint32_t num_kept = 0;
  int32_t row_class = kIgnored;  // of a classifier's row
  std::span<const Token> span() const { return {tokens, length}; }
  int32_t label(size_t t) const { return labels ? labels[t] : tokens[t].id(); }
};

// Owns the tokens in blocks that never move, so that growing copies nothing.
class TokenStore {
 public:
  StoredDocument add(const Document& document, const TaskRules& task = {});

 private:
  std::vector<std::vector<Token>> tokens_;
  std::vector<std::vector<int32_t>> labels_;
};

// A packed row: neighbouring documents of one source.
struct PackedRow {
  uint64_t first_document = 0;
  uint32_t num_documents = 0;
  uint32_t num_tokens = 0;
  uint32_t num_kept = 0;
};

// Appends the document to the last row while it fits, else starts a new row; without packing every document is a row.
void pack(std::vector<PackedRow>& rows, uint64_t document, const StoredDocument& stored, int64_t sequence_length, bool packing);

// One file: its documents and rows in file order, and how often an epoch repeats them.
struct SourceRows {
  std::vector<StoredDocument> documents;
  std::vector<PackedRow> rows;
  double weight = 1;
};

struct RowPlace {
  uint32_t source = 0;
  uint64_t row = 0;
};

class Rows {
 public:
  TokenStore store;
  std::vector<SourceRows> sources;
  DataCounts counts;
  uint64_t fingerprint = 0;
  TaskRules task;
  MaskWords mask_words;  // of masked_tokens

  const PackedRow& row(RowPlace place) const { return sources[place.source].rows[place.row]; }
  std::span<const StoredDocument> documents(RowPlace place) const {
    const PackedRow& packed = row(place);
    return {sources[place.source].documents.data() + packed.first_document, packed.num_documents};
  }
};

}  // namespace distill
