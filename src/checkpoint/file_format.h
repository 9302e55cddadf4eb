// What a weights file is, by its bytes; its name says nothing.
#pragma once

#include "distill/core/file.h"

#include "stored_source.h"

namespace distill {

enum class WeightsFormat { safetensors, torch_zip };

// InputError for formats that cannot be read, by name and with the way out: pickles older than torch 1.6, tar, GGUF, HDF5, ...
WeightsFormat format_of(const fs::path& file);
void add_file(StoredSource& source, const fs::path& file, WeightsFormat format);

}  // namespace distill
