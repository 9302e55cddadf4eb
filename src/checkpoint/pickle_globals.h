// The globals that a torch.save file may name, and what calling each of them makes.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "pickle.h"

namespace distill {

std::optional<PickleGlobal> find_pickle_global(std::string_view module, std::string_view name);

// The arguments do not fit; what() says how. read_pickle adds the place.
struct PickleMismatch : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What `global(*arguments)` makes, from nodes alone. PickleMismatch when arguments have other types or another number.
PickleNode call_pickle_global(const PickleGlobal& global, const std::vector<PickleRef>& arguments,
                              const std::vector<PickleNode>& nodes);
// The storage that a persistent id ('storage', type, key, location, numel) names.
PickleNode pickle_storage(const std::vector<PickleRef>& id, const std::vector<PickleNode>& nodes);

}  // namespace distill
