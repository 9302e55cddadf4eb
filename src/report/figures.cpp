#include "distill/report/figures.h"

#include <cstdio>
#include <string_view>

namespace distill {
namespace {

std::string value_text(const Figure& figure) {
  const std::string_view key = figure.key;
  if (key == "perplexity") return fixed(figure.value, 2);
  if (key == "accuracy" || key == "top1_agreement") return fixed(100 * figure.value, 1) + " %";
  return fixed(figure.value, 4);
}

}  // namespace

std::string fixed(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::vector<Figure> figures_of(const EvalEvent& event) {
  std::vector<Figure> figures;
  const auto add = [&](const char* key, const char* title, const std::optional<double>& value) {
    if (value) figures.push_back({key, title, *value});
  };
  add("cross_entropy", "cross-entropy", event.cross_entropy);
  add("perplexity", "perplexity", event.perplexity);
  add("accuracy", "accuracy", event.accuracy);
  add("kl", "KL to the teacher", event.kl);
  add("top1_agreement", "same first choice", event.top1_agreement);
  add("cosine", "cosine to the teacher", event.cosine);
  return figures;
}

std::string figures_text(const EvalEvent& event) {
  std::string text;
  for (const Figure& figure : figures_of(event))
    text += (text.empty() ? "" : ", ") + std::string(figure.title) + " " + value_text(figure);
  return text;
}

}  // namespace distill
