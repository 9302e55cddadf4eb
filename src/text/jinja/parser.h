// From tokens to the tree of a template. What of Jinja is not available is refused here, by name and line.
#pragma once

#include <string_view>

#include "lexer.h"
#include "syntax.h"

namespace distill::jinja {

// Throws SyntaxMistake.
Template parse(std::string_view source);

}  // namespace distill::jinja
