// One file of torch.save (the zip form of torch 1.6 and later): its tensors, found and checked. Nothing in it is run, and it does
// not matter on which device a tensor was saved.
// Layout: <archive>/data.pkl (pickle.h), version, byteorder, data/<key> = the bytes of one storage.
#pragma once

#include <string>
#include <vector>

#include "distill/core/file.h"

#include "stored_source.h"

namespace distill {

struct TorchArchive {
  std::vector<StoredTensor> tensors;  // names of nested dictionaries and lists are joined with "."; a lone tensor is "tensor"
  std::vector<std::string> left_out;  // names of values that are no tensors
};

// InputError names what is wrong: the entry, the opcode or global, or the tensor; and TorchScript files, by name.
TorchArchive read_torch_archive(const ReadFile& file);

}  // namespace distill
