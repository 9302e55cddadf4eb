// All tokens that a text begins with, in one walk over its bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace distill {

class ByteTrie {
 public:
  // Tokens and their ids; of equal tokens the last stays, and an empty one is never found.
  explicit ByteTrie(const std::vector<std::pair<std::string, int64_t>>& tokens);

  // Calls `found(id, num_bytes)` for every token that `text` begins with, shortest first.
  template <class Found>
  void for_each_prefix(std::string_view text, Found found) const {
    if (text.empty()) return;
    int32_t node = roots_[static_cast<uint8_t>(text[0])];
    for (uint32_t depth = 1; node >= 0; ++depth) {
      const Node& here = nodes_[static_cast<size_t>(node)];
      if (here.id >= 0) found(here.id, depth);
      if (depth == text.size()) return;
      node = child(here, static_cast<uint8_t>(text[depth]));
    }
  }

 private:
  struct Node {
    uint32_t first_child = 0;  // children lie together, in the order of their bytes
    uint16_t num_children = 0;
    uint8_t byte = 0;
    int32_t id = -1;  // -1: no token ends here
  };
  // The children of a node, as a range of the sorted tokens.
  struct Range {
    uint32_t node, begin, end, depth;
  };
  int32_t child(const Node& node, uint8_t byte) const;
  void add_children(const std::vector<const std::pair<std::string, int64_t>*>& sorted, const Range& range,
                    std::vector<Range>& next);

  std::vector<Node> nodes_;         // 0: the root
  std::array<int32_t, 256> roots_;  // -1: no token starts with this byte
};

}  // namespace distill
