// The feed-forward sublayer.
#include "distill/model/mlp.h"

#include "distill/model/checkpointing.h"

namespace distill {

at::Tensor Mlp::operator()(const at::Tensor& x_BTD, bool lean) const {
  const at::Tensor gate_BTF = gated ? gate(x_BTD) : at::Tensor();
  const at::Tensor up_BTF = up(x_BTD);
  const auto middle = [gate_BTF, up_BTF, kind = activation] {
    return gate_BTF.defined() ? gated_activation(gate_BTF, up_BTF, kind) : activate(up_BTF, kind);
  };
  const at::Tensor middle_BTF = middle();
  const CheapValue remade(lean ? middle_BTF : at::Tensor(), middle);
  return down(middle_BTF);
}

Mlp make_mlp(const ModelSpec& spec, const WeightMap& weights, int64_t layer) {
  const std::string name = "layers." + std::to_string(layer) + ".mlp.";
  return {spec.activation, spec.gated_mlp, spec.gated_mlp ? make_linear(weights, name + "gate") : Linear{},
          make_linear(weights, name + "up"), make_linear(weights, name + "down")};
}

}  // namespace distill
