// The one facade over spdlog. Plain strings only: spdlog's fmt must never meet the fmt inside torch's headers.
// Messages go to stderr; stdout carries results only.
#pragma once

#include <string>
#include <vector>

namespace distill::log {

enum class Level { trace, debug, info, warn, error, off };

// `color`: "auto" (terminal and no NO_COLOR), "always", "never".
void configure(Level level, const std::string& color);
void debug(const std::string& message);
void info(const std::string& message);
void warn(const std::string& message);  // also kept for warnings()
void error(const std::string& message);
// Every warning so far, for summaries.
std::vector<std::string> warnings();
bool color_on_stderr();
// The text of a transient status line (progress). Log messages clear it first and redraw it after; "" removes it.
void set_status_line(const std::string& text);

}  // namespace distill::log
