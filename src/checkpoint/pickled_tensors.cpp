#include "pickled_tensors.h"

#include <algorithm>
#include <string_view>

#include "distill/core/error.h"
#include "distill/tensor/dtype.h"
#include "distill/tensor/shape.h"

namespace distill {
namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxVisits = kMaxPickleNodes;  // a value may stand in several places, but not in a billion
constexpr size_t kMaxTensors = size_t{1} << 18, kMaxNameBytes = 1024, kMaxBytesOfAllNames = size_t{64} << 20;
constexpr uint64_t kMaxRepeatedBytes = uint64_t{1} << 20;  // of a view that has more elements than its storage

bool is_contiguous(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  int64_t expected = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

class Walk {
 public:
  Walk(const Pickle& pickle, const Storages& storages, const std::string& where)
      : pickle_(pickle), storages_(storages), where_(where) {}

  TorchArchive run() {
    visit(pickle_.root, "", 0);
    return std::move(found_);
  }

 private:
  [[noreturn]] void refuse(
      const std::string& name, const std::string& expected, const std::string& found,
      const std::string& advice = "The file is damaged, or made to harm: take it again from its source.") const {
    throw InputError({where_ + ": " + (name.empty() ? "the root" : "\"" + name + "\""), expected, found, advice, ""});
  }

  void visit(PickleRef ref, const std::string& name, int depth) {
    if (depth > kMaxDepth) refuse(name.substr(0, 80), "at most " + std::to_string(kMaxDepth) + " levels", "more");
    if (name.size() > kMaxNameBytes)
      refuse(name.substr(0, 80), "names of at most " + std::to_string(kMaxNameBytes) + " bytes", "more");
    count_visits(1, name);
    const PickleNode& node = pickle_.nodes[ref];
    if (const auto* dict = std::get_if<PickleDict>(&node)) {
      for (const auto& [key, value] : dict->items) visit(value, joined(name, key_text(key, name)), depth + 1);
    } else if (const auto* list = std::get_if<PickleList>(&node)) {
      visit_items(list->items, name, depth);
    } else if (const auto* tuple = std::get_if<PickleTuple>(&node)) {
      visit_items(tuple->items, name, depth);
    } else if (const auto* tensor = std::get_if<std::shared_ptr<const PickleTensor>>(&node)) {
      if (found_.tensors.size() >= kMaxTensors) refuse(name, "at most " + std::to_string(kMaxTensors) + " tensors", "more");
      count_name(name);
      found_.tensors.push_back(stored(**tensor, name.empty() ? "tensor" : name));
    } else {
      leave_out(name);
    }
  }

  void count_visits(size_t more, const std::string& name) {
    visits_ += more;
    if (visits_ > kMaxVisits) refuse(name, "at most " + std::to_string(kMaxVisits) + " values", "more");
  }
  void count_name(const std::string& name) {
    name_bytes_ += name.size();
    if (name_bytes_ > kMaxBytesOfAllNames)
      refuse(name, "names of at most " + std::to_string(kMaxBytesOfAllNames) + " bytes together", "more");
  }
  void leave_out(const std::string& name) {
    count_name(name);
    found_.left_out.push_back(name.empty() ? "value" : name);
  }

  void visit_items(const std::vector<PickleRef>& items, const std::string& name, int depth) {
    count_visits(items.size(), name);
    if (std::none_of(items.begin(), items.end(), [&](PickleRef item) { return may_hold_tensors(pickle_.nodes[item]); }))
      return leave_out(name);  // a shape, betas: one value for messages
    for (size_t i = 0; i < items.size(); ++i) visit(items[i], joined(name, std::to_string(i)), depth + 1);
  }

  static bool may_hold_tensors(const PickleNode& node) {
    return std::holds_alternative<PickleDict>(node) || std::holds_alternative<PickleList>(node) ||
           std::holds_alternative<PickleTuple>(node) || std::holds_alternative<std::shared_ptr<const PickleTensor>>(node);
  }

  static std::string joined(const std::string& prefix, const std::string& key) {
    return prefix.empty() ? key : prefix + "." + key;
  }

  std::string key_text(PickleRef ref, const std::string& name) const {
    const PickleNode& key = pickle_.nodes[ref];
    if (const auto* text = std::get_if<std::string>(&key)) {
      if (std::any_of(text->begin(), text->end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
        refuse(name, "keys without control characters", "some");
      return *text;
    }
    if (const auto* number = std::get_if<int64_t>(&key)) return std::to_string(*number);
    refuse(name, "keys that are text or whole numbers", "another type", "Save the state_dict() alone where the file was made.");
  }

  // The storage of a tensor: there, of the size that it is said to have, and not on a device without values.
  StorageBytes storage_of(const PickleTensor& tensor, const std::string& name) const {
    if (!tensor.storage || tensor.storage->location == "meta")
      refuse(name, "values", "a tensor of the meta device, which has none", "Save the model after its weights were loaded.");
    const PickleStorage& storage = *tensor.storage;
    const auto place = storages_.find(storage.key);
    if (place == storages_.end()) refuse(name, "the storage data/" + storage.key.substr(0, 40), "no such entry");
    const uint64_t item = storage.untyped ? 1 : c10::elementSize(storage.dtype);
    const uint64_t size = place->second.size;
    if (storage.numel < 0 || size % item != 0 || size / item != static_cast<uint64_t>(storage.numel))
      refuse(name, "a storage of " + std::to_string(storage.numel) + " elements of " + std::to_string(item) + " bytes",
             std::to_string(size) + " bytes in data/" + storage.key);
    return place->second;
  }

  // Elements from the first to the last one, both included. The numbers are the file's: every step may overflow.
  int64_t span_of(const PickleTensor& tensor, const std::string& name) const {
    int64_t span = 1;
    bool empty = false;
    for (size_t i = 0; i < tensor.shape.size(); ++i) {
      const int64_t size = tensor.shape[i], stride = tensor.strides[i];
      if (size < 0) refuse(name, "sizes from 0", shape_text(tensor.shape));
      if (stride < 0) refuse(name, "strides from 0", shape_text(tensor.strides));
      empty = empty || size == 0;
      int64_t extent = 0;
      if (__builtin_mul_overflow(std::max<int64_t>(size - 1, 0), stride, &extent) || __builtin_add_overflow(span, extent, &span))
        refuse(name, "elements that can be counted in 63 bits",
               "shape " + shape_text(tensor.shape) + " with strides " + shape_text(tensor.strides));
    }
    return empty ? 0 : span;
  }

  void check_view(const PickleTensor& tensor, const StorageBytes& storage, uint64_t bytes, const std::string& name) const {
    const int64_t span = span_of(tensor, name);
    const auto item = static_cast<int64_t>(c10::elementSize(tensor.dtype));
    const auto elements = static_cast<int64_t>(storage.size) / item;
    if (tensor.offset < 0 || tensor.offset > elements || span > elements - tensor.offset)
      refuse(name, "a view within its storage of " + std::to_string(elements) + " elements",
             "shape " + shape_text(tensor.shape) + " with strides " + shape_text(tensor.strides) + " at " +
                 std::to_string(tensor.offset));
    if (bytes > std::max(static_cast<uint64_t>(span * item), kMaxRepeatedBytes))
      refuse(name, "a view that does not repeat its storage",
             shape_text(tensor.shape) + " over " + std::to_string(span) + " elements");
  }

  StoredTensor stored(const PickleTensor& tensor, const std::string& name) const {
    if (tensor.lazy_math)
      refuse(name, "plain values", "a conjugated or negated view", "Save tensor.resolve_conj().resolve_neg().");
    if (tensor.strides.size() != tensor.shape.size())
      refuse(name, "a stride for every size", std::to_string(tensor.strides.size()));
    const StorageBytes storage = storage_of(tensor, name);
    for (const int64_t size : tensor.shape)
      if (size < 0) refuse(name, "sizes from 0", shape_text(tensor.shape));
    const auto bytes = dense_bytes(tensor.shape, tensor.dtype);
    if (!bytes) refuse(name, "a shape whose bytes can be counted in 63 bits", shape_text(tensor.shape));
    check_view(tensor, storage, *bytes, name);
    StoredTensor result;
    result.meta = {name, tensor.dtype, tensor.shape, *bytes, where_};
    result.offset = storage.offset + static_cast<uint64_t>(tensor.offset) * c10::elementSize(tensor.dtype);
    if (*bytes > 0 && !is_contiguous(tensor.shape, tensor.strides)) result.strides = tensor.strides;
    return result;
  }

  const Pickle& pickle_;
  const Storages& storages_;
  const std::string& where_;
  TorchArchive found_;
  size_t visits_ = 0, name_bytes_ = 0;
};

}  // namespace

TorchArchive tensors_of_pickle(const Pickle& pickle, const Storages& storages, const std::string& where) {
  return Walk(pickle, storages, where).run();
}

}  // namespace distill
