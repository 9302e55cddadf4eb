// Accounts, values and scopes; expressions are in evaluate.cpp, statements in execute.cpp.
#include "machine.h"

#include <algorithm>

#include "../unicode.h"
#include "compare.h"

namespace distill::jinja {
namespace {

constexpr size_t kIndexedEntries = 8;  // dictionaries up to this size are searched one by one

uint32_t depth_of(const Value& value) {
  if (const List* items = value.sequence()) return items->depth;
  if (const Dict* dict = value.dict()) return dict->depth;
  return 0;
}

}  // namespace

Machine::~Machine() {
  for (const ScopePtr& scope : kept_scopes_) scope->variables.clear();
  for (const auto& name_space : namespaces_) name_space->attributes.clear();
}

void Machine::run(const Template& source) { execute(source.body, std::make_shared<Scope>(), output_); }

void Machine::allocate(size_t bytes) {
  const size_t limit = kMaxAllocatedBytes + 256 * input_bytes_;
  if (bytes > limit || (allocated_bytes_ += bytes) > limit) fail_limit("its texts and lists take more than 64 MiB");
  scan(bytes);
}

Value Machine::text(std::string bytes, bool safe) {
  allocate(bytes.size() + sizeof(String));
  auto made = std::make_shared<String>();
  made->length = num_code_points(bytes);
  made->bytes = std::move(bytes);
  made->safe = safe;
  return std::shared_ptr<const String>(std::move(made));
}

Value Machine::list(std::vector<Value> items) {
  allocate(items.size() * sizeof(Value) + sizeof(List));
  auto made = std::make_shared<List>();
  for (const Value& item : items) made->depth = std::max(made->depth, depth_of(item) + 1);
  if (made->depth > kMaxValueDepth) fail_limit("its lists are nested deeper than 100 levels");
  made->items = std::move(items);
  return std::shared_ptr<const List>(std::move(made));
}

Value Machine::tuple(std::vector<Value> items) { return TupleOf{*list(std::move(items)).as<std::shared_ptr<const List>>()}; }

const Value* Machine::find(const Dict& dict, const Value& key) {
  if (!is_hashable(key)) fail(std::string("a value of type ") + type_name(key) + " cannot be a key");
  if (dict.index.empty()) {
    for (const auto& [other, value] : dict.entries)
      if (are_equal(*this, other, key)) return &value;
    return nullptr;
  }
  const auto [first, last] = dict.index.equal_range(hash_of(key));
  for (auto at = first; at != last; ++at) {
    step();
    if (are_equal(*this, dict.entries[at->second].first, key)) return &dict.entries[at->second].second;
  }
  return nullptr;
}

Value Machine::dict(std::vector<std::pair<Value, Value>> entries) {
  allocate(entries.size() * 2 * sizeof(Value) + sizeof(Dict));
  auto made = std::make_shared<Dict>();
  for (std::pair<Value, Value>& entry : entries) {
    if (const Value* earlier = find(*made, entry.first)) {
      *const_cast<Value*>(earlier) = std::move(entry.second);  // of a dictionary that nobody has seen yet
      continue;
    }
    made->entries.push_back(std::move(entry));
    if (made->entries.size() == kIndexedEntries + 1)
      for (size_t i = 0; i < made->entries.size(); ++i) made->index.emplace(hash_of(made->entries[i].first), i);
    else if (made->entries.size() > kIndexedEntries)
      made->index.emplace(hash_of(made->entries.back().first), made->entries.size() - 1);
  }
  for (const auto& [key, value] : made->entries) made->depth = std::max({made->depth, depth_of(value) + 1, depth_of(key) + 1});
  if (made->depth > kMaxValueDepth) fail_limit("its lists are nested deeper than 100 levels");
  return std::shared_ptr<const Dict>(std::move(made));
}

std::shared_ptr<Namespace> Machine::make_namespace() {
  allocate(sizeof(Namespace) + 64);
  namespaces_.push_back(std::make_shared<Namespace>());
  return namespaces_.back();
}

Value Machine::generator(std::function<bool(Machine&, Value&)> next, std::string python_type) {
  return std::make_shared<Iterator>(Iterator{std::move(python_type), std::move(next)});
}

namespace {

std::shared_ptr<Iterator> over(std::vector<Value> items) {
  return std::make_shared<Iterator>(
      Iterator{"list_iterator", [items = std::move(items), i = size_t{0}](Machine&, Value& out) mutable {
                 if (i >= items.size()) return false;
                 out = items[i++];
                 return true;
               }});
}
std::shared_ptr<Iterator> over_list(std::shared_ptr<const List> list) {
  return std::make_shared<Iterator>(
      Iterator{"list_iterator", [list = std::move(list), i = size_t{0}](Machine&, Value& out) mutable {
                 if (i >= list->items.size()) return false;
                 out = list->items[i++];
                 return true;
               }});
}
std::shared_ptr<Iterator> over_dict(std::shared_ptr<const Dict> dict, DictPart part) {
  return std::make_shared<Iterator>(
      Iterator{"dict_iterator", [dict = std::move(dict), part, i = size_t{0}](Machine& machine, Value& out) mutable {
                 if (i >= dict->entries.size()) return false;
                 const auto& [key, value] = dict->entries[i++];
                 out = part == DictPart::keys ? key : part == DictPart::values ? value : machine.tuple({key, value});
                 return true;
               }});
}
std::shared_ptr<Iterator> over_text(std::shared_ptr<const String> text) {
  return std::make_shared<Iterator>(
      Iterator{"str_iterator", [text = std::move(text), i = size_t{0}](Machine& machine, Value& out) mutable {
                 if (i >= text->bytes.size()) return false;
                 const size_t size = code_point_at(text->bytes, i).num_bytes;
                 out = machine.text(text->bytes.substr(i, size));
                 i += size;
                 return true;
               }});
}
std::shared_ptr<Iterator> over_range(Range range) {
  return std::make_shared<Iterator>(Iterator{"range_iterator", [range, i = int64_t{0}](Machine&, Value& out) mutable {
                                               if (i >= range.length) return false;
                                               out = range.at(i++);
                                               return true;
                                             }});
}

}  // namespace

std::shared_ptr<Iterator> Machine::iterate(const Value& value) {
  if (const auto* list = value.as<std::shared_ptr<const List>>()) return over_list(*list);
  if (const auto* tuple = value.as<TupleOf>()) return over_list(tuple->list);
  if (const auto* dict = value.as<std::shared_ptr<const Dict>>()) return over_dict(*dict, DictPart::keys);
  if (const auto* view = value.as<View>()) return over_dict(view->dict, view->part);
  if (const auto* string = value.as<std::shared_ptr<const String>>()) return over_text(*string);
  if (const auto* range = value.as<Range>()) return over_range(*range);
  if (const auto* iterator = value.as<std::shared_ptr<Iterator>>()) return *iterator;
  if (value.undefined()) return over({});
  fail(std::string("a value of type ") + type_name(value) + " cannot be iterated");
}

std::vector<Value> Machine::items_of(const Value& value) {
  if (const List* items = value.sequence()) return step(static_cast<int64_t>(items->items.size())), items->items;
  const std::shared_ptr<Iterator> source = iterate(value);
  std::vector<Value> items;
  for (Value item; source->next(*this, item);) {
    step();
    items.push_back(item);
  }
  return items;
}

std::optional<int64_t> Machine::length_of(const Value& value) {
  if (value.string()) return static_cast<int64_t>(value.string()->length);
  if (const List* items = value.sequence()) return static_cast<int64_t>(items->items.size());
  if (value.dict()) return static_cast<int64_t>(value.dict()->entries.size());
  if (const auto* view = value.as<View>()) return static_cast<int64_t>(view->dict->entries.size());
  if (const auto* range = value.as<Range>()) return range->length;
  if (value.undefined()) return 0;
  if (value.loop()) return loop_length(*value.loop());
  return std::nullopt;
}

ScopePtr Machine::inner(const ScopePtr& scope) {
  auto made = std::make_shared<Scope>();
  made->parent = scope;
  return made;
}

}  // namespace distill::jinja
