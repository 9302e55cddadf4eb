// Character classes as the reference library's tables have them: Unicode 8 for most, and frozen there. A character that came
// later is in none of them, whatever the installed Unicode library says.
#pragma once

namespace distill {

// What BERT's text cleaning takes out: U+0000, U+FFFD, and the categories Cc (but tab, line feed and carriage return), Cf, Co.
bool is_bert_control(char32_t c);
// Category Mn.
bool is_nonspacing_mark(char32_t c);
// Categories Mn, Mc, Me (Unicode 9).
bool is_combining_mark(char32_t c);
// ASCII punctuation (with its symbols, such as $ and +) and category P.
bool is_punctuation(char32_t c);

}  // namespace distill
