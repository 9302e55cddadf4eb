// Reads the pickle inside a torch.save file without running anything: a stack machine over an allow-list of opcodes that builds
// plain nodes. A global is looked up in a table (pickle_globals); calling one makes a node, never a call.
// Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace distill {

using PickleRef = uint32_t;  // place of a node

struct PickleNone {};
struct PickleOther {};  // a value that no tensor needs: bytes, a huge integer, a device
struct PickleList {
  std::vector<PickleRef> items;
};
struct PickleTuple {
  std::vector<PickleRef> items;
};
struct PickleDict {
  std::vector<std::pair<PickleRef, PickleRef>> items;
};
enum class GlobalKind {
  ordered_dict,
  collection,  // set and frozenset of a list
  encode,      // how protocol 2 writes bytes
  size,
  device,
  tensor_type,
  dtype,
  storage,
  untyped_storage,
  rebuild_tensor_v2,
  rebuild_tensor_v3,
  rebuild_from_type_v2,
  rebuild_parameter,
  rebuild_parameter_with_state,
  rebuild_meta_tensor,
};
struct PickleGlobal {
  GlobalKind kind;
  at::ScalarType dtype = at::kByte;  // of dtype and storage
};
struct PickleStorage {
  at::ScalarType dtype = at::kByte;
  bool untyped = false;
  std::string key;       // the entry data/<key>
  std::string location;  // "cpu", "cuda:0", ...: where it was, which does not matter here
  int64_t numel = 0;     // bytes when untyped
};
struct PickleTensor {                            // unchecked: the numbers are as the file says
  std::shared_ptr<const PickleStorage> storage;  // none on the meta device
  at::ScalarType dtype = at::kByte;
  int64_t offset = 0;
  std::vector<int64_t> shape, strides;
  bool lazy_math = false;  // conjugated or negated when read
};

using PickleNode = std::variant<PickleNone, PickleOther, bool, int64_t, double, std::string, PickleList, PickleTuple, PickleDict,
                                PickleGlobal, std::shared_ptr<const PickleStorage>, std::shared_ptr<const PickleTensor>>;

struct Pickle {
  std::vector<PickleNode> nodes;
  PickleRef root = 0;
};

// InputError names the opcode or the global that is not on the list, with its place in the bytes; and every opcode that the
// stack, the memo, the types or the limits do not allow. Nodes may refer to themselves: walks need a limit of their own.
Pickle read_pickle(std::string_view bytes, const std::string& where);

// Of the whole pickle: opcodes that make a node. The state of an optimizer over 10,000 tensors makes half a million.
inline constexpr size_t kMaxPickleNodes = size_t{2} << 20;

}  // namespace distill
