#include "distill/data/token_store.h"

#include <string>
#include <type_traits>

#include "distill/core/error.h"
#include "distill/core/random.h"

namespace distill {
namespace {

static_assert(sizeof(Token) == 4 && std::is_trivially_copyable_v<Token>);
static_assert(sizeof(StoredDocument) == 32 && std::has_unique_object_representations_v<StoredDocument>);

[[noreturn]] void refuse(const fs::path& file, const std::string& expected, const std::string& found) {
  throw InputError({file.string(), expected, found, "Remove its folder: the rows are then prepared again.", ""});
}

void take_first(GrowingFile& file, const fs::path& path, uint64_t bytes) {
  if (file.size() < bytes) refuse(path, std::to_string(bytes) + " bytes", std::to_string(file.size()));
  file.cut(bytes);
}

template <class T>
uint64_t hash_values(std::span<const T> values) {
  return hash_text({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

}  // namespace

TokenStore::TokenStore(const fs::path& folder, const StoreSizes& sizes)
    : tokens_(folder / kTokensFile), labels_(folder / "labels.bin"), records_(folder / "documents.bin"), folder_(folder) {
  tokens_.mark_in_use();
  take_first(tokens_, folder / kTokensFile, sizes.tokens * sizeof(Token));
  take_first(labels_, folder / "labels.bin", sizes.labels * sizeof(int32_t));
  take_first(records_, folder / "documents.bin", sizes.documents * sizeof(StoredDocument));
  documents_.resize(sizes.documents);
  records_.read_at(0, documents_.data(), sizes.documents * sizeof(StoredDocument));
  check_documents();
}

// Places follow each other: whatever is read through them lies inside the files.
void TokenStore::check_documents() const {
  StoreSizes seen;
  for (const StoredDocument& document : documents_) {
    const bool labelled = document.first_label != StoredDocument::kNoLabels;
    if (document.first_token != seen.tokens || (labelled && document.first_label != seen.labels))
      refuse(folder_ / "documents.bin", "documents that follow each other", "document " + std::to_string(seen.documents + 1));
    seen.tokens += document.length;
    seen.labels += labelled ? document.length : 0;
    ++seen.documents;
  }
  if (seen != sizes()) refuse(folder_ / "documents.bin", "documents that fill tokens.bin and labels.bin", "others");
}

StoreSizes TokenStore::sizes() const {
  return {tokens_.size() / sizeof(Token), labels_.size() / sizeof(int32_t), documents_.size()};
}

StoredDocument TokenStore::add(const Document& document, const TaskRules& task) {
  StoredDocument stored;
  const StoreSizes before = sizes();
  stored.first_token = before.tokens;
  stored.length = static_cast<uint32_t>(document.tokens.size());
  stored.num_kept = static_cast<uint32_t>(num_kept(document, task));
  stored.row_class = document.row_class.value_or(kIgnored);
  if (!document.labels.empty()) {
    stored.first_label = before.labels;
    labels_.append(document.labels.data(), document.labels.size() * sizeof(int32_t));
  }
  tokens_.append(document.tokens.data(), document.tokens.size() * sizeof(Token));
  records_.append(&stored, sizeof stored);
  documents_.push_back(stored);
  return stored;
}

void TokenStore::flush() {
  for (GrowingFile* file : {&tokens_, &labels_, &records_}) file->flush();
}

void TokenStore::sync() {
  for (GrowingFile* file : {&tokens_, &labels_, &records_}) file->sync();
}

void TokenStore::read_tokens(uint64_t first, std::span<Token> into) const {
  tokens_.read_at(first * sizeof(Token), into.data(), into.size_bytes());
}

void TokenStore::read_labels(uint64_t first, std::span<int32_t> into) const {
  labels_.read_at(first * sizeof(int32_t), into.data(), into.size_bytes());
}

void read_documents(const TokenStore& store, uint64_t first, uint64_t count, RowBuffer& into) {
  const auto chosen = std::span(store.documents()).subspan(first, count);
  uint64_t num_tokens = 0, num_labels = 0, first_label = StoredDocument::kNoLabels;
  for (const StoredDocument& document : chosen) {
    num_tokens += document.length;
    if (document.first_label == StoredDocument::kNoLabels) continue;
    if (num_labels == 0) first_label = document.first_label;
    num_labels += document.length;
  }
  into.tokens.resize(num_tokens);
  into.labels.resize(num_labels);
  if (num_tokens > 0) store.read_tokens(chosen.front().first_token, into.tokens);
  if (num_labels > 0) store.read_labels(first_label, into.labels);

  into.documents.clear();
  const Token* tokens = into.tokens.data();
  const int32_t* labels = into.labels.data();
  for (const StoredDocument& document : chosen) {
    const bool labelled = document.first_label != StoredDocument::kNoLabels;
    into.documents.push_back({tokens, labelled ? labels : nullptr, document.length, document.num_kept, document.row_class});
    tokens += document.length;
    labels += labelled ? document.length : 0;
  }
}

uint64_t hash_document(uint64_t before, const DocumentView& document) {
  const std::span labels(document.labels, document.labels ? document.length : 0);
  const uint64_t hash = random_key({before, hash_values(document.span()), hash_values(labels)});
  return document.row_class == kIgnored ? hash : random_key({hash, static_cast<uint64_t>(document.row_class)});
}

}  // namespace distill
