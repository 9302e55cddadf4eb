// Every kernel on the device against the same call on the CPU in float64 or float32: values and gradients.
#include <functional>

#include "distill/kernels/clip_norm.h"
#include "distill/kernels/dropout.h"
#include "distill/kernels/linear_divergence.h"
#include "distill/kernels/rms_norm.h"
#include "distill/kernels/rope.h"
#include "distill/optim/optimizer.h"

#include "gpu/device.h"
#include "kernels/logits_twin.h"

using namespace distill;
using namespace distill::test;

namespace {

using Function = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

struct Answer {
  at::Tensor value;
  std::vector<at::Tensor> gradients;
};

Answer answer(const Function& function, std::vector<at::Tensor> inputs, const at::Tensor& g) {
  for (at::Tensor& input : inputs) input = input.detach().requires_grad_(true);
  const at::Tensor y = function(inputs);
  return {y, torch::autograd::grad({y}, inputs, {g.to(y.device(), y.scalar_type())})};
}

// The worst of the value and all gradients: `inputs` in `dtype` on `device` against float64 on the CPU.
double distance(const Function& there, const Function& here, const std::vector<at::Tensor>& inputs, const at::Tensor& g,
                at::Device device, at::ScalarType dtype) {
  std::vector<at::Tensor> moved, wide;
  for (const at::Tensor& input : inputs) {
    moved.push_back(input.to(device, dtype));
    wide.push_back(input.to(dtype).to(at::kDouble));  // the same rounded numbers
  }
  const Answer found = answer(there, moved, g), expected = answer(here, wide, g);
  double worst = far(found.value, expected.value);
  for (size_t i = 0; i < inputs.size(); ++i) worst = std::max(worst, far(found.gradients[i], expected.gradients[i]));
  return worst;
}

double tolerance(at::ScalarType dtype) { return dtype == at::kFloat ? 2e-5 : dtype == at::kHalf ? 4e-3 : 3e-2; }

class GpuKernels : public OnDevice {
 protected:
  std::vector<at::ScalarType> types() const {
    std::vector<at::ScalarType> types = narrow_types();
    types.insert(types.begin(), at::kFloat);
    return types;
  }
};

TEST_F(GpuKernels, RopeTurnsAsOnTheCpu_CUDA) {
  const at::Tensor x = at::randn({2, 65, 3, 32}), g = at::randn({2, 65, 3, 32}), angles = at::randn({80, 12}) * 3;
  const at::Tensor rows = at::randint(80, {2, 65}, at::kLong);
  for (const bool interleaved : {false, true})
    for (const at::ScalarType dtype : types()) {
      const auto on = [&](at::Device device, at::ScalarType tables) {
        return [=](const std::vector<at::Tensor>& in) {
          return rope(in[0], angles.cos().to(device, tables), angles.sin().to(device, tables), rows.to(device), interleaved);
        };
      };
      const double worst = distance(on(device_, at::kFloat), on(at::kCPU, at::kDouble), {x}, g, device_, dtype);
      EXPECT_LT(worst, tolerance(dtype)) << dtype << " interleaved " << interleaved;
      figure(std::string(c10::toString(dtype)) + (interleaved ? "_interleaved" : ""), worst);
    }
}

TEST_F(GpuKernels, RmsNormIsThatOfTheCpu_CUDA) {
  for (const int64_t width : {37, 128, 1536}) {
    const at::Tensor x = at::randn({3, 33, width}), weight = at::randn({width}), g = at::randn({3, 33, width});
    for (const bool plus_one : {false, true})
      for (const at::ScalarType dtype : types()) {
        const auto norm = [plus_one](at::ScalarType out) {
          return [=](const std::vector<at::Tensor>& in) { return rms_norm(in[0], in[1], 1e-6, plus_one, out); };
        };
        const double worst = distance(norm(dtype), norm(at::kDouble), {x, weight}, g, device_, dtype);
        EXPECT_LT(worst, 2 * tolerance(dtype)) << dtype << " width " << width;
        figure(std::string(c10::toString(dtype)) + "_" + std::to_string(width), worst);
      }
  }
}

TEST_F(GpuKernels, DropoutDrawsTheMaskOfTheCpu_CUDA) {
  for (const at::ScalarType dtype : types())
    for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{3, 65, 40}, {3, 2, 65, 65}}) {
      const at::Tensor ones = at::ones(shape, dtype), keys = at::tensor(std::vector<int64_t>{5, 1000003, 17}, at::kLong);
      const at::Tensor here = keyed_dropout(ones, 0.3, {99, keys, 4});
      const at::Tensor x = ones.to(device_).requires_grad_(true);
      const at::Tensor there = keyed_dropout(x, 0.3, {99, keys.to(device_), 4});
      EXPECT_TRUE(at::equal(there.detach().cpu(), here)) << dtype;
      const at::Tensor gradient = torch::autograd::grad({there}, {x}, {at::ones_like(there)})[0];
      EXPECT_TRUE(at::equal(gradient.cpu(), here)) << dtype;
    }
}

const std::vector<LogitsTerm> kTerms = {{Divergence::kl, 1.0, 2.0},
                                        {Divergence::reverse_kl, 0.5, 1.0},
                                        {Divergence::jsd, 0.7, 1.5, true, 0.3},
                                        {Divergence::cross_entropy, 0.4}};

