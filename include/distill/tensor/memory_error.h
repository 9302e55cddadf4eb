// Memory that ran out, told as every other error is: where, what was asked for, what was free, what to do now.
#pragma once

#include <exception>
#include <optional>
#include <string>

#include "distill/core/error.h"

namespace distill {

// What is asked for does not fit here: the same command ends the same way, a changed recipe does not. Hence the exit code of a
// recipe, neither 70 (nothing is broken) nor 75 (running it again would loop).
struct MemoryError : Error {
  explicit MemoryError(Complaint complaint) : Error(ExitCode::usage, {std::move(complaint)}) {}
};

// The complaint about `error` when it says that memory ran out: torch's allocators of a GPU and of the host, std::bad_alloc.
// nullopt for any other error. `during`: what was being done, e.g. "update 12 (micro-batches of 4 rows)".
std::optional<Complaint> memory_complaint(const std::exception& error, const std::string& during, const std::string& advice);

// Does `work`; memory that runs out in it becomes a MemoryError, every other error passes.
template <class Work>
auto naming_memory(const std::string& during, const std::string& advice, const Work& work) {
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    if (auto complaint = memory_complaint(error, during, advice)) throw MemoryError(std::move(*complaint));
    throw;
  }
}

}  // namespace distill
