#include "distill/data/render.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "distill/core/error.h"
#include "distill/data/conversation.h"

namespace distill {
namespace {

[[noreturn]] void refuse_text(const RenderRules& rules, const std::string& where) {
  Complaint complaint{where, "\"input_ids\", as there is no tokenizer", "text",
                      "Put a tokenizer.json into the student's or the teacher's folder.", ""};
  if (rules.tokenizer_problem) {
    complaint = *rules.tokenizer_problem;
    complaint.where = where + ", " + complaint.where;
  }
  throw InputError(complaint);
}

Encoding encode(const std::string& text, const RenderRules& rules, const std::string& where, bool add_special_tokens = true) {
  if (!rules.tokenizer) refuse_text(rules, where);
  try {
    return rules.tokenizer->encode(text, add_special_tokens);
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

// Whether the token may be a label, its row permitting.
bool is_target(size_t index, int32_t id, const RenderRules& rules) {
  switch (rules.task.targets) {
    case Targets::next_token:
      return index > 0;  // nothing predicts a first token
    case Targets::masked_tokens:
      return !rules.tokenizer || !rules.tokenizer->is_special(id);
    default:
      return false;
  }
}

Document document_of(std::vector<int32_t> ids, size_t first_kept, const RenderRules& rules, const std::string& where) {
  if (rules.append_eos) append_eos(ids, first_kept, rules, where);
  if (!rules.completion_only) first_kept = 0;
  Document document;
  document.tokens.reserve(ids.size());
  for (size_t i = 0; i < ids.size(); ++i)
    document.tokens.push_back(Token::of(ids[i], i >= first_kept && is_target(i, ids[i], rules)));
  return document;
}

// Tokens that come from no byte of the text, at either end.
void note_surroundings(Document& document, const Encoding& encoding) {
  const auto added = [](const auto& offsets) { return offsets.first == offsets.second; };
  const auto front = std::find_if_not(encoding.offsets.begin(), encoding.offsets.end(), added);
  document.num_front = static_cast<uint32_t>(front - encoding.offsets.begin());
  const auto back = std::find_if_not(encoding.offsets.rbegin(), std::make_reverse_iterator(front), added);
  document.num_back = static_cast<uint32_t>(back - encoding.offsets.rbegin());
}

// Tokens that were appended to the encoding stand behind the text.
void note_trace(TextTrace& trace, std::string text, const Encoding& encoding, size_t num_tokens) {
  const auto end = static_cast<uint32_t>(text.size());
  trace.text = std::move(text);
  trace.offsets = encoding.offsets;
  trace.offsets.resize(num_tokens, {end, end});
}

void note_whole_text(TextTrace& trace, std::string text, const Encoding& encoding, size_t num_tokens) {
  trace.stretches = {{0, text.size(), std::nullopt}};
  note_trace(trace, std::move(text), encoding, num_tokens);
}

Document render_text(const TextSample& sample, const RenderRules& rules, const std::string& where, TextTrace* trace) {
  const Encoding encoding = encode(sample.text, rules, where);
  expect_in_vocabulary(encoding.ids, rules, where);
  Document document = document_of(encoding.ids, 0, rules, where);
  note_surroundings(document, encoding);
  document.row_class = sample.row_class;
  if (trace) note_whole_text(*trace, sample.text, encoding, document.tokens.size());
  return document;
}

Document render_completion(const CompletionSample& sample, const RenderRules& rules, const std::string& where, TextTrace* trace) {
  if (rules.task.one_document_per_row())
    throw InputError({where, "one text or one list of input_ids, as a row is one sample", "a prompt with its completion",
                      "Write the whole text as `text`.", ""});
  const Encoding encoding = encode(sample.prompt + sample.completion, rules, where);
  expect_in_vocabulary(encoding.ids, rules, where);
  const size_t first_kept = first_after_prompt(encoding, sample.prompt.size());
  Document document = document_of(encoding.ids, first_kept, rules, where);
  note_surroundings(document, encoding);
  if (trace) note_whole_text(*trace, sample.prompt + sample.completion, encoding, document.tokens.size());
  return document;
}

// Only what the template writes: no special tokens, no end of sequence of ours.
Document render_messages(const MessagesSample& sample, const RenderRules& rules, const std::string& where, TextTrace* trace) {
  if (rules.task.targets != Targets::next_token)
    throw InputError({where, "text or input_ids, as the task is not causal_lm", "a conversation",
                      "Write the whole text as {\"text\": ...}.", ""});
  const ChatTemplate& chat = expect_template(rules.words, sample, where);
  const bool find_turns = rules.completion_only || trace;
  const TurnText turns =
      find_turns ? write_turns(sample, chat, where) : TurnText{write_conversation(sample, chat, where), {}, false};
  const Encoding encoding = encode(turns.text, rules, where, /*add_special_tokens=*/false);
  expect_in_vocabulary(encoding.ids, rules, where);
  const std::vector<bool> inside = tokens_in_spans(encoding, turns);
  Document document;
  document.tokens.reserve(inside.size());
  for (size_t t = 0; t < inside.size(); ++t) {
    const bool learned = inside[t] || !rules.completion_only;
    document.tokens.push_back(Token::of(encoding.ids[t], learned && is_target(t, encoding.ids[t], rules)));
  }
  if (trace) trace->stretches = stretches_of(sample, turns);
  if (trace) note_trace(*trace, turns.text, encoding, document.tokens.size());
  return document;
}

// Rows that come with their masks would be masked a second time.
[[noreturn]] void refuse_ready_masks(const IdsSample& sample, size_t i, const std::string& where) {
  throw InputError({where,
                    "labels that equal their input_ids, or -100 where nothing is to be predicted: masks are made anew for "
                    "every epoch",
                    "label " + std::to_string(sample.labels[i]) + " for id " + std::to_string(sample.ids[i]) + " at index " +
                        std::to_string(i),
                    "Give the ids before masking.", ""});
}

Document render_ids(const IdsSample& sample, const RenderRules& rules, const std::string& where) {
  Document document;
  document.row_class = sample.row_class;
  document.tokens.reserve(sample.ids.size());
  bool labels_differ = false;
  for (size_t i = 0; i < sample.ids.size(); ++i) {
    const bool labelled = sample.labels.empty() || sample.labels[i] != kIgnored;
    const bool kept = labelled && is_target(i, sample.ids[i], rules);
    const bool differs = labelled && !sample.labels.empty() && sample.labels[i] != sample.ids[i];
    if (differs && rules.task.targets == Targets::masked_tokens) refuse_ready_masks(sample, i, where);
    labels_differ |= kept && differs;
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
  Document piece;
  piece.tokens = range(whole.tokens);
  if (!whole.labels.empty()) piece.labels = range(whole.labels);
  piece.tokens.front() = Token::of(piece.tokens.front().id(), false);
  return piece;
}

// Tokens from `begin` to `end` of the text between those that the post-processor added.
Document inner_piece(const Document& whole, size_t begin, size_t end) {
  Document piece;
  piece.row_class = whole.row_class;
  const auto append = [&](size_t from, size_t to) {
    piece.tokens.insert(piece.tokens.end(), whole.tokens.begin() + static_cast<std::ptrdiff_t>(from),
                        whole.tokens.begin() + static_cast<std::ptrdiff_t>(to));
  };
  append(0, whole.num_front);
  append(begin, end);
  append(whole.tokens.size() - whole.num_back, whole.tokens.size());
  return piece;
}

std::vector<Document> cut_inside(const Document& document, size_t length, Overflow overflow) {
  const size_t around = document.num_front + document.num_back, end = document.tokens.size() - document.num_back;
  if (around >= length)
    throw InputError({"data.sequence_length", "more than the " + std::to_string(around) + " tokens around every text",
                      std::to_string(length), "Raise data.sequence_length.", ""});
  std::vector<Document> pieces;
  for (size_t begin = document.num_front; begin < end; begin += length - around) {
    pieces.push_back(inner_piece(document, begin, std::min(end, begin + length - around)));
    if (overflow == Overflow::truncate) break;
  }
  return pieces;
}

}  // namespace

RenderRules render_rules(const DataRecipe& recipe, const Tokenizer* tokenizer, int64_t vocab_size, const TaskRules& task,
                         const ChatWords& words) {
  RenderRules rules;
  rules.tokenizer = tokenizer;
  rules.words = words;
  rules.append_eos = recipe.append_eos && task.targets == Targets::next_token;
  rules.eos = tokenizer ? tokenizer->eos_id() : std::nullopt;
  rules.completion_only = recipe.assistant_only_loss;
  rules.vocab_size = vocab_size;
  rules.task = task;
  return rules;
}

Document render(const Sample& sample, const RenderRules& rules, const std::string& where, TextTrace* trace) {
  if (const auto* text = std::get_if<TextSample>(&sample)) return render_text(*text, rules, where, trace);
  if (const auto* completion = std::get_if<CompletionSample>(&sample)) return render_completion(*completion, rules, where, trace);
  if (const auto* messages = std::get_if<MessagesSample>(&sample)) return render_messages(*messages, rules, where, trace);
  return render_ids(std::get<IdsSample>(sample), rules, where);
}

std::vector<Document> cut(Document document, int64_t length, Overflow overflow, Targets targets) {
  std::vector<Document> pieces;
  const size_t total = document.tokens.size(), step = static_cast<size_t>(length);
  if (total <= step) {
    pieces.push_back(std::move(document));
    return pieces;
  }
  if (targets != Targets::next_token) return cut_inside(document, step, overflow);
  for (size_t begin = 0; begin < total; begin += step) {
    pieces.push_back(piece_of(document, begin, std::min(total, begin + step)));
    if (overflow == Overflow::truncate) break;
  }
  return pieces;
}

int64_t num_kept(const Document& document, const TaskRules& task) {
  const auto kept = std::count_if(document.tokens.begin(), document.tokens.end(), [](Token token) { return token.kept(); });
  switch (task.targets) {
    case Targets::next_token:
      return kept;
    case Targets::masked_tokens:  // a fixed number, so that an update's count is known before its masks
      return kept == 0 ? 0 : std::max<int64_t>(1, std::llround(task.mask_probability * static_cast<double>(kept)));
    case Targets::row_class:
      return !document.tokens.empty() && (document.row_class || !task.labels_needed) ? 1 : 0;
    case Targets::row_vector:
      return document.tokens.empty() ? 0 : 1;
  }
  throw Bug("a task without targets");
}

}  // namespace distill