struct Rows {
  at::Tensor student_ND, teacher_ND, targets_N;
  LinearHead student, teacher;
  Rows to(at::Device device, at::ScalarType dtype) const {
    Rows moved = *this;
    for (at::Tensor* tensor : {&moved.student_ND, &moved.teacher_ND, &moved.student.weight_VD, &moved.teacher.weight_VD})
      *tensor = tensor->to(device, dtype);
    moved.targets_N = targets_N.to(device);
    return moved;
  }
};

Rows random_rows(int64_t rows, int64_t vocab) {
  Rows made{at::randn({rows, 48}), at::randn({rows, 64}), at::randint(vocab, {rows}, at::kLong), {}, {}};
  made.student.weight_VD = at::randn({vocab, 48}) * 0.3;
  made.teacher.weight_VD = at::randn({vocab, 64}) * 0.3;
  return made;
}

struct Gradients {
  at::Tensor values, rows, head;
};

Gradients fused(const Rows& rows, int64_t vocab, double divisor) {
  LinearDivergence::Student student;
  student.rows_ND = rows.student_ND;
  student.head = rows.student;
  student.vocab = vocab;
  const at::ScalarType wide = rows.student_ND.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  student.weight_gradient_VD = at::zeros(rows.student.weight_VD.sizes(), rows.student_ND.options().dtype(wide));
  const HeadRows teacher(rows.teacher_ND, rows.teacher);
  const auto result = LinearDivergence(kTerms, 64).backward(student, &teacher, rows.targets_N, divisor, {});
  return {result.values, result.rows_gradient_ND, student.weight_gradient_VD};
}

TEST_F(GpuKernels, LossRowsEqualPlainAutogradAcrossVocabularies_CUDA) {
  for (const int64_t vocab : {257, 32000, 50257}) {
    const int64_t num_rows = rehearsal() ? 9 : 150;
    const Rows rows = random_rows(num_rows, vocab);
    for (const at::ScalarType dtype : types()) {
      const Rows wide = rows.to(at::kCPU, dtype).to(at::kCPU, at::kDouble);
      const at::Tensor student_ND = wide.student_ND.clone().requires_grad_(true);
      const at::Tensor head_VD = wide.student.weight_VD.clone().requires_grad_(true);
      at::Tensor total = at::zeros({}, at::kDouble);
      std::vector<at::Tensor> values;
      for (const LogitsTerm& term : kTerms) {
        values.push_back(twin_term(term, twin_logits(student_ND, {head_VD, {}, 0}, vocab),
                                   twin_logits(wide.teacher_ND, wide.teacher, vocab), wide.targets_N) /
                         static_cast<double>(num_rows));
        total = total + term.weight * values.back();
      }
      const auto expected = torch::autograd::grad({total}, {student_ND, head_VD});
      const Gradients found = fused(rows.to(device_, dtype), vocab, static_cast<double>(num_rows));
      const double worst =
          std::max({far(found.values, at::stack(values)), far(found.rows, expected[0]), far(found.head, expected[1])});
      EXPECT_LT(worst, dtype == at::kFloat ? 2e-4 : dtype == at::kHalf ? 2e-2 : 1e-1) << dtype << " vocabulary " << vocab;
      figure(std::string(c10::toString(dtype)) + "_" + std::to_string(vocab), worst);
    }
  }
}

TEST_F(GpuKernels, NormAndClippingAreThoseOfTheCpu_CUDA) {
  std::vector<at::Tensor> here, there;
  for (const int64_t size : {1, 1000, 100003}) {
    here.push_back(at::randn({size}));
    there.push_back(here.back().to(device_));
  }
  const at::Tensor norm = global_norm(there);
  EXPECT_LT(far(norm, global_norm(here)), 1e-6);
  clip_by_norm_(there, norm, 0.5);
  clip_by_norm_(here, global_norm(here), 0.5);
  for (size_t i = 0; i < here.size(); ++i) EXPECT_LT(far(there[i], here[i]), 1e-6);
  there[1][7].fill_(INFINITY);
  EXPECT_FALSE(std::isfinite(global_norm(there).item<double>()));
}

TEST_F(GpuKernels, TheOptimizerStepsAsOnTheCpuAndAnOverflowMovesNoBit_CUDA) {
  const auto parameters = [](at::Device device) {
    at::manual_seed(3);
    const at::Tensor matrix = at::randn({33, 20}).to(device).requires_grad_(true), vector = at::randn({20}).to(device);
    return std::vector<NamedTensor>{{"matrix", matrix, true}, {"vector", vector.requires_grad_(true), false}};
  };
  const auto here = parameters(at::kCPU), there = parameters(device_);
  Optimizer on_cpu({}, here), on_device({}, there);
  for (int step = 0; step < 5; ++step) {
    const at::Tensor skipped = at::full({}, step == 2 ? 1.0 : 0.0, at::kFloat);
    std::vector<at::Tensor> before;
    for (const NamedTensor& state : on_device.state()) before.push_back(state.tensor.clone());
    for (size_t i = 0; i < here.size(); ++i) {
      here[i].tensor.mutable_grad() = at::randn(here[i].tensor.sizes());
      there[i].tensor.mutable_grad() = here[i].tensor.grad().to(device_);
    }
    on_cpu.step(1e-2, skipped);
    on_device.step(1e-2, skipped.to(device_));
    if (step != 2) continue;
    const auto after = on_device.state();
    for (size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(at::equal(before[i], after[i].tensor)) << after[i].name;
  }
  for (size_t i = 0; i < here.size(); ++i) EXPECT_LT(far(there[i].tensor, here[i].tensor), 1e-5) << here[i].name;
}

}  // namespace
