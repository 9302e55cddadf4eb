// Times the fused logits terms alone for scripts/bench/loss.py: loss_terms_bench ROWS VOCAB STUDENT_WIDTH TEACHER_WIDTH TERM.
// Random rows and heads; every line of standard input that says `run` runs forward and backward once, head included, and prints
// the seconds; `memory` prints the peak in kilobytes of this process and before the first run.
#include <malloc.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <map>

#include "distill/kernels/linear_divergence.h"

#include "peak_memory.h"

namespace {

using distill::Divergence;

distill::LogitsTerm term_of(const std::string& word) {
  static const std::map<std::string, distill::LogitsTerm> kTerms = {{"kl", {Divergence::kl}},
                                                                    {"reverse_kl", {Divergence::reverse_kl}},
                                                                    {"jsd", {Divergence::jsd, 1, 1, true, 0.5}},
                                                                    {"skew_kl", {Divergence::skew_kl, 1, 1, true, 0.1}},
                                                                    {"adaptive_kl", {Divergence::adaptive_kl, 1, 1, true, 0.5}},
                                                                    {"top_k_kl", {Divergence::top_k_kl, 1, 1, true, 0, 64}},
                                                                    {"tvd", {Divergence::tvd, 1, 1, false}},
                                                                    {"uld", {Divergence::uld, 1, 1, false}}};
  return kTerms.at(word);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  mallopt(M_MMAP_THRESHOLD, 1 << 30);  // as the program does
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  const int64_t rows = std::stol(argv[1]), vocab = std::stol(argv[2]);
  const at::Tensor teacher_ND = at::randn({rows, std::stol(argv[4])});
  distill::LinearHead teacher_head;
  teacher_head.weight_VD = at::randn({vocab, teacher_ND.size(1)}) / 16;
  const distill::HeadRows teacher(teacher_ND, teacher_head);
  distill::LinearDivergence::Student student;
  student.rows_ND = at::randn({rows, std::stol(argv[3])});
  student.head.weight_VD = at::randn({vocab, student.rows_ND.size(1)}) / 16;
  student.vocab = vocab;
  student.weight_gradient_VD = at::zeros({vocab, student.rows_ND.size(1)});
  const at::Tensor targets_N = at::randint(vocab, {rows}, at::TensorOptions().dtype(at::kLong));
  distill::LinearDivergence loss({term_of(argv[5])});
  const long before = peak_kilobytes();
  for (std::string command; std::cin >> command;) {
    const auto start = std::chrono::steady_clock::now();
    if (command == "run") loss.backward(student, &teacher, targets_N, static_cast<double>(rows), {});
    if (command == "memory")
      std::cout << peak_kilobytes() << " " << before << std::endl;
    else
      std::cout << std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() << std::endl;
  }
}
