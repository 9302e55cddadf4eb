#include "distill/data/rows.h"

namespace distill {

std::vector<PackedRow> pack(std::span<const StoredDocument> documents, int64_t sequence_length, bool packing,
                            const std::optional<SecondReading>& second) {
  std::vector<PackedRow> rows;
  int64_t second_tokens = 0;  // of the last row
  for (uint64_t d = 0; d < documents.size(); ++d) {
    const StoredDocument& document = documents[d];
    const int64_t second_length = second ? second->documents[d].length : 0;
    const bool second_fits = !second || second_tokens + second_length <= second->sequence_length;
    const bool fits =
        packing && !rows.empty() && second_fits && int64_t{rows.back().num_tokens} + document.length <= sequence_length;
    if (!fits) {
      rows.push_back({d, 0, 0, 0});
      second_tokens = 0;
    }
    PackedRow& row = rows.back();
    ++row.num_documents;
    row.num_tokens += document.length;
    row.num_kept += document.num_kept;
    second_tokens += second_length;
  }
  return rows;
}

std::vector<PackedRow> same_rows(const std::vector<PackedRow>& rows, std::span<const StoredDocument> documents) {
  std::vector<PackedRow> same;
  same.reserve(rows.size());
  for (const PackedRow& row : rows) {
    PackedRow& other = same.emplace_back(PackedRow{row.first_document, row.num_documents, 0, 0});
    for (const StoredDocument& document : documents.subspan(row.first_document, row.num_documents)) {
      other.num_tokens += document.length;
      other.num_kept += document.num_kept;
    }
  }
  return same;
}

}  // namespace distill
