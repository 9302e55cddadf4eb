#include "distill/data/batch.h"

#include <ATen/Context.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "distill/core/error.h"
#include "distill/core/random.h"

namespace distill {
namespace {

constexpr uint64_t kMaskStream = 0x6d61736b;

int64_t longest(const Rows& rows, const std::vector<KeyedRow>& members) {
  int64_t length = 0;
  for (const KeyedRow& member : members) length = std::max(length, int64_t{rows.row(member.place).num_tokens});
  return length;
}

int64_t count_kept(const Rows& rows, const std::vector<KeyedRow>& members) {
  int64_t kept = 0;
  for (const KeyedRow& member : members) kept += rows.row(member.place).num_kept;
  return kept;
}

// Writes row after row through raw pointers: the tensors are ours alone until the batch is handed out.
class BatchWriter {
 public:
  BatchWriter(TokenBatch& batch, int64_t length, const Rows& rows)
      : batch_(batch),
        rows_(rows),
        length_(length),
        ids_(batch.ids_BT.mutable_data_ptr<int64_t>()),
        positions_(batch.positions_BT.mutable_data_ptr<int64_t>()),
        documents_(batch.documents_BT.mutable_data_ptr<int64_t>()),
        targets_(batch.targets_BT.mutable_data_ptr<int64_t>()),
        kept_(batch.kept_N.mutable_data_ptr<int64_t>()),
        kept_targets_(batch.kept_targets_N.mutable_data_ptr<int64_t>()) {}

  void write_row(int64_t b, const std::vector<DocumentView>& documents, uint64_t noise_key) {
    int64_t at = b * length_;
    auto& lengths = batch_.document_lengths.emplace_back();
    for (size_t number = 0; number < documents.size(); ++number) {
      write_tokens(at, static_cast<int64_t>(number), documents[number]);
      write_targets(b, at, documents[number], random_key({noise_key, number}));
      at += documents[number].length;
      lengths.push_back(documents[number].length);
    }
    batch_.num_tokens += at - b * length_;
    batch_.one_document_per_row &= documents.size() == 1;
    pad(at, (b + 1) * length_);
  }

 private:
  void write_tokens(int64_t at, int64_t number, const DocumentView& document) {
    for (size_t t = 0; t < document.length; ++t, ++at) {
      ids_[at] = document.tokens[t].id();
      positions_[at] = static_cast<int64_t>(t);
      documents_[at] = number;
      targets_[at] = kIgnored;
    }
  }

  void write_targets(int64_t b, int64_t at, const DocumentView& document, uint64_t noise_key) {
    switch (rows_.task.targets) {
      case Targets::next_token:
        for (size_t t = 0; t + 1 < document.length; ++t)
          if (document.tokens[t + 1].kept()) note_target(at + static_cast<int64_t>(t), document.label(t + 1));
        break;
      case Targets::masked_tokens:
        for (const MaskedToken& one : choose_masked(document.span(), document.num_kept, rows_.mask_words, noise_key)) {
          note_target(at + one.place, document.tokens[one.place].id());
          ids_[at + one.place] = one.shown;
        }
        break;
      case Targets::row_class:
      case Targets::row_vector:
        note_kept(b, document.row_class);
    }
  }

  void note_target(int64_t at, int64_t target) {
    targets_[at] = target;
    note_kept(at, target);
  }

  void note_kept(int64_t place, int64_t target) {
    kept_[batch_.num_kept] = place;
    kept_targets_[batch_.num_kept++] = target;
  }

  void pad(int64_t from, int64_t to) {
    std::fill(ids_ + from, ids_ + to, 0);
    std::fill(positions_ + from, positions_ + to, 0);
    std::fill(documents_ + from, documents_ + to, -1);
    std::fill(targets_ + from, targets_ + to, int64_t{kIgnored});
  }

