// Our side of scripts/bench/loss.py and scripts/gpu/bench.py, where only the loss is timed: one logits term over rows of hidden
// states and two heads, the head products included. Every line of standard input is answered by one line of numbers:
//   run      forward and backward once: seconds
//   memory   peak bytes now, and before the first run (of this process; on a GPU, of the device's allocator)
//   figures  of one run: the loss, then for the gradients of rows and head the L2 norm and the product with random numbers
// The random numbers are those of loss_peers.py, which draws the same from the same seed. Temperature squared is left out.
#include <malloc.h>

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>

#include "distill/kernels/linear_divergence.h"
#include "distill/tensor/usage.h"

#include "peak_memory.h"

using namespace distill;

namespace {

using Options = std::map<std::string, std::string>;

LogitsTerm term_of(const Options& options) {
  static const std::map<std::string, LogitsTerm> kTerms = {{"kl", {Divergence::kl}},
                                                           {"reverse_kl", {Divergence::reverse_kl}},
                                                           {"jsd", {Divergence::jsd}},
                                                           {"skew_kl", {Divergence::skew_kl, 1, 1, true, 0.1}},
                                                           {"adaptive_kl", {Divergence::adaptive_kl, 1, 1, true, 0.5}},
                                                           {"top_k_kl", {Divergence::top_k_kl, 1, 1, true, 0, 64}},
                                                           {"tvd", {Divergence::tvd}},
                                                           {"uld", {Divergence::uld}}};
  LogitsTerm term = kTerms.at(options.at("--term"));
  if (term.kind == Divergence::jsd) term.mix = std::stod(options.at("--beta"));
  term.temperature = std::stod(options.at("--temperature"));
  term.t_squared = false;
  return term;
}

class Work {
 public:
  explicit Work(const Options& options)
      : device_(options.at("--device") == "cpu" ? at::Device(at::kCPU) : at::Device(at::kCUDA, 0)),
        dtype_(device_.is_cuda() ? at::kHalf : at::kFloat),
        scale_(device_.is_cuda() ? 65536.0 : 1.0),
        loss_({term_of(options)}) {
    const auto size = [&](const char* name) { return std::stoll(options.at(name)); };
    const int64_t rows = size("--rows"), vocab = size("--vocabulary");
    at::manual_seed(1);
    student_.rows_ND = draw(rows, size("--student-hidden")).to(dtype_);
    master_VD_ = draw(vocab, size("--student-hidden")).div_(std::sqrt(size("--student-hidden"))).to(dtype_).to(at::kFloat);
    const at::Tensor teacher_ND = draw(rows, size("--teacher-hidden")).to(dtype_);
    const at::Tensor head_VD = draw(vocab, size("--teacher-hidden")).mul_(2).div_(std::sqrt(size("--teacher-hidden")));
    teacher_ = std::make_unique<HeadRows>(teacher_ND, LinearHead{head_VD.to(dtype_), {}, 0});
    student_.vocab = vocab;
    student_.weight_gradient_VD = at::zeros_like(master_VD_);
    scale_tensor_ = at::full({}, scale_, at::TensorOptions().dtype(at::kFloat).device(device_));
    wait();
    before_ = peak();
  }

  double run() {
    wait();
    const auto start = std::chrono::steady_clock::now();
    student_.weight_gradient_VD.zero_();
    student_.head = {master_VD_.to(dtype_), {}, 0};  // as autocast does for the peers
    result_ = loss_.backward(student_, teacher_.get(), {}, static_cast<double>(student_.rows_ND.size(0)), scale_tensor_);
    wait();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  void print_memory() const {
    std::printf("%llu %llu\n", static_cast<unsigned long long>(peak()), static_cast<unsigned long long>(before_));
  }

  void print_figures() const {
    at::manual_seed(2);
    std::printf("%.17g", result_.values[0].item<double>());
    for (const at::Tensor& gradient : {result_.rows_gradient_ND, student_.weight_gradient_VD}) {
      const at::Tensor probe = at::randn(gradient.sizes(), at::TensorOptions().device(device_)), wide = gradient.to(at::kFloat);
      std::printf(" %.17g %.17g", wide.norm().item<double>() / scale_, wide.mul(probe).sum().item<double>() / scale_);
    }
    std::printf("\n");
  }

 private:
  at::Tensor draw(int64_t count, int64_t width) const { return at::randn({count, width}, at::TensorOptions().device(device_)); }
  void wait() const {
    if (device_.is_cuda()) c10::impl::VirtualGuardImpl(device_.type()).synchronizeDevice(device_.index());
  }
  uint64_t peak() const { return device_.is_cuda() ? peak_device_bytes(device_) : static_cast<uint64_t>(peak_kilobytes()) << 10; }

  at::Device device_;
  at::ScalarType dtype_;
  double scale_;
  LinearDivergence loss_;
  LinearDivergence::Student student_;
  LinearDivergence::Result result_;
  std::unique_ptr<HeadRows> teacher_;
  at::Tensor master_VD_, scale_tensor_;
  uint64_t before_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);  // as the program does
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  Options options = {{"--term", "kl"}, {"--beta", "0.5"}, {"--temperature", "1"}, {"--device", "cpu"}};
  for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  try {
    Work work(options);
    for (std::string command; std::cin >> command; std::fflush(stdout)) {
      if (command == "run") std::printf("%.9f\n", work.run());
      if (command == "memory") work.print_memory();
      if (command == "figures") work.print_figures();
    }
  } catch (const std::out_of_range&) {
    std::fprintf(stderr, "expected --rows, --vocabulary, --student-hidden and --teacher-hidden, and a known --term\n");
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 70;
  }
}
