// Parts of a model by the words of student.freeze.
#pragma once

#include <string>

namespace distill {

// Does the part hold the weight of this name of ours? `embeddings`, `head`, `norms` (those of blocks too), or `layers.3`: all of
// block 3. A tied head is part of the embeddings.
bool part_holds(const std::string& part, const std::string& ours);

}  // namespace distill
