// All rows of a split: which documents of which source they hold. The tokens stay in the sources' stores until a row is read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "distill/data/masking.h"
#include "distill/data/render.h"
#include "distill/data/stream.h"
#include "distill/data/token_store.h"

namespace distill {

// A packed row: neighbouring documents of one source.
struct PackedRow {
  uint64_t first_document = 0;
  uint32_t num_documents = 0;
  uint32_t num_tokens = 0;
  uint32_t num_kept = 0;
};

// The same documents as another tokenizer reads them, and what a row of them may hold.
struct SecondReading {
  std::span<const StoredDocument> documents;
  int64_t sequence_length = 0;
};
// In file order: a document joins the last row while it fits (in both readings), else it starts a new one; without packing every
// document is a row.
std::vector<PackedRow> pack(std::span<const StoredDocument> documents, int64_t sequence_length, bool packing,
                            const std::optional<SecondReading>& second = std::nullopt);
// Rows of the same documents in another reading.
std::vector<PackedRow> same_rows(const std::vector<PackedRow>& rows, std::span<const StoredDocument> documents);

// One file: its documents and rows in file order, and how often an epoch repeats them.
struct SourceRows {
  TokenStore store;
  std::vector<PackedRow> rows;
  double weight = 1;
};

struct RowPlace {
  uint32_t source = 0;
  uint64_t row = 0;
};

class Rows {
 public:
  std::vector<SourceRows> sources;
  DataCounts counts;
  uint64_t fingerprint = 0;
  TaskRules task;
  MaskWords mask_words;  // of masked_tokens
  // What a teacher with a tokenizer of its own reads: sources, rows and documents are the same, the tokens are others. What its
  // documents keep are the counterparts of the student's tokens, whose places in their documents are the labels (pairing.h).
  std::unique_ptr<Rows> teacher;

  const PackedRow& row(RowPlace place) const { return sources[place.source].rows[place.row]; }
  // The documents of a row; safe to call from several threads, each with a buffer of its own.
  const std::vector<DocumentView>& read(RowPlace place, RowBuffer& into) const {
    const PackedRow& packed = row(place);
    read_documents(sources[place.source].store, packed.first_document, packed.num_documents, into);
    return into.documents;
  }
};

}  // namespace distill
