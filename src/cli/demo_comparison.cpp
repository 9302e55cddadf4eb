#include "demo_comparison.h"

#include <cmath>
#include <cstdio>
#include <numeric>

#include "distill/core/units.h"

namespace distill::demo {
namespace {

std::vector<double> cross_entropies(const std::vector<EvalEvent>& events) {
  std::vector<double> values;
  for (const EvalEvent& event : events) values.push_back(event.cross_entropy.value());
  return values;
}

std::vector<double> divergences(const std::vector<EvalEvent>& events) {
  std::vector<double> values;
  for (const EvalEvent& event : events) values.push_back(event.kl.value_or(std::nan("")));
  return values;
}

template <class... Values>
std::string formatted(const char* format, Values... values) {
  char text[200];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

std::string row(const char* name, const std::vector<EvalEvent>& events) {
  const Estimate cross_entropy = estimate(cross_entropies(events)), kl = estimate(divergences(events));
  return formatted("%-20s %8.4f +- %.4f    %8.4f +- %.4f    %8.2f\n", name, cross_entropy.mean, cross_entropy.error, kl.mean,
                   kl.error, std::exp(cross_entropy.mean));
}

Json figures(const std::vector<EvalEvent>& events) {
  return {{"cross_entropy", cross_entropies(events)}, {"kl_to_teacher", divergences(events)}};
}

}  // namespace

Estimate estimate(const std::vector<double>& values) {
  const double count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, values.size() < 2 ? std::nan("") : std::sqrt(squares / (count - 1) / count)};
}

Estimate Comparison::gain() const {
  std::vector<double> differences;
  for (size_t i = 0; i < alone.size(); ++i) differences.push_back(*alone[i].cross_entropy - *distilled[i].cross_entropy);
  return estimate(differences);
}

std::string Comparison::table() const {
  const Estimate difference = gain();
  const double gap = estimate(cross_entropies(alone)).mean - *teacher.cross_entropy;
  std::string text = "Held-out text, " + count_text(static_cast<double>(teacher.tokens)) + " tokens, nats per token; " +
                     std::to_string(alone.size()) + " seeds, +- is one standard error over them\n\n";
  text += "                      cross-entropy         KL to the teacher     perplexity\n";
  text += formatted("%-20s %8.4f              %8.4f              %8.2f\n", "teacher", *teacher.cross_entropy, 0.0,
                    std::exp(*teacher.cross_entropy));
  text += row("student alone", alone) + row("student distilled", distilled) + "\n";
  text += formatted("Distilled minus alone: %+.4f +- %.4f, %.0f standard errors; ", -difference.mean, difference.error,
                    std::abs(difference.mean) / difference.error);
  text += formatted("%.0f %% of the way from the student alone to the teacher.\n", 100 * difference.mean / gap);
  return text;
}

Json Comparison::json() const {
  const Estimate difference = gain();
  return {{"teacher", {{"cross_entropy", *teacher.cross_entropy}}},
          {"alone", figures(alone)},
          {"distilled", figures(distilled)},
          {"gain", {{"mean", difference.mean}, {"standard_error", difference.error}}},
          {"tokens", teacher.tokens}};
}

}  // namespace distill::demo
