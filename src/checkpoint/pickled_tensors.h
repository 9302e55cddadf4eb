// From the values of a pickle to named tensors with their place in the file.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "pickle.h"
#include "torch_archive.h"

namespace distill {

// The bytes of each storage, by key.
struct StorageBytes {
  uint64_t offset = 0, size = 0;
};
using Storages = std::map<std::string, StorageBytes, std::less<>>;

// InputError names the tensor whose storage is missing, of another size, or too small for its shape and strides.
TorchArchive tensors_of_pickle(const Pickle& pickle, const Storages& storages, const std::string& where);

}  // namespace distill
