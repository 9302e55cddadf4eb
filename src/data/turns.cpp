// Where the assistant's turns stand in the text of a conversation. Templates are programs: a turn may be written differently when
// it is the last one, so a range is given only where two renderings agree on it.
#include <algorithm>
#include <optional>
#include <string_view>

#include "distill/core/error.h"
#include "distill/data/conversation.h"

namespace distill {
namespace {

// The text round the content of one message.
struct Around {
  std::string before, after;
};

// A character of the private use area that the text does not hold.
std::string mark_for(const std::string& text) {
  for (unsigned char last = 0x80; last < 0xC0; ++last) {
    std::string mark = std::string("\xEE\x9F") + static_cast<char>(last);
    if (text.find(mark) == std::string::npos) return mark;
  }
  return "";
}

class TurnFinder {
 public:
  TurnFinder(const MessagesSample& sample, const ChatTemplate& chat, const std::string& where, bool add_generation_prompt)
      : sample_(sample),
        chat_(chat),
        where_(where),
        add_generation_prompt_(add_generation_prompt),
        full_(render(sample.messages, add_generation_prompt)) {}

  const ChatText& full() const { return full_; }

  // What follows the prompt's messages and, where the model is to speak, its header.
  std::pair<size_t, size_t> completion(size_t num_prompt) const { return {begin_of(num_prompt), end_of(count() - 1)}; }

  std::vector<std::pair<size_t, size_t>> assistant_turns() const {
    std::vector<std::pair<size_t, size_t>> spans;
    for (size_t i = 0; i < count(); ++i) {
      if (!is_assistant(i)) continue;
      spans.emplace_back(begin_of(i), end_of(i));
      const bool in_order = spans.back().first <= spans.back().second &&
                            (spans.size() == 1 || spans[spans.size() - 2].second <= spans.back().first);
      if (!in_order) refuse(i);
    }
    return spans;
  }

 private:
  size_t count() const { return sample_.messages.size(); }
  bool is_assistant(size_t i) const { return sample_.messages[i].value("role", "") == "assistant"; }

  ChatText render(const Json& messages, bool generation_prompt) const {
    try {
      return chat_.render({messages, sample_.tools, generation_prompt, sample_.variables});
    } catch (const InputError& error) {
      Complaint complaint = error.complaints().front();
      complaint.where = where_ + ", " + complaint.where;  // the row, and the place in the template
      throw InputError(complaint);
    }
  }

  // Parts of a conversation may be what a template refuses.
  std::optional<std::string> text_of(const Json& messages, bool generation_prompt) const {
    try {
      return render(messages, generation_prompt).text;
    } catch (const InputError&) {
      return std::nullopt;
    }
  }

  Json first(size_t number) const {
    Json messages = Json::array();
    for (size_t i = 0; i < number; ++i) messages.push_back(sample_.messages[i]);
    return messages;
  }

  std::optional<Around> around(Json messages, size_t i, bool generation_prompt) const {
    const std::string mark = mark_for(full_.text);
    Json& content = messages[i]["content"];
    if (content.is_array())
      content = Json::array({{{"type", "text"}, {"text", mark}}});
    else
      content = mark;
    const auto text = text_of(messages, generation_prompt);
    if (mark.empty() || !text) return std::nullopt;
    const size_t at = text->find(mark);
    if (at == std::string::npos || text->find(mark, at + 1) != std::string::npos) return std::nullopt;
    return Around{text->substr(0, at), text->substr(at + mark.size())};
  }

  // Bytes between the generation prompt and the content, in a conversation that ends with the turn.
  std::optional<size_t> gap_before_content(size_t i, const std::string& header) const {
    if (const auto prompt = text_of(first(i), true)) {
      if (header.starts_with(*prompt)) return header.size() - prompt->size();
      if (prompt->starts_with(header)) return 0;  // it goes on with what this turn lacks, such as <think>
      if (i > 0) return std::nullopt;
    }
    // Nothing comes before the first turn, which few templates write: the prompt is what is appended behind it.
    const auto without = text_of(first(i + 1), false), with = text_of(first(i + 1), true);
    if (!without || !with || !with->starts_with(*without)) return std::nullopt;
    const std::string_view prompt = std::string_view(*with).substr(without->size());
    return !prompt.empty() && header.ends_with(prompt) ? std::optional<size_t>(0) : std::nullopt;
  }

  std::optional<size_t> begin_by_mark(size_t i) const {
    const auto last = around(first(i + 1), i, false), inside = around(sample_.messages, i, add_generation_prompt_);
    if (!last || !inside) return std::nullopt;
    const auto gap = gap_before_content(i, last->before);
    if (!gap || !inside->before.ends_with(std::string_view(last->before).substr(last->before.size() - *gap))) return std::nullopt;
    const size_t begin = inside->before.size() - *gap;
    if (!full_.text.starts_with(std::string_view(inside->before).substr(0, begin))) return std::nullopt;
    return begin;
  }

