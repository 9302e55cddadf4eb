// Where the checkout and the built program are. Only the generated paths.cpp holds the absolute paths, so that every other
// object file is the same in each clone and comes from the compiler cache. Tests that were carried elsewhere by
// scripts/package.sh find both in their archive.
#pragma once

#include <filesystem>

namespace distill::test {

std::filesystem::path source_folder();   // the root of the checkout
std::filesystem::path distill_binary();  // the built program

inline std::filesystem::path test_data(const std::filesystem::path& relative) {
  return source_folder() / "tests" / "data" / relative;
}

}  // namespace distill::test
