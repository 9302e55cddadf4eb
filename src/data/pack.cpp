#include <algorithm>

#include "distill/core/error.h"
#include "distill/data/rows.h"

namespace distill {
namespace {

constexpr size_t kBlockTokens = size_t{1} << 20;

// Appends to the last block while it has room without moving; a longer document gets a block of its own.
template <class T>
const T* append(std::vector<std::vector<T>>& blocks, const std::vector<T>& values) {
  if (blocks.empty() || blocks.back().capacity() - blocks.back().size() < values.size()) {
    blocks.emplace_back();
    blocks.back().reserve(std::max(kBlockTokens, values.size()));
  }
  std::vector<T>& block = blocks.back();
  block.insert(block.end(), values.begin(), values.end());
  return block.data() + (block.size() - values.size());
}

}  // namespace

StoredDocument TokenStore::add(const Document& document, const TaskRules& task) {
  StoredDocument stored;
  stored.length = static_cast<uint32_t>(document.tokens.size());
  stored.num_kept = static_cast<uint32_t>(num_kept(document, task));
  stored.row_class = document.row_class.value_or(kIgnored);
  stored.tokens = append(tokens_, document.tokens);
  if (!document.labels.empty()) stored.labels = append(labels_, document.labels);
  return stored;
}

void pack(std::vector<PackedRow>& rows, uint64_t document, const StoredDocument& stored, int64_t sequence_length, bool packing) {
  const bool fits = packing && !rows.empty() && int64_t{rows.back().num_tokens} + stored.length <= sequence_length;
  if (!fits) rows.push_back({document, 0, 0, 0});
  PackedRow& row = rows.back();
  ++row.num_documents;
  row.num_tokens += stored.length;
  row.num_kept += stored.num_kept;
}

}  // namespace distill
