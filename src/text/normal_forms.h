// The four Unicode normal forms, with the alignment with the input kept.
#pragma once

#include "aligned_text.h"

namespace distill {

enum class NormalForm { nfc, nfd, nfkc, nfkd };

// As the reference library does it, whose tables are those of Unicode 9: characters added later stay as they are.
void apply_normal_form(AlignedText& text, NormalForm form);

}  // namespace distill
