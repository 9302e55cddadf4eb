// The model's tokens by name and by id.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace distill {

constexpr int64_t kMaxTokenId = (int64_t{1} << 24) - 1;  // no model comes near; it bounds the tables that ids index

class TokenTable {
 public:
  TokenTable() = default;
  // InputError names `where`, the token, and what is wrong: an id out of range, or one that two tokens share.
  TokenTable(std::vector<std::pair<std::string, int64_t>> tokens, const std::string& where);
  // The id of a token is its place. Of equal tokens the last is found, and each id has its name.
  static TokenTable of_list(std::vector<std::string> tokens, const std::string& where);
  TokenTable(TokenTable&&) = default;
  TokenTable& operator=(TokenTable&&) = default;

  std::optional<int32_t> find(std::string_view token) const;
  const std::string* token(int32_t id) const;  // null for an id that names none
  size_t size() const { return tokens_.size(); }
  int64_t num_ids() const { return static_cast<int64_t>(index_by_id_.size()); }  // largest id + 1
  const std::vector<std::pair<std::string, int64_t>>& tokens() const { return tokens_; }

 private:
  std::vector<std::pair<std::string, int64_t>> tokens_;
  std::unordered_map<std::string_view, int32_t> ids_;  // views of tokens_
  std::vector<int32_t> index_by_id_;                   // -1: none
};

}  // namespace distill
