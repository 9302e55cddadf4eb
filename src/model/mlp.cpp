// The feed-forward sublayer.
#include "distill/model/mlp.h"

#include "distill/model/checkpointing.h"

namespace distill {

namespace {

struct GateAndUp {
  at::Tensor gate_BTF, up_BTF;  // gate undefined in a plain mlp
};

GateAndUp widen(const Mlp& mlp, const at::Tensor& x_BTD) {
  if (!mlp.gate_up.weight.defined()) return {mlp.gated ? mlp.gate(x_BTD) : at::Tensor(), mlp.up(x_BTD)};
  const at::Tensor both = mlp.gate_up(x_BTD);
  const auto halves = both.split(both.size(-1) / 2, -1);
  return {halves[0], halves[1]};
}

}  // namespace

at::Tensor Mlp::operator()(const at::Tensor& x_BTD, bool lean) const {
  const auto [gate_BTF, up_BTF] = widen(*this, x_BTD);
  const auto middle = [gate_BTF = gate_BTF, up_BTF = up_BTF, kind = activation] {
    return gate_BTF.defined() ? gated_activation(gate_BTF, up_BTF, kind) : activate(up_BTF, kind);
  };
  const at::Tensor middle_BTF = middle();
  const CheapValue remade(lean ? middle_BTF : at::Tensor(), middle);
  return down(middle_BTF);
}

Mlp make_mlp(const ModelSpec& spec, const WeightMap& weights, int64_t layer) {
  const std::string name = "layers." + std::to_string(layer) + ".mlp.";
  Mlp mlp;
  mlp.activation = spec.activation;
  mlp.gated = spec.gated_mlp;
  mlp.down = make_linear(weights, name + "down");
  if (spec.fused_gate_up) {
    mlp.gate_up = make_linear(weights, name + "gate_up");
    return mlp;
  }
  if (spec.gated_mlp) mlp.gate = make_linear(weights, name + "gate");
  mlp.up = make_linear(weights, name + "up");
  return mlp;
}

}  // namespace distill
