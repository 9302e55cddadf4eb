// One source from file to documents: rows are read in order by one thread, parsed and tokenised in chunks by all cores, and
// stored in order again, so that neither the documents nor the first error depend on the threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "distill/data/prepared.h"
#include "distill/data/token_store.h"

namespace distill {

struct PreparedSource {
  TokenStore store;
  PreparedState state;
  std::optional<TokenStore> teacher;  // document for document what a teacher with a tokenizer of its own reads
};

// Takes up what an earlier start prepared, prepares the rest, and shows how far it is. InputError: file and row of the first bad
// row. Stopped when a signal came: what is done by then is kept. `label` starts the messages.
PreparedSource prepare_source(const std::filesystem::path& source, const PrepareRules& rules, const PreparedPlace& place,
                              const std::string& label);

}  // namespace distill
