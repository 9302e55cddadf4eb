// Post-processors: what happens to the tokens of a text at the end. Here: ByteLevel (offsets leave out white space),
// TemplateProcessing and BertProcessing (special tokens round the text), RobertaProcessing (both), and sequences of them.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "distill/text/tokenizer.h"

namespace distill {

// A token with the number of white-space characters at both ends of its spelling.
struct TextToken {
  int32_t id;
  uint32_t begin;  // bytes of the input
  uint32_t end;
  uint32_t leading_spaces;
  uint32_t trailing_spaces;
};

struct TrimOffsets {
  bool add_prefix_space;
};
struct WrapInTemplate {
  // The ids of a special token, or, where empty, the text itself.
  std::vector<std::vector<int32_t>> pieces;
};
using PostProcessorStep = std::variant<TrimOffsets, WrapInTemplate>;

class PostProcessor {
 public:
  PostProcessor() = default;
  explicit PostProcessor(std::vector<PostProcessorStep> steps) : steps_(std::move(steps)) {}
  bool trims_offsets() const;
  // `tokens` is changed on the way.
  Encoding apply(std::string_view input, std::vector<TextToken>& tokens, bool add_special_tokens) const;

 private:
  std::vector<PostProcessorStep> steps_;  // at most one template
};

// White-space characters (and the byte alphabet's space) at the start and the end of a token's spelling.
struct SpaceCounts {
  uint32_t leading;
  uint32_t trailing;
};
SpaceCounts count_spaces(std::string_view spelling);

}  // namespace distill
