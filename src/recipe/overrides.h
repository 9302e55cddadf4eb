// --set: `a.b=c` texts applied to the tree before it is read, so that a wrong override is reported like a wrong line.
#pragma once

#include "yaml_node.h"

namespace distill {

// Sets one value from `text`, which is the given source; a list is indexed by number, and the index after its end appends.
// Unknown keys are left to the reader.
void apply_override(const std::string& text, int source, YamlNode& root, Report& report);

}  // namespace distill
