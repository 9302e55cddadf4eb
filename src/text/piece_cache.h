// What a model made of the pieces that it has seen; bounded, and of one thread at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "distill/core/file.h"

#include "symbol.h"

namespace distill {

class PieceCache {
 public:
  // Appends what `piece` stands for; `make` appends it to an empty vector when it is not remembered.
  template <typename Make>
  void append(std::string_view piece, std::vector<Symbol>& out, const Make& make) {
    if (piece.size() > kLongestRemembered) {
      made_.clear();
      make(made_);
      out.insert(out.end(), made_.begin(), made_.end());
      return;
    }
    if (slots_.empty()) slots_.resize(kNumSlots);
    Slot& slot = slots_[hash_text(piece) % kNumSlots];
    if (slot.piece != piece) {
      slot.piece.clear();  // holds nothing while `make` may throw
      slot.symbols.clear();
      make(slot.symbols);
      slot.piece = piece;
    }
    out.insert(out.end(), slot.symbols.begin(), slot.symbols.end());
  }

 private:
  static constexpr size_t kNumSlots = size_t{1} << 15;
  static constexpr size_t kLongestRemembered = 64;  // bytes; longer pieces hardly ever come back
  struct Slot {
    std::string piece;  // pieces are not empty: an empty one is a free slot
    std::vector<Symbol> symbols;
  };
  std::vector<Slot> slots_;
  std::vector<Symbol> made_;
};

}  // namespace distill
