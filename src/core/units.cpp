#include "distill/core/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <string_view>

namespace distill {
namespace {

struct Word {
  std::string_view text;
  double factor;
  Unit unit;
};

constexpr Word kUnits[] = {
    {"steps", 1, Unit::steps},     {"step", 1, Unit::steps},     {"updates", 1, Unit::steps},    {"tokens", 1, Unit::tokens},
    {"token", 1, Unit::tokens},    {"epochs", 1, Unit::epochs},  {"epoch", 1, Unit::epochs},     {"%", 1, Unit::percent},
    {"seconds", 1, Unit::seconds}, {"second", 1, Unit::seconds}, {"s", 1, Unit::seconds},        {"minutes", 60, Unit::seconds},
    {"minute", 60, Unit::seconds}, {"min", 60, Unit::seconds},   {"hours", 3600, Unit::seconds}, {"hour", 3600, Unit::seconds},
    {"h", 3600, Unit::seconds},    {"", 1, Unit::none},
};

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Reads a decimal number at the front of `text` and removes it.
std::optional<double> take_number(std::string_view& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !std::isfinite(value)) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

double take_multiplier(std::string_view& text) {
  if (text.empty()) return 1;
  const bool alone = text.size() == 1 || text[1] == ' ';
  if (!alone) return 1;
  double factor = 1;
  switch (text.front()) {
    case 'k':
    case 'K':
      factor = 1e3;
      break;
    case 'M':
      factor = 1e6;
      break;
    case 'G':
    case 'B':
      factor = 1e9;
      break;
    default:
      return 1;
  }
  text.remove_prefix(1);
  return factor;
}

std::string format(const char* pattern, double value) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), pattern, value);
  return buffer.data();
}

}  // namespace

std::optional<Duration> parse_duration(const std::string& text) {
  std::string_view rest = trim(text);
  const auto number = take_number(rest);
  if (!number) return std::nullopt;
  const double factor = take_multiplier(rest);
  rest = trim(rest);
  for (const Word& word : kUnits)
    if (word.text == rest) return Duration{*number * factor * word.factor, word.unit};
  return std::nullopt;
}

std::string number_text(double value) {
  std::array<char, 64> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return error == std::errc() ? std::string(buffer.data(), end) : format("%.17g", value);
}

std::string to_string(const Duration& duration) {
  // 1e+06 is a number too, but people write 1000000.
  const bool whole = duration.amount == std::floor(duration.amount) && std::abs(duration.amount) < 1e15;
  std::string amount = whole ? format("%.0f", duration.amount) : number_text(duration.amount);
  switch (duration.unit) {
    case Unit::none:
      return amount;
    case Unit::steps:
      return amount + " steps";
    case Unit::tokens:
      return amount + " tokens";
    case Unit::epochs:
      return amount + " epochs";
    case Unit::percent:
      return amount + "%";
    case Unit::seconds:
      break;
  }
  const double in_minutes = duration.amount / 60;
  if (in_minutes == std::floor(in_minutes) && in_minutes > 0) return format("%.0f", in_minutes) + " minutes";
  return amount + " seconds";
}

std::optional<uint64_t> parse_bytes(const std::string& text) {
  struct Suffix {
    std::string_view text;
    double factor;
  };
  constexpr Suffix kSuffixes[] = {{"", 1},
                                  {"B", 1},
                                  {"KB", 1e3},
                                  {"kB", 1e3},
                                  {"MB", 1e6},
                                  {"GB", 1e9},
                                  {"TB", 1e12},
                                  {"KiB", 1024.0},
                                  {"MiB", 1048576.0},
                                  {"GiB", 1073741824.0},
                                  {"TiB", 1099511627776.0}};
  std::string_view rest = trim(text);
  const auto number = take_number(rest);
  if (!number || *number < 0) return std::nullopt;
  rest = trim(rest);
  for (const Suffix& suffix : kSuffixes)
    if (suffix.text == rest && *number * suffix.factor < 9e18) return static_cast<uint64_t>(*number * suffix.factor);
  return std::nullopt;
}

std::string bytes_text(uint64_t bytes) {
  constexpr const char* kNames[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kNames)) {
    value /= 1024;
    ++unit;
  }
  return format(unit == 0 ? "%.0f " : "%.2f ", value) + kNames[unit];
}

std::string seconds_text(double seconds) {
  if (seconds < 60) return format(seconds < 10 ? "%.1f s" : "%.0f s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

std::string count_text(double count) {
  if (count < 1e4) return format("%.0f", count);
  if (count < 1e6) return format("%.1f k", count / 1e3);
  if (count < 1e9) return format("%.2f M", count / 1e6);
  return format("%.2f G", count / 1e9);
}

}  // namespace distill
