#include "token_table.h"

#include <algorithm>

#include "distill/core/error.h"

namespace distill {
namespace {

void check_id(const std::pair<std::string, int64_t>& token, const std::string& where) {
  if (token.second >= 0 && token.second <= kMaxTokenId) return;
  throw InputError({where, "ids from 0 to " + std::to_string(kMaxTokenId),
                    "\"" + token.first + "\": " + std::to_string(token.second), "Take the file again from its source.", ""});
}

}  // namespace

TokenTable::TokenTable(std::vector<std::pair<std::string, int64_t>> tokens, const std::string& where)
    : tokens_(std::move(tokens)) {
  int64_t num_ids = 0;
  for (const auto& token : tokens_) {
    check_id(token, where);
    num_ids = std::max(num_ids, token.second + 1);
  }
  index_by_id_.assign(static_cast<size_t>(num_ids), -1);
  ids_.reserve(tokens_.size());
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const auto& [name, id] = tokens_[i];
    int32_t& index = index_by_id_[static_cast<size_t>(id)];
    if (index >= 0) {
      throw InputError(
          {where, "an id of its own for every token",
           std::to_string(id) + " for \"" + tokens_[static_cast<size_t>(index)].first + "\" and for \"" + name + "\"",
           "Take the file again from its source.", ""});
    }
    index = static_cast<int32_t>(i);
    if (!ids_.emplace(name, static_cast<int32_t>(id)).second)
      throw InputError({where, "every token once", "\"" + name + "\" twice", "Remove one of them.", ""});
  }
}

TokenTable TokenTable::of_list(std::vector<std::string> tokens, const std::string& where) {
  TokenTable table;
  if (tokens.size() > static_cast<size_t>(kMaxTokenId)) {
    throw InputError({where, "at most " + std::to_string(kMaxTokenId) + " tokens", std::to_string(tokens.size()),
                      "Take the file again from its source.", ""});
  }
  table.tokens_.reserve(tokens.size());
  table.ids_.reserve(tokens.size());
  for (std::string& token : tokens) {
    const auto id = static_cast<int32_t>(table.tokens_.size());
    table.tokens_.emplace_back(std::move(token), id);
    table.ids_[table.tokens_.back().first] = id;
    table.index_by_id_.push_back(id);
  }
  return table;
}

std::optional<int32_t> TokenTable::find(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? std::nullopt : std::optional<int32_t>(found->second);
}

const std::string* TokenTable::token(int32_t id) const {
  if (id < 0 || id >= num_ids()) return nullptr;
  const int32_t index = index_by_id_[static_cast<size_t>(id)];
  return index < 0 ? nullptr : &tokens_[static_cast<size_t>(index)].first;
}

}  // namespace distill
