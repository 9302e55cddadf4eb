// Held-out figures by name: what an evaluation measured, listed once for the log, the summary and the terminal.
#pragma once

#include <string>
#include <vector>

#include "distill/train/events.h"

namespace distill {

struct Figure {
  const char* key;    // in JSON
  const char* title;  // in text
  double value;
};
// Those that the evaluation has, in a fixed order.
std::vector<Figure> figures_of(const EvalEvent& event);
// "cross-entropy 1.2345, perplexity 3.44, KL to the teacher 0.1000, same first choice 90.0 %".
std::string figures_text(const EvalEvent& event);

std::string fixed(double value, int digits);

}  // namespace distill
