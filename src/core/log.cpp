#include "distill/core/log.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>

namespace distill::log {
namespace {

std::mutex mutex;
std::vector<std::string> kept_warnings;
std::string status_line;
bool color = false;

const char* paint(spdlog::level::level_enum level) {
  if (!color) return "";
  if (level == spdlog::level::warn) return "\033[33m";
  if (level >= spdlog::level::err) return "\033[31m";
  return "";
}

void erase_status() {
  if (!status_line.empty()) std::fputs("\r\033[K", stderr);
}
void draw_status() {
  if (!status_line.empty()) std::fputs(status_line.c_str(), stderr);
}

class StderrSink : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::lock_guard lock(mutex);
    erase_status();
    const char* label = message.level == spdlog::level::warn ? "warning: " : message.level >= spdlog::level::err ? "error: " : "";
    const std::string text(message.payload.data(), message.payload.size());
    const char* on = paint(message.level);
    std::fprintf(stderr, "%s%s%s%s\n", on, label, *on ? "\033[0m" : "", text.c_str());
    draw_status();
    std::fflush(stderr);
  }
  void flush_() override { std::fflush(stderr); }
};

spdlog::logger& logger() {
  static spdlog::logger instance("distill", std::make_shared<StderrSink>());
  return instance;
}

}  // namespace

void configure(Level level, const std::string& color_choice) {
  const char* no_color = std::getenv("NO_COLOR");
  const bool automatic = isatty(STDERR_FILENO) && !(no_color && *no_color);
  color = color_choice == "always" || (color_choice != "never" && automatic);
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::trace, spdlog::level::debug, spdlog::level::info,
                                                   spdlog::level::warn,  spdlog::level::err,   spdlog::level::off};
  logger().set_level(kLevels[static_cast<int>(level)]);
}

void debug(const std::string& message) { logger().log(spdlog::level::debug, spdlog::string_view_t(message)); }
void info(const std::string& message) { logger().log(spdlog::level::info, spdlog::string_view_t(message)); }
void warn(const std::string& message) {
  {
    const std::lock_guard lock(mutex);
    kept_warnings.push_back(message);
  }
  logger().log(spdlog::level::warn, spdlog::string_view_t(message));
}
void error(const std::string& message) { logger().log(spdlog::level::err, spdlog::string_view_t(message)); }

std::vector<std::string> warnings() {
  const std::lock_guard lock(mutex);
  return kept_warnings;
}

bool color_on_stderr() { return color; }

void set_status_line(const std::string& text) {
  const std::lock_guard lock(mutex);
  erase_status();
  status_line = text;
  draw_status();
  std::fflush(stderr);
}

}  // namespace distill::log
