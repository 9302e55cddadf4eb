// A score of Unigram's vocabulary as the reference library reads it.
#pragma once

#include <string_view>

namespace distill {

// The value of a JSON number. The reference library's parser rounds twice (the digits as one integer, then the power of ten), so
// that one score in eight is the neighbour of the nearest double; ties between segmentations are decided by just that.
double read_score(std::string_view number);

}  // namespace distill