  TokenBatch& batch_;
  const Rows& rows_;
  int64_t length_;
  int64_t *ids_, *positions_, *documents_, *targets_, *kept_, *kept_targets_;
};

// Where each document of each row begins, as a flat position.
std::vector<std::vector<int64_t>> beginnings(const TokenBatch& batch) {
  std::vector<std::vector<int64_t>> all;
  for (size_t b = 0; b < batch.document_lengths.size(); ++b) {
    int64_t at = static_cast<int64_t>(b) * batch.length();
    auto& row = all.emplace_back();
    for (const int64_t length : batch.document_lengths[b]) {
      row.push_back(at);
      at += length;
    }
  }
  return all;
}

// `teacher` was made of Rows::teacher: its labels are places of the student's tokens. They become rows of the student's kept_N.
std::vector<int64_t> rows_of_pairs(const TokenBatch& batch, const TokenBatch& teacher) {
  const auto begins = beginnings(batch);
  const int64_t* kept = batch.kept_N.const_data_ptr<int64_t>();
  const int64_t* positions = teacher.kept_N.const_data_ptr<int64_t>();
  const int64_t* places = teacher.kept_targets_N.const_data_ptr<int64_t>();
  const int64_t* documents = teacher.documents_BT.const_data_ptr<int64_t>();
  std::vector<int64_t> rows;
  for (int64_t p = 0, n = 0; p < teacher.num_kept; ++p) {
    const auto b = static_cast<size_t>(positions[p] / teacher.length()), d = static_cast<size_t>(documents[positions[p]]);
    const int64_t position = begins[b][d] + places[p] - 1;  // the token at `places` is predicted one before it
    while (n < batch.num_kept && kept[n] < position) ++n;
    if (n == batch.num_kept || kept[n] != position) throw Bug("a counterpart of a position that is not kept");
    rows.push_back(n);
  }
  return rows;
}

void attach_teacher(TokenBatch& batch, TokenBatch teacher) {
  batch.pairs.rows = rows_of_pairs(batch, teacher);
  batch.pairs.rows_P = teacher.kept_targets_N;  // of the same size and kind of memory
  std::copy(batch.pairs.rows.begin(), batch.pairs.rows.end(), batch.pairs.rows_P.mutable_data_ptr<int64_t>());
  teacher.targets_BT = teacher.kept_targets_N = at::Tensor();
  batch.teacher = std::make_shared<TokenBatch>(std::move(teacher));
}

}  // namespace

TokenBatch make_batch(const Rows& rows, const std::vector<KeyedRow>& members, bool pin_memory, uint64_t noise_seed) {
  const auto num_rows = static_cast<int64_t>(members.size());
  const int64_t length = longest(rows, members), num_kept = count_kept(rows, members);
  const auto options = at::TensorOptions().dtype(at::kLong).pinned_memory(pin_memory && at::hasCUDA());
  TokenBatch batch;
  for (at::Tensor TokenBatch::*member :
       {&TokenBatch::ids_BT, &TokenBatch::positions_BT, &TokenBatch::documents_BT, &TokenBatch::targets_BT})
    batch.*member = at::empty({num_rows, length}, options);
  batch.row_keys_B = at::empty({num_rows}, options);
  batch.kept_N = at::empty({num_kept}, options);
  batch.kept_targets_N = at::empty({num_kept}, options);
  BatchWriter writer(batch, length, rows);
  RowBuffer buffer;
  for (int64_t b = 0; b < num_rows; ++b) {
    const KeyedRow& member = members[static_cast<size_t>(b)];
    batch.row_keys_B.mutable_data_ptr<int64_t>()[b] = member.key;
    writer.write_row(b, rows.read(member.place, buffer),
                     random_key({noise_seed, kMaskStream, static_cast<uint64_t>(member.key)}));
  }
  if (rows.teacher) attach_teacher(batch, make_batch(*rows.teacher, members, pin_memory, noise_seed));
  return batch;
}

}  // namespace distill
