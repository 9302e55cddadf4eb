// A choice that was measured once and holds for all later runs on a machine, so that they round alike.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "distill/kernels/gemm.h"

namespace distill::gemm {

// The maker that stands in `file`; else what `measure` says, which is written there. Of several processes that measure at once,
// the first to write is right for all. Where nothing can be written nothing is measured: `otherwise`.
Maker kept_choice(const std::filesystem::path& file, const std::function<Maker()>& measure, Maker otherwise);
// The file for this CPU, this number of threads and this torch, in the user's cache folder; empty without one.
std::filesystem::path choice_file(int num_threads);

}  // namespace distill::gemm
