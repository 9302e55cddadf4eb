#include "distill/data/render.h"

#include <algorithm>
#include <utility>

#include "distill/core/error.h"

namespace distill {
namespace {

Encoding encode(const std::string& text, const RenderRules& rules, const std::string& where) {
  if (!rules.tokenizer)
    throw InputError({where, "\"input_ids\", as there is no tokenizer", "text",
                      "Put a tokenizer.json into the student's or the teacher's folder.", ""});
  try {
    return rules.tokenizer->encode(text, /*add_special_tokens=*/true);
  } catch (const InputError& error) {
    Complaint complaint = error.complaints().front();
    complaint.where = where;  // the tokenizer does not know which line it was given
    throw InputError(complaint);
  }
}

void expect_in_vocabulary(const std::vector<int32_t>& ids, const RenderRules& rules, const std::string& where) {
  if (rules.vocab_size <= 0) return;
  for (const int32_t id : ids) {
    if (id >= 0 && id < rules.vocab_size) continue;
    const auto name = rules.tokenizer->token_of(id);
    throw InputError({where, "token ids below the model's vocabulary size " + std::to_string(rules.vocab_size),
                      "id " + std::to_string(id) + (name ? " (" + *name + ")" : "") + " from the tokenizer",
                      "Use the tokenizer that belongs to this model, or a model with a larger vocabulary.", ""});
  }
}

// The first token after the prompt. Tokens that the post-processor added go with the token before them.
size_t first_after_prompt(const Encoding& encoding, size_t prompt_bytes) {
  for (size_t i = encoding.ids.size(); i > 0; --i) {
    const auto [begin, end] = encoding.offsets[i - 1];
    if (end > begin && begin < prompt_bytes) return i;
  }
  return 0;
}

void append_eos(std::vector<int32_t>& ids, size_t first_kept, const RenderRules& rules, const std::string& where) {
  if (!rules.eos) {
    throw InputError({where, "a tokenizer that names its end-of-sequence token, as data.append_eos is true", "none",
                      "Set \"eos_token\" in tokenizer_config.json beside tokenizer.json, or `append_eos: false` in the recipe.",
                      ""});
  }
  const bool ends_already = ids.size() > first_kept && ids.back() == *rules.eos;  // one inside the prompt does not count
  if (ends_already) return;
  ids.push_back(*rules.eos);
  expect_in_vocabulary({*rules.eos}, rules, where);
}

Document document_of(std::vector<int32_t> ids, size_t first_kept, const RenderRules& rules, const std::string& where) {
  if (rules.append_eos) append_eos(ids, first_kept, rules, where);
  if (!rules.completion_only) first_kept = 0;
  Document document;
  document.tokens.reserve(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) document.tokens.push_back(Token::of(ids[i], i >= std::max<size_t>(first_kept, 1)));
  return document;
}

Document render_text(const TextSample& sample, const RenderRules& rules, const std::string& where) {
  Encoding encoding = encode(sample.text, rules, where);
  expect_in_vocabulary(encoding.ids, rules, where);
  return document_of(std::move(encoding.ids), 0, rules, where);
}

Document render_completion(const CompletionSample& sample, const RenderRules& rules, const std::string& where) {
  Encoding encoding = encode(sample.prompt + sample.completion, rules, where);
  expect_in_vocabulary(encoding.ids, rules, where);
  const size_t first_kept = first_after_prompt(encoding, sample.prompt.size());
  return document_of(std::move(encoding.ids), first_kept, rules, where);
}

Document render_ids(const IdsSample& sample) {
  Document document;
  document.tokens.reserve(sample.ids.size());
  bool labels_differ = false;
  for (size_t i = 0; i < sample.ids.size(); ++i) {
    const bool kept = i > 0 && (sample.labels.empty() || sample.labels[i] != kIgnored);
    labels_differ |= kept && !sample.labels.empty() && sample.labels[i] != sample.ids[i];
    document.tokens.push_back(Token::of(sample.ids[i], kept));
  }
  if (labels_differ) document.labels = sample.labels;
  return document;
}

Document piece_of(const Document& whole, size_t begin, size_t end) {
  const auto range = [&](const auto& values) {
    return std::remove_cvref_t<decltype(values)>(values.begin() + static_cast<std::ptrdiff_t>(begin),
                                                 values.begin() + static_cast<std::ptrdiff_t>(end));
  };
  Document piece{range(whole.tokens), {}};
  if (!whole.labels.empty()) piece.labels = range(whole.labels);
  piece.tokens.front() = Token::of(piece.tokens.front().id(), false);
  return piece;
}

}  // namespace

RenderRules render_rules(const DataRecipe& recipe, const Tokenizer* tokenizer, int64_t vocab_size) {
  return {tokenizer, recipe.append_eos, tokenizer ? tokenizer->eos_id() : std::nullopt, recipe.assistant_only_loss, vocab_size};
}

Document render(const Sample& sample, const RenderRules& rules, const std::string& where) {
  if (const auto* text = std::get_if<TextSample>(&sample)) return render_text(*text, rules, where);
  if (const auto* completion = std::get_if<CompletionSample>(&sample)) return render_completion(*completion, rules, where);
  return render_ids(std::get<IdsSample>(sample));
}

std::vector<Document> cut(Document document, int64_t length, Overflow overflow) {
  std::vector<Document> pieces;
  const size_t total = document.tokens.size(), step = static_cast<size_t>(length);
  if (total <= step) {
    pieces.push_back(std::move(document));
    return pieces;
  }
  for (size_t begin = 0; begin < total; begin += step) {
    pieces.push_back(piece_of(document, begin, std::min(total, begin + step)));
    if (overflow == Overflow::truncate) break;
  }
  return pieces;
}

int64_t num_kept(const Document& document) {
  return std::count_if(document.tokens.begin(), document.tokens.end(), [](Token token) { return token.kept(); });
}

}  // namespace distill
