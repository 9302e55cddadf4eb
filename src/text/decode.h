// Decoders: from the spellings of tokens back to text.
// Here: ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace, WordPiece, BPEDecoder, CTC, and sequences of them.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "pattern.h"

namespace distill {

struct DecodeByteLevel {};
struct DecodeByteFallback {};
struct FuseTokens {};
struct StripTokens {
  char32_t content;
  size_t start;  // at most so many are taken off each end
  size_t stop;
};
struct ReplaceInTokens {
  Pattern pattern;
  std::string content;
};
struct DecodeMetaspace {
  char32_t replacement;
  bool drop_in_first;  // the first token's are not spaces
};
struct DecodeWordPiece {
  std::string prefix;  // of tokens that continue a word; the others get a space before them
  bool cleanup;        // no spaces before punctuation and English contractions, in each token by itself
};
struct DecodeSuffix {
  std::string suffix;  // of tokens that end a word: a space, but nothing at the end
};
struct DecodeCtc {
  std::string pad_token;  // is nothing; equal tokens without one between them are one
  std::string word_delimiter_token;
  bool cleanup;  // as WordPiece's; only then are the delimiters spaces
};
using DecoderStep = std::variant<DecodeByteLevel, DecodeByteFallback, FuseTokens, StripTokens, ReplaceInTokens, DecodeMetaspace,
                                 DecodeWordPiece, DecodeSuffix, DecodeCtc>;

class Decoder {
 public:
  explicit Decoder(std::vector<DecoderStep> steps) : steps_(std::move(steps)) {}
  std::string apply(std::vector<std::string> tokens, RegexScratch& scratch) const;

 private:
  std::vector<DecoderStep> steps_;
};

}  // namespace distill
