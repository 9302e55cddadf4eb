#include "distill/report/html.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <vector>

#include "distill/core/file.h"
#include "distill/core/json_reader.h"

namespace distill {
namespace {

using Curve = std::map<int64_t, double>;  // step -> value

struct Curves {
  std::map<std::string, Curve> by_name;

  void add(const std::string& name, int64_t step, const Json& value) {
    if (value.is_number()) by_name[name][step] = value.get<double>();
  }
};

Curves read_curves(const fs::path& log_file) {
  Curves curves;
  std::ifstream file(log_file);
  for (std::string line; std::getline(file, line);) {
    const Json event = parse_json(line, log_file.string());
    const std::string kind = json_string(event, "event", log_file.string());
    const int64_t step = json_int(event, "step", log_file.string());
    if (kind == "step") {
      for (const char* key : {"loss", "learning_rate", "grad_norm", "tokens_per_second", "loss_scale"})
        curves.add(key, step, event[key]);
      if (event["terms"].size() > 1)
        for (const auto& [name, value] : event["terms"].items()) curves.add("term " + name, step, value);
    }
    if (kind == "eval")
      for (const char* key : {"cross_entropy", "accuracy", "kl", "top1_agreement", "cosine"})
        if (event.contains(key)) curves.add(std::string("held-out ") + key, step, event[key]);
  }
  return curves;
}

std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : std::string(1, c);
  return out;
}

// At most about 600 points: the mean of each group of neighbours.
std::vector<std::pair<double, double>> thinned(const Curve& curve) {
  const size_t group = curve.size() / 600 + 1;
  std::vector<std::pair<double, double>> points;
  double x = 0, y = 0;
  size_t count = 0, seen = 0;
  for (const auto& [step, value] : curve) {
    x += static_cast<double>(step);
    y += value;
    ++count;
    if (++seen < curve.size() && count < group) continue;
    points.emplace_back(x / static_cast<double>(count), y / static_cast<double>(count));
    x = y = 0;
    count = 0;
  }
  return points;
}

std::string drawing(const std::string& name, const Curve& curve) {
  constexpr double kWidth = 560, kHeight = 180, kLeft = 70, kBottom = 24;
  const auto points = thinned(curve);
  const auto [low, high] =
      std::minmax_element(points.begin(), points.end(), [](auto& a, auto& b) { return a.second < b.second; });
  const double bottom = low->second, top = high->second > bottom ? high->second : bottom + 1;
  const double first = points.front().first, last = points.back().first > first ? points.back().first : first + 1;
  std::string path;
  for (const auto& [x, y] : points) {
    path += (path.empty() ? "M" : "L") + number(kLeft + (x - first) / (last - first) * (kWidth - kLeft - 10)) + " " +
            number(8 + (top - y) / (top - bottom) * (kHeight - kBottom - 16)) + " ";
  }
  const auto label = [](double x, double y, const char* anchor, const std::string& text) {
    return "<text x='" + number(x) + "' y='" + number(y) + "' text-anchor='" + anchor + "'>" + text + "</text>";
  };
  return "<figure><figcaption>" + escaped(name) + ": first " + number(curve.begin()->second) + ", last " +
         number(curve.rbegin()->second) + "</figcaption><svg viewBox='0 0 560 180' role='img' aria-label='" + escaped(name) +
         "'>" + "<path class='axis' d='M70 4V156H552'/><path class='line' d='" + path + "'/>" +
         label(64, 16, "end", number(top)) + label(64, 154, "end", number(bottom)) +
         label(70, 172, "start", "step " + number(first)) + label(550, 172, "end", "step " + number(points.back().first)) +
         "</svg></figure>\n";
}

constexpr const char* kStyle =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}"
    "pre{background:#f4f4f4;padding:1rem;overflow-x:auto}main{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,"
    "1fr));gap:1rem}"
    "figure{margin:0;border:1px solid #ddd;padding:.6rem}figcaption{font-weight:600}svg{width:100%;height:auto}"
    "svg text{font-size:11px;fill:#555}.axis{stroke:#999;fill:none}.line{stroke:#1a5fb4;stroke-width:1.5;fill:none}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}pre{background:#2a2a2a}figure{border-color:#444}"
    "svg text{fill:#aaa}.line{stroke:#78aeed}}";

}  // namespace

void write_html_report(const fs::path& log_file, const fs::path& html_file, const std::string& title, const std::string& card) {
  const Curves curves = read_curves(log_file);
  std::string html =
      "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>" +
      escaped(title) + "</title><style>" + kStyle + "</style></head><body>\n<h1>" + escaped(title) + "</h1>\n<pre>" +
      escaped(card) + "</pre>\n<main>\n";
  for (const auto& [name, curve] : curves.by_name)
    if (curve.size() > 1) html += drawing(name, curve);
  write_file_atomically(html_file, html + "</main>\n</body></html>\n");
}

}  // namespace distill
