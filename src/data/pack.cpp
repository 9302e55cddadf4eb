#include "distill/data/rows.h"

namespace distill {

std::vector<PackedRow> pack(std::span<const StoredDocument> documents, int64_t sequence_length, bool packing) {
  std::vector<PackedRow> rows;
  for (uint64_t d = 0; d < documents.size(); ++d) {
    const StoredDocument& document = documents[d];
    const bool fits = packing && !rows.empty() && int64_t{rows.back().num_tokens} + document.length <= sequence_length;
    if (!fits) rows.push_back({d, 0, 0, 0});
    PackedRow& row = rows.back();
    ++row.num_documents;
    row.num_tokens += document.length;
    row.num_kept += document.num_kept;
  }
  return rows;
}

}  // namespace distill
