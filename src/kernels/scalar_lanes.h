// The row kernel one number at a time, in float64 with the standard library's functions: the path of proofs.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "distill/kernels/divergence_rows.h"

namespace distill {

struct ScalarLanes {
  using Real = double;
  using Scalar = double;
  struct Sum {
    double part = 0, total = 0;
    void add(double x) { part += x; }
    void widen() {
      total += part;  // two levels: less rounding than one long chain
      part = 0;
    }
  };

  static double all(double x) { return x; }
  static double lowest() { return -std::numeric_limits<double>::infinity(); }
  static double not_a_number() { return std::numeric_limits<double>::quiet_NaN(); }
  static double exp(double x) { return std::exp(x); }
  static double expm1(double x) { return std::expm1(x); }
  static double log1p(double x) { return std::log1p(x); }
  static double log_of(double x) { return std::log(x); }
  static double exp_of(double x) { return std::exp(x); }
  static double larger(double a, double b) { return a < b ? b : a; }

  static int64_t first() { return 0; }
  static int64_t stride() { return 1; }
  static bool leads() { return true; }
  static double load(const double* row, int64_t j, int64_t) { return row[j]; }
  static void store(double* row, int64_t j, int64_t, double x) { row[j] = x; }
  static double is_at(int64_t j, int64_t target) { return j == target ? 1 : 0; }
  static double is_inside(int64_t, int64_t) { return 1; }
  static double load_mark(const signed char* row, int64_t j, int64_t) { return row[j]; }
  static constexpr int kBlock = 64;
  static double own_max(double x) { return x; }
  static double own_sum(double x) { return x; }
  static double max_over(double x) { return x; }
  static double sum_over(double x) { return x; }
  static double total_of(const Sum& sum) { return sum.total; }
};

}  // namespace distill
