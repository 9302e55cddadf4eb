// A model file of SentencePiece: a protocol buffer, read without a library. Knows the wire format and the fields that matter
// to a tokenizer, not what a tokenizer class makes of them; sentencepiece_folder.h does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace distill {

enum class PieceType { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

struct SentencePiece {
  std::string text;
  float score = 0;
  PieceType type = PieceType::normal;
};

enum class SentencePieceAlgorithm { unigram = 1, bpe = 2, word = 3, characters = 4 };

struct SentencePieceModel {
  std::vector<SentencePiece> pieces;  // the place in the list is the id
  SentencePieceAlgorithm algorithm = SentencePieceAlgorithm::unigram;
  std::string precompiled_charsmap;  // bytes; empty: the text stays as it is
};

// InputError names `path` and the byte where the file stops making sense. Pieces are UTF-8 and each is there once.
SentencePieceModel parse_sentencepiece_model(std::string_view bytes, const std::string& path);

}  // namespace distill
