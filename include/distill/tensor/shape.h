// The legend of axis letters that tensor names carry (hidden_BTD), and the check that a tensor has the axes its name says.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace distill {

// B batch, T position, N packed rows, D hidden, F feed-forward, H query heads, G key/value heads, K head size, V vocabulary,
// L layers, C classes, S key position. "" for another letter.
std::string_view axis_meaning(char letter);

// The size of each letter, bound at its first use.
using AxisSizes = std::map<char, int64_t>;

// Bug when `tensor` has not exactly these axes, e.g. expect_shape(q, "BHTK", sizes, "q"): rank 4, and every letter as large
// as where it was met before; letters met first are added to `sizes`.
void expect_shape(const at::Tensor& tensor, std::string_view axes, AxisSizes& sizes, std::string_view name);
// The same with sizes that are not kept.
void expect_shape(const at::Tensor& tensor, std::string_view axes, const AxisSizes& sizes, std::string_view name);

std::string shape_text(const std::vector<int64_t>& shape);  // "[2, 3]"
std::string shape_text(const at::Tensor& tensor);

}  // namespace distill
