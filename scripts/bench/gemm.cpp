// Large float32 products by everyone who can make them on this CPU, in turn: GFLOP/s, medians. What distill/kernels/gemm.h
// chooses by itself is told at the end.
//   cmake -B build -DDISTILL_BENCH=ON && ninja -C build gemm_bench && build/gemm_bench [ROUNDS]
#include "distill/kernels/gemm.h"

#include <malloc.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>

using namespace distill;
using gemm::Maker;

namespace {

struct Case {
  const char* name;
  int64_t rows, depth, columns;
  bool a_transposed, b_transposed, adds;
};

// The products of a head over 256 rows, forward and backward, and of a layer over 1,024 tokens.
constexpr Case kCases[] = {{"logits 256", 256, 256, 151936, false, true, false},
                           {"logits 512", 256, 512, 151936, false, true, false},
                           {"rows' gradient", 256, 151936, 256, false, false, false},
                           {"head's gradient", 151936, 256, 256, true, false, true},
                           {"layer", 1024, 512, 1408, false, true, false},
                           {"layer's rows' gradient", 1024, 1408, 512, false, false, false},
                           {"layer's gradient", 1408, 1024, 512, true, false, true}};

at::Tensor matrix(int64_t rows, int64_t columns, bool transposed) {
  return transposed ? at::randn({columns, rows}).t() : at::randn({rows, columns});
}

double gflops(const Case& one, const at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  const auto start = std::chrono::steady_clock::now();
  one.adds ? gemm::add_mm_(out, a, b) : gemm::mm_out(out, a, b);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return 2e-9 * static_cast<double>(one.rows * one.depth * one.columns) / seconds;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);  // as the program does: pages of buffers are kept
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 7;
  std::printf("%d threads, %d rounds, GFLOP/s\n%-24s", at::get_num_threads(), rounds, "");
  std::vector<Maker> makers;
  for (const Maker maker : {Maker::aten, Maker::onednn, Maker::packed})
    if (gemm::set_maker(maker)) makers.push_back(maker), std::printf("%10s", std::string(enum_name(maker)).c_str());
  std::printf("\n");
  for (const Case& one : kCases) {
    const at::Tensor a = matrix(one.rows, one.depth, one.a_transposed), b = matrix(one.depth, one.columns, one.b_transposed),
                     out = at::zeros({one.rows, one.columns});
    std::map<Maker, std::vector<double>> found;
    for (int round = 0; round <= rounds; ++round)
      for (const Maker maker : makers) {
        gemm::set_maker(maker);
        const double speed = gflops(one, out, a, b);
        if (round > 0) found[maker].push_back(speed);
      }
    std::printf("%-24s", one.name);
    for (const Maker maker : makers) std::printf("%10.0f", median(found[maker]));
    std::printf("\n");
    std::fflush(stdout);
  }
  gemm::set_maker(Maker::undecided);
  gflops(kCases[4], at::zeros({1024, 1408}), at::randn({1024, 512}), at::randn({512, 1408}));
  std::printf("chosen: %s\n", std::string(enum_name(gemm::maker())).c_str());
}
