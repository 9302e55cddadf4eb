// Quantities with units, as the recipe writes them: `10k steps`, `30M tokens`, `2 epochs`, `3%`, `10 minutes`, `24 GiB`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace distill {

enum class Unit { none, steps, tokens, epochs, percent, seconds };  // minutes and hours are read into seconds

struct Duration {
  double amount = 0;
  Unit unit = Unit::none;
  bool operator==(const Duration&) const = default;
};

constexpr Duration steps(double n) { return {n, Unit::steps}; }
constexpr Duration tokens(double n) { return {n, Unit::tokens}; }
constexpr Duration epochs(double n) { return {n, Unit::epochs}; }
constexpr Duration percent(double n) { return {n, Unit::percent}; }
constexpr Duration minutes(double n) { return {n * 60, Unit::seconds}; }

// `10k steps` -> {10000, steps}; k, M, G, B (=1e9) multiply. A bare number has Unit::none. nullopt when it is no quantity.
std::optional<Duration> parse_duration(const std::string& text);
// The shortest text that parses back to the same value.
std::string to_string(const Duration& duration);

// `24 GiB`, `512MB`, `1024` -> bytes.
std::optional<uint64_t> parse_bytes(const std::string& text);
std::string bytes_text(uint64_t bytes);    // 1536 -> "1.50 KiB"
std::string seconds_text(double seconds);  // 3725 -> "1 h 2 min"
std::string count_text(double count);      // 1234567 -> "1.23 M"
std::string number_text(double value);     // shortest decimal that reads back to the same double

}  // namespace distill
