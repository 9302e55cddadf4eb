#include "score.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace distill {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A number's digits without its point, and how far the point has to move.
struct Digits {
  uint64_t significand = 0;
  int64_t exponent = 0;
};

// False when the digit does not fit any more.
bool append_digit(uint64_t& significand, char digit) {
  const auto value = static_cast<uint64_t>(digit - '0');
  if (significand > (UINT64_MAX - value) / 10) return false;
  significand = significand * 10 + value;
  return true;
}

// Digits before the point that do not fit move the point; those behind it end the reading of digits.
Digits read_digits(std::string_view number, size_t& at) {
  Digits digits;
  while (at < number.size() && is_digit(number[at]) && append_digit(digits.significand, number[at])) ++at;
  for (; at < number.size() && is_digit(number[at]); ++at) ++digits.exponent;
  if (at == number.size() || number[at] != '.') return digits;
  for (++at; at < number.size() && is_digit(number[at]) && append_digit(digits.significand, number[at]); ++at) --digits.exponent;
  while (at < number.size() && is_digit(number[at])) ++at;
  return digits;
}

int64_t read_exponent(std::string_view number, size_t at) {
  constexpr int64_t kFarAway = 1'000'000'000;
  if (at == number.size()) return 0;
  const bool negative = ++at < number.size() && number[at] == '-';
  if (at < number.size() && !is_digit(number[at])) ++at;
  int64_t exponent = 0;
  for (; at < number.size() && is_digit(number[at]); ++at) exponent = std::min(exponent * 10 + (number[at] - '0'), kFarAway);
  return negative ? -exponent : exponent;
}

double power_of_ten(int64_t exponent) { return std::strtod(("1e" + std::to_string(exponent)).c_str(), nullptr); }

// In steps of the largest power of ten that a double holds.
double scale(double value, int64_t exponent) {
  constexpr int64_t kLargestPower = 308;
  for (; value != 0 && exponent < -kLargestPower; exponent += kLargestPower) value /= power_of_ten(kLargestPower);
  if (value == 0) return value;
  return exponent >= 0 ? value * power_of_ten(exponent) : value / power_of_ten(-exponent);
}

}  // namespace

double read_score(std::string_view number) {
  const bool negative = number.starts_with('-');
  size_t at = negative ? 1 : 0;
  const Digits digits = read_digits(number, at);
  const double value = scale(static_cast<double>(digits.significand), digits.exponent + read_exponent(number, at));
  return negative ? -value : value;
}

}  // namespace distill
