#include "byte_trie.h"

#include <algorithm>
#include <cstddef>

namespace distill {

ByteTrie::ByteTrie(const std::vector<std::pair<std::string, int64_t>>& tokens) : nodes_(1) {
  std::vector<const std::pair<std::string, int64_t>*> sorted;
  for (const auto& token : tokens)
    if (!token.first.empty()) sorted.push_back(&token);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return *a < *b; });
  std::vector<Range> level = {{0, 0, static_cast<uint32_t>(sorted.size()), 0}};
  for (std::vector<Range> next; !level.empty(); level.swap(next)) {
    next.clear();
    for (const Range& range : level) add_children(sorted, range, next);
  }
  roots_.fill(-1);
  for (uint32_t i = 0; i < nodes_[0].num_children; ++i)
    roots_[nodes_[nodes_[0].first_child + i].byte] = static_cast<int32_t>(nodes_[0].first_child + i);
}

// The tokens of a range agree in their first `depth` bytes; those that end there come first.
void ByteTrie::add_children(const std::vector<const std::pair<std::string, int64_t>*>& sorted, const Range& range,
                            std::vector<Range>& next) {
  uint32_t begin = range.begin;
  for (; begin < range.end && sorted[begin]->first.size() == range.depth; ++begin)
    nodes_[range.node].id = static_cast<int32_t>(sorted[begin]->second);
  nodes_[range.node].first_child = static_cast<uint32_t>(nodes_.size());
  while (begin < range.end) {
    const char byte = sorted[begin]->first[range.depth];
    uint32_t end = begin + 1;
    while (end < range.end && sorted[end]->first[range.depth] == byte) ++end;
    next.push_back({static_cast<uint32_t>(nodes_.size()), begin, end, range.depth + 1});
    nodes_.push_back({0, 0, static_cast<uint8_t>(byte), -1});
    ++nodes_[range.node].num_children;
    begin = end;
  }
}

int32_t ByteTrie::child(const Node& node, uint8_t byte) const {
  const Node* first = nodes_.data() + node.first_child;
  const Node* last = first + node.num_children;
  constexpr uint16_t kFewChildren = 8;
  if (node.num_children > kFewChildren)
    first = std::lower_bound(first, last, byte, [](const Node& one, uint8_t value) { return one.byte < value; });
  else
    while (first != last && first->byte != byte) ++first;
  return first == last || first->byte != byte ? -1 : static_cast<int32_t>(first - nodes_.data());
}

}  // namespace distill
