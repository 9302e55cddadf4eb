// Canonical composition (NFC) that keeps the alignment with the input.
#pragma once

#include "aligned_text.h"

namespace distill {

// As the reference library does it, whose tables are those of Unicode 9: characters added later stay as they are.
void compose_canonically(AlignedText& text);

}  // namespace distill
