// The loss alone: forward KL over rows of hidden states and two heads, value and gradients. Prints one line of JSON: the median
// seconds of a call and the peak memory. Started by scripts/gpu/bench.py.
#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "distill/kernels/linear_divergence.h"
#include "distill/tensor/usage.h"

using namespace distill;

namespace {

double now_seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void wait(at::Device device) {
  if (device.is_cuda()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

int fail(const std::string& words) {
  std::fprintf(stderr, "%s\n", words.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> options;
  for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  for (const char* name : {"--rows", "--student-hidden", "--teacher-hidden", "--vocabulary", "--device"})
    if (options.count(name) == 0) return fail(std::string("expected ") + name);
  const auto size = [&](const char* name) { return static_cast<int64_t>(std::atoll(options[name].c_str())); };
  const at::Device device = options["--device"] == "cpu" ? at::Device(at::kCPU) : at::Device(at::kCUDA, 0);
  const at::ScalarType dtype = device.is_cuda() ? at::kHalf : at::kFloat;
  const int64_t rows = size("--rows"), vocab = size("--vocabulary");
  const auto draw = [&](int64_t count, int64_t width, double scale) {
    return (at::randn({count, width}, at::TensorOptions().device(device)) * scale).to(dtype);
  };
  LinearDivergence loss({{Divergence::kl}});
  LinearDivergence::Student student;
  student.rows_ND = draw(rows, size("--student-hidden"), 1);
  const at::Tensor master_VD = draw(vocab, size("--student-hidden"), 0.02).to(at::kFloat);
  student.vocab = vocab;
  student.weight_gradient_VD = at::zeros_like(master_VD);
  const HeadRows teacher(draw(rows, size("--teacher-hidden"), 1), {draw(vocab, size("--teacher-hidden"), 0.02), {}, 0});
  std::vector<double> seconds;
  double value = 0;
  for (int i = 0; i < 6; ++i) {
    wait(device);
    const double start = now_seconds();
    student.head = {master_VD.to(dtype), {}, 0};  // as autocast does for the peers
    const at::Tensor values = loss.backward(student, &teacher, {}, static_cast<double>(rows), {}).values;
    wait(device);
    seconds.push_back(now_seconds() - start);
    value = values[0].item<double>();
  }
  std::sort(seconds.begin() + 1, seconds.end());
  std::printf("{\"seconds\": %.9f, \"bytes\": %llu, \"loss\": %.9g}\n", seconds[3],
              static_cast<unsigned long long>(peak_device_bytes(device)), value);
  return 0;
}
