// Names that come out of files, as messages show them: a hostile one may be a megabyte long or steer a terminal.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace distill {

// At most `max_bytes` of it, control characters as `?`.
inline std::string shown(std::string_view name, size_t max_bytes = 200) {
  std::string text(name.substr(0, max_bytes));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; }, '?');
  return name.size() > max_bytes ? text + "..." : text;
}

}  // namespace distill
