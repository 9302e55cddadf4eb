#include "distill/tensor/shape.h"

#include <utility>

#include "distill/core/error.h"

namespace distill {
namespace {

constexpr std::pair<char, std::string_view> kLegend[] = {{'B', "batch"},           {'T', "position"},     {'N', "packed rows"},
                                                         {'D', "hidden"},          {'F', "feed-forward"}, {'H', "query heads"},
                                                         {'G', "key/value heads"}, {'K', "head size"},    {'V', "vocabulary"},
                                                         {'L', "layers"},          {'C', "classes"},      {'S', "key position"}};

std::string axes_text(std::string_view axes, const AxisSizes& sizes) {
  std::string text;
  for (const char axis : axes) {
    const auto known = sizes.find(axis);
    text += std::string(text.empty() ? "" : ", ") + axis + (known == sizes.end() ? "" : "=" + std::to_string(known->second));
    if (const std::string_view meaning = axis_meaning(axis); !meaning.empty()) text += " (" + std::string(meaning) + ")";
  }
  return "[" + text + "]";
}

}  // namespace

std::string_view axis_meaning(char letter) {
  for (const auto& [known, meaning] : kLegend)
    if (known == letter) return meaning;
  return "";
}

void expect_shape(const at::Tensor& tensor, std::string_view axes, AxisSizes& sizes, std::string_view name) {
  bool fits = tensor.defined() && tensor.dim() == static_cast<int64_t>(axes.size());
  for (size_t i = 0; fits && i < axes.size(); ++i) {
    const int64_t size = tensor.size(static_cast<int64_t>(i));
    fits = sizes.emplace(axes[i], size).first->second == size;
  }
  if (!fits) throw Bug(std::string(name) + " should have the shape " + axes_text(axes, sizes) + " and has " + shape_text(tensor));
}

void expect_shape(const at::Tensor& tensor, std::string_view axes, const AxisSizes& sizes, std::string_view name) {
  AxisSizes copy = sizes;
  expect_shape(tensor, axes, copy, name);
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

std::string shape_text(const at::Tensor& tensor) { return tensor.defined() ? shape_text(tensor.sizes().vec()) : "nothing"; }

}  // namespace distill
