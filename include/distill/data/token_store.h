// The documents of one source as tokens: appended in file order, read back by place. Tokens and labels lie in files of a folder,
// or in unnamed memory that behaves like files; only the list of documents (32 bytes each) is held here.
//   tokens.bin     Token[]           4 bytes each
//   labels.bin     int32[]           of the documents whose labels differ from their ids
//   documents.bin  StoredDocument[]
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "distill/core/file.h"
#include "distill/data/render.h"
#include "distill/data/task_rules.h"

namespace distill {

inline constexpr const char* kTokensFile = "tokens.bin";

// A document's place in its store. Also the record of documents.bin, as little-endian machines lay it out.
struct StoredDocument {
  static constexpr uint64_t kNoLabels = UINT64_MAX;  // every kept token is its own label
  uint64_t first_token = 0;
  uint64_t first_label = kNoLabels;
  uint32_t length = 0;
  uint32_t num_kept = 0;
  int32_t row_class = kIgnored;  // of a classifier's row
  uint32_t reserved = 0;         // so that no byte of the record is left open
  bool operator==(const StoredDocument&) const = default;
};

struct StoreSizes {
  uint64_t tokens = 0, labels = 0, documents = 0;
  bool operator==(const StoreSizes&) const = default;
};

class TokenStore {
 public:
  TokenStore() = default;  // in memory
  // Opens or creates the files of the folder, of which tokens.bin is marked as in use. What lies beyond `sizes` is cut off;
  // InputError when less is there, or when the documents do not fit the tokens.
  TokenStore(const std::filesystem::path& folder, const StoreSizes& sizes);

  StoredDocument add(const Document& document, const TaskRules& task = {});
  void flush();  // before reading what was added
  void sync();
  StoreSizes sizes() const;
  const std::vector<StoredDocument>& documents() const { return documents_; }
  void read_tokens(uint64_t first, std::span<Token> into) const;
  void read_labels(uint64_t first, std::span<int32_t> into) const;

 private:
  void check_documents() const;

  GrowingFile tokens_, labels_, records_;
  std::vector<StoredDocument> documents_;
  std::filesystem::path folder_;
};

// A document that was read; valid as long as the RowBuffer that it was read into.
struct DocumentView {
  const Token* tokens = nullptr;
  const int32_t* labels = nullptr;  // null: every kept token is its own label
  uint32_t length = 0;
  uint32_t num_kept = 0;
  int32_t row_class = kIgnored;
  std::span<const Token> span() const { return {tokens, length}; }
  int32_t label(size_t t) const { return labels ? labels[t] : tokens[t].id(); }
};

// What reading a row needs; used again for the next one.
struct RowBuffer {
  std::vector<Token> tokens;
  std::vector<int32_t> labels;
  std::vector<DocumentView> documents;
};

// Neighbouring documents of a store.
void read_documents(const TokenStore& store, uint64_t first, uint64_t count, RowBuffer& into);

// A hash of all tokens, labels and classes, document by document: `before` is that of the documents before this one.
uint64_t hash_document(uint64_t before, const DocumentView& document);

}  // namespace distill
