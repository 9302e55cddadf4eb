// The row kernel in vectors of float32, written once with the compiler's vector types. Each divergence_rows_<instructions>.cpp
// sets the target and DISTILL_INSTRUCTIONS / DISTILL_WIDTH, then includes this file: so nothing here may call an inline function
// of the standard library, whose one shared copy could then need instructions that a CPU lacks.
#include <cstdint>

#include "distill/kernels/divergence_rows.h"

#pragma GCC diagnostic ignored "-Wpsabi"  // vectors never cross a call that is not inlined

namespace distill::DISTILL_INSTRUCTIONS {

constexpr int kWidth = DISTILL_WIDTH;
typedef float Floats __attribute__((vector_size(DISTILL_WIDTH * 4)));
typedef int32_t Ints __attribute__((vector_size(DISTILL_WIDTH * 4)));
typedef uint16_t Halves __attribute__((vector_size(DISTILL_WIDTH * 2)));
typedef uint32_t Words __attribute__((vector_size(DISTILL_WIDTH * 4)));

DISTILL_ROW_FUNCTION Floats splat(float x) { return x - Floats{}; }
DISTILL_ROW_FUNCTION Floats as_floats(Ints x) { return (Floats)x; }  // a cast between vectors keeps the bits
DISTILL_ROW_FUNCTION Ints as_ints(Floats x) { return (Ints)x; }

// exp(x) = 2^n * (1 + tail(r)), |r| <= ln 2 / 2. Polynomial of Cephes (Moshier), relative error about 1e-7.
struct Reduced {
  Floats power;  // 2^n
  Floats tail;   // e^r - 1
};
DISTILL_ROW_FUNCTION Reduced reduce_exp(Floats x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, whose bits are then the low ones
  const Floats shifted = x * 1.44269504088896341f + kRound;
  const Floats n = shifted - kRound;
  const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return {as_floats((as_ints(shifted) << 23) + 0x3f800000), p * r * r + r};
}

// log(1 + x) for -1 < x <= 0 (Cephes).
DISTILL_ROW_FUNCTION Floats log1p_floats(Floats x) {
  const Floats w = 1.0f + x;
  constexpr int32_t kRootHalf = 0x3f3504f3;
  const Ints bits = as_ints(w) - kRootHalf;
  const Ints k = bits >> 23;
  const Floats mantissa = as_floats((bits & 0x7fffff) + kRootHalf);
  const Floats f = k == 0 ? x : mantissa - 1.0f;  // without a shift x itself is the exact fraction
  const Floats e = __builtin_convertvector(k, Floats);
  Floats p = f * 7.0376836292e-2f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const Floats square = f * f;
  const Floats value = (p * f * square - 0.5f * square + e * -2.12194440e-4f) + f + e * 0.693359375f;
  return x == x ? value : x;  // not-a-number has bits like any number's
}

DISTILL_ROW_FUNCTION Floats load_vector(const float* from) {
  Floats x;
  __builtin_memcpy(&x, from, sizeof(x));
  return x;
}
DISTILL_ROW_FUNCTION void store_vector(float* to, Floats x) { __builtin_memcpy(to, &x, sizeof(x)); }

// bfloat16 is the upper half of a float32; rounds to nearest even, keeps not-a-number.
struct BFloat16 {
  uint16_t bits;
};
DISTILL_ROW_FUNCTION Floats load_vector(const BFloat16* from) {
  Halves x;
  __builtin_memcpy(&x, from, sizeof(x));
  const Words wide = __builtin_convertvector(x, Words) << 16;
  return (Floats)wide;
}
DISTILL_ROW_FUNCTION void store_vector(BFloat16* to, Floats x) {
  const Words bits = (Words)x;
  const Words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const Words quiet = (bits >> 16) | 0x40;
  const Halves halves = __builtin_convertvector(x == x ? rounded : quiet, Halves);
  __builtin_memcpy(to, &halves, sizeof(halves));
}

// IEEE half, one number at a time: on a CPU it serves correctness, not speed.
struct Float16 {
  uint16_t bits;
};
DISTILL_ROW_FUNCTION float widen_half(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16, exponent = (half >> 10) & 31, fraction = half & 1023;
  if (exponent == 0) {  // subnormal: fraction * 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  const uint32_t bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;
  float x;
  __builtin_memcpy(&x, &bits, sizeof(x));
  return x;
}
DISTILL_ROW_FUNCTION uint16_t narrow_half(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  bits &= 0x7fffffff;
  if (bits > 0x7f800000) return sign | 0x7e00;   // not a number
  if (bits >= 0x477ff000) return sign | 0x7c00;  // rounds to infinity
  if (bits < 0x38800000) {                       // subnormal: adding 0.5 aligns its last bit with 2^-24
    float magnitude;
    __builtin_memcpy(&magnitude, &bits, sizeof(bits));
    magnitude += 0.5f;
    __builtin_memcpy(&bits, &magnitude, sizeof(bits));
    return static_cast<uint16_t>(sign | (bits - 0x3f000000));
  }
  return static_cast<uint16_t>(sign | (bits - 0x38000000 + 0xfff + (bits >> 13 & 1)) >> 13);
}
DISTILL_ROW_FUNCTION Floats load_vector(const Float16* from) {
  Floats x;
  for (int i = 0; i < kWidth; ++i) x[i] = widen_half(from[i].bits);
  return x;
}
DISTILL_ROW_FUNCTION void store_vector(Float16* to, Floats x) {
  for (int i = 0; i < kWidth; ++i) to[i].bits = narrow_half(x[i]);
}

DISTILL_ROW_FUNCTION void fill_lowest(float* to) {
  for (int i = 0; i < kWidth; ++i) to[i] = -1e30f;
}
DISTILL_ROW_FUNCTION void fill_lowest(BFloat16* to) {
  for (int i = 0; i < kWidth; ++i) to[i].bits = 0xf149;  // -1e30
}
DISTILL_ROW_FUNCTION void fill_lowest(Float16* to) {
  for (int i = 0; i < kWidth; ++i) to[i].bits = 0xfbff;  // the lowest finite half; replaced after widening
}

struct VectorLanes {
  using Real = Floats;
  using Scalar = float;
  struct Sum {
    Floats part{};
    double total = 0;
    DISTILL_ROW_FUNCTION void add(Floats x) { part = part + x; }
    DISTILL_ROW_FUNCTION void widen() {
      for (int i = 0; i < kWidth; ++i) total += static_cast<double>(part[i]);
      part = Floats{};
    }
  };

  DISTILL_ROW_FUNCTION static Floats all(float x) { return splat(x); }
  DISTILL_ROW_FUNCTION static float lowest() { return -3.0e38f; }
  DISTILL_ROW_FUNCTION static double not_a_number() { return __builtin_nan(""); }
  DISTILL_ROW_FUNCTION static Floats exp(Floats x) {  // x <= 0 here; below the smallest normal number it is zero
    const Reduced e = reduce_exp(x);
    const Floats value = e.power + e.power * e.tail;
    return x < -87.0f ? Floats{} : value;
  }
  DISTILL_ROW_FUNCTION static Floats expm1(Floats x) {
    const Reduced e = reduce_exp(x);
    const Floats value = (e.power - 1.0f) + e.power * e.tail;
    return x < -87.0f ? splat(-1.0f) : value;
  }
  DISTILL_ROW_FUNCTION static Floats log1p(Floats x) { return log1p_floats(x); }
  DISTILL_ROW_FUNCTION static double log_of(double x) { return __builtin_log(x); }
  DISTILL_ROW_FUNCTION static double exp_of(double x) { return __builtin_exp(x); }
  DISTILL_ROW_FUNCTION static Floats larger(Floats a, Floats b) { return a > b ? a : b; }

  DISTILL_ROW_FUNCTION static int64_t first() { return 0; }
  DISTILL_ROW_FUNCTION static int64_t stride() { return kWidth; }
  DISTILL_ROW_FUNCTION static bool leads() { return true; }
  // Beyond the end of the row stands a logit so low that its probability is zero on both sides.
  template <class Element>
  DISTILL_ROW_FUNCTION static Floats load(const Element* row, int64_t j, int64_t vocab) {
    if (j + kWidth <= vocab) return load_vector(row + j);
    Element padded[kWidth];
    fill_lowest(padded);
    for (int64_t i = j; i < vocab; ++i) padded[i - j] = row[i];
    Floats x = load_vector(padded);
    for (int64_t i = vocab - j; i < kWidth; ++i) x[i] = -1e30f;
    return x;
  }
  template <class Element>
  DISTILL_ROW_FUNCTION static void store(Element* row, int64_t j, int64_t vocab, Floats x) {
    if (j + kWidth <= vocab) return store_vector(row + j, x);
    Element padded[kWidth];
    store_vector(padded, x);
    for (int64_t i = j; i < vocab; ++i) row[i] = padded[i - j];
  }
  DISTILL_ROW_FUNCTION static Floats is_at(int64_t j, int64_t target) {
    Floats x{};
    if (target >= j && target < j + kWidth) x[target - j] = 1.0f;
    return x;
  }
  DISTILL_ROW_FUNCTION static Floats is_inside(int64_t j, int64_t vocab) {
    if (j + kWidth <= vocab) return splat(1.0f);
    Floats x{};
    for (int64_t i = j; i < vocab; ++i) x[i - j] = 1.0f;
    return x;
  }
  DISTILL_ROW_FUNCTION static Floats load_mark(const signed char* row, int64_t j, int64_t vocab) {
    Floats x{};
    for (int64_t i = j; i < vocab && i < j + kWidth; ++i) x[i - j] = static_cast<float>(row[i]);
    return x;
  }
  static constexpr int kBlock = 64;
  DISTILL_ROW_FUNCTION static float own_max(Floats x) {
    float largest = x[0];
    for (int i = 1; i < kWidth; ++i) largest = x[i] > largest ? x[i] : largest;
    return largest;
  }
  DISTILL_ROW_FUNCTION static double own_sum(Floats x) {
    double sum = 0;
    for (int i = 0; i < kWidth; ++i) sum += static_cast<double>(x[i]);
    return sum;
  }
  DISTILL_ROW_FUNCTION static double max_over(double x) { return x; }
  DISTILL_ROW_FUNCTION static double sum_over(double x) { return x; }
  DISTILL_ROW_FUNCTION static double total_of(const Sum& sum) { return sum.total; }
};

template <class Element>
void run_rows(const RowPlan& plan, const RowBatch& batch, int64_t begin, int64_t end) {
  const double scale = batch.loss_scale ? static_cast<double>(*batch.loss_scale) : 1.0;
  auto* student = static_cast<Element*>(batch.student);
  const auto* teacher = static_cast<const Element*>(batch.teacher);
  with_shape(plan, [&](auto shape) {
    for (int64_t row = begin; row < end; ++row)
      divergence_row<decltype(shape)>(VectorLanes{}, plan, row_data(batch, student, teacher, row), scale,
                                      batch.values + row * plan.num_terms);
  });
}

void divergence_rows(RowType type, const RowPlan& plan, const RowBatch& batch, int64_t begin, int64_t end) {
  if (type == RowType::float32) return run_rows<float>(plan, batch, begin, end);
  if (type == RowType::bfloat16) return run_rows<BFloat16>(plan, batch, begin, end);
  run_rows<Float16>(plan, batch, begin, end);
}

}  // namespace distill::DISTILL_INSTRUCTIONS
