// A JSON text from a stranger, on its way to nlohmann's events: where it breaks is said with line and column, in little memory.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace distill {

class JsonText {
 public:
  // Keeps the view. InputError for a NUL byte, which the library takes for the end.
  JsonText(std::string_view text, std::string where);
  const std::string& where() const { return where_; }

  // Sends the events to `reader`, a nlohmann SAX interface whose parse_error() calls refuse().
  template <class Json, class Reader>
  void send_to(Reader& reader) const {
    const std::string_view part = text_.substr(0, fault_ ? fault_->token : text_.size());
    Json::sax_parse(part.begin(), part.end(), &reader);
  }
  // InputError: what the library found at its `byte`.
  [[noreturn]] void refuse(size_t byte, const nlohmann::detail::exception& error) const;

 private:
  // A string or a number that breaks after very many bytes: the library would copy it several times to tell of it, so that it is
  // given the text before it, and its complaint of the end becomes this one.
  struct Fault {
    size_t token = 0, byte = 0;
    std::string reason;
  };
  static std::optional<Fault> find_long_fault(std::string_view text);
  [[noreturn]] void refuse_at(size_t byte, const std::string& reason) const;

  std::string_view text_;
  std::string where_;
  std::optional<Fault> fault_;
};

}  // namespace distill
