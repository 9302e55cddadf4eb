// Files of torch.save (pytorch_model.bin, .pt, .pth; the zip form of torch 1.6 and later), read without running anything in them.
// Layout: https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/docs/serialization.md
#pragma once

#include <filesystem>
#include <memory>

#include "distill/tensor/source.h"

namespace distill {

// Tensors of nested dictionaries and lists by names joined with "."; views with any strides; a lone tensor is called "tensor".
// Whatever device a tensor was on, it is read here. Values that are no tensors are in left_out().
// InputError: a damaged or compressed zip, an opcode or global that weights do not need (by name), views beyond their storage
// (by the tensor's name), big-endian values, TorchScript.
std::unique_ptr<TensorSource> open_torch_zip(const std::filesystem::path& file);

}  // namespace distill