  // The turn ends as it does where nothing follows; behind that stands the rest, whatever the content is.
  std::optional<size_t> end_by_mark(size_t i) const {
    const auto last = around(first(i + 1), i, false), inside = around(sample_.messages, i, add_generation_prompt_);
    if (!last || !inside || !inside->after.starts_with(last->after)) return std::nullopt;
    const std::string_view rest = std::string_view(inside->after).substr(last->after.size());
    if (!full_.text.ends_with(rest)) return std::nullopt;
    return full_.text.size() - rest.size();
  }

  size_t begin_of(size_t i) const {
    const auto before = text_of(first(i), is_assistant(i));
    if (before && full_.text.starts_with(*before)) return before->size();
    const auto begin = is_assistant(i) ? begin_by_mark(i) : std::nullopt;
    return begin ? *begin : refuse(i);
  }

  size_t end_of(size_t i) const {
    if (i + 1 == count() && !add_generation_prompt_) return full_.text.size();
    const auto after = text_of(first(i + 1), false);
    if (after && full_.text.starts_with(*after)) return after->size();
    const auto end = end_by_mark(i);
    return end ? *end : refuse(i);
  }

  [[noreturn]] size_t refuse(size_t i) const {
    throw InputError(
        {where_, "a chat template that writes what comes before a turn in the same way with and without the turn",
         "message " + std::to_string(i + 1) + " of " + std::to_string(count()) +
             ", whose place in the text cannot be told for certain",
         "Put {% generation %} and {% endgeneration %} round what the model says in a copy of the template and name it "
         "in data.chat_template, or set data.assistant_only_loss: false.",
         ""});
  }

  const MessagesSample& sample_;
  const ChatTemplate& chat_;
  const std::string& where_;
  const bool add_generation_prompt_;
  ChatText full_;
};

std::string words_of(const Json& message) {
  const auto content = message.find("content");
  if (content == message.end() || !content->is_string()) return "";
  const std::string& text = content->get_ref<const std::string&>();
  const char* blanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(blanks);
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

// The message that each span begins with; none when spans and messages do not correspond.
std::vector<std::string> words_of_spans(const MessagesSample& sample, size_t num_spans) {
  if (sample.num_prompt) return {words_of(sample.messages.at(*sample.num_prompt))};
  std::vector<std::string> words;
  for (const Json& message : sample.messages)
    if (message.value("role", "") == "assistant") words.push_back(words_of(message));
  return words.size() == num_spans ? words : std::vector<std::string>(num_spans);
}

}  // namespace

std::vector<TextStretch> stretches_of(const MessagesSample& sample, const TurnText& turns) {
  const std::vector<std::string> words = words_of_spans(sample, turns.spans.size());
  std::vector<TextStretch> stretches;
  for (size_t s = 0; s < turns.spans.size(); ++s) {
    TextStretch stretch{turns.spans[s].first, turns.spans[s].second, std::nullopt};
    const size_t at = words[s].empty() ? std::string::npos : turns.text.find(words[s], stretch.begin);
    if (at != std::string::npos && at + words[s].size() <= stretch.end) stretch.words = at;
    stretches.push_back(stretch);
  }
  return stretches;
}

TurnText write_turns(const MessagesSample& sample, const ChatTemplate& chat, const std::string& where,
                     bool add_generation_prompt) {
  const TurnFinder finder(sample, chat, where, add_generation_prompt);
  TurnText turns{finder.full().text, {}, false};
  if (sample.num_prompt) {
    turns.spans = {finder.completion(*sample.num_prompt)};
  } else if (chat.marks_generation()) {
    turns.spans = finder.full().generated;
    turns.marked = true;
  } else {
    turns.spans = finder.assistant_turns();
  }
  return turns;
}

std::string write_conversation(const MessagesSample& sample, const ChatTemplate& chat, const std::string& where) {
  return TurnFinder(sample, chat, where, false).full().text;
}

std::vector<bool> tokens_in_spans(const Encoding& encoding, const TurnText& turns) {
  std::vector<bool> inside(encoding.ids.size(), false);
  for (const auto& [begin, end] : turns.spans) {
    for (size_t t = 0; t < inside.size(); ++t) {
      const auto [from, to] = encoding.offsets[t];
      if (turns.marked ? from < end && to > begin : from >= begin && from < end) inside[t] = true;
    }
  }
  return inside;
}

}  // namespace distill
