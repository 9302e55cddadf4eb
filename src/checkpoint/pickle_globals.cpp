#include "pickle_globals.h"

#include "distill/tensor/dtype.h"

#include "stored_source.h"

namespace distill {
namespace {

struct Row {
  std::string_view module, name;
  GlobalKind kind;
};

// `__builtin__` is how protocol 2 spells `builtins`.
constexpr Row kRows[] = {
    {"collections", "OrderedDict", GlobalKind::ordered_dict},
    {"__builtin__", "set", GlobalKind::collection},
    {"builtins", "set", GlobalKind::collection},
    {"__builtin__", "frozenset", GlobalKind::collection},
    {"builtins", "frozenset", GlobalKind::collection},
    {"_codecs", "encode", GlobalKind::encode},
    {"torch", "Size", GlobalKind::size},
    {"torch", "device", GlobalKind::device},
    {"torch", "Tensor", GlobalKind::tensor_type},
    {"torch.storage", "UntypedStorage", GlobalKind::untyped_storage},
    {"torch", "UntypedStorage", GlobalKind::untyped_storage},
    {"torch._utils", "_rebuild_tensor_v2", GlobalKind::rebuild_tensor_v2},
    {"torch._utils", "_rebuild_tensor_v3", GlobalKind::rebuild_tensor_v3},
    {"torch._tensor", "_rebuild_from_type_v2", GlobalKind::rebuild_from_type_v2},
    {"torch._utils", "_rebuild_parameter", GlobalKind::rebuild_parameter},
    {"torch._utils", "_rebuild_parameter_with_state", GlobalKind::rebuild_parameter_with_state},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", GlobalKind::rebuild_meta_tensor},
};

constexpr std::pair<std::string_view, at::ScalarType> kStorages[] = {
    {"FloatStorage", at::kFloat},
    {"HalfStorage", at::kHalf},
    {"BFloat16Storage", at::kBFloat16},
    {"DoubleStorage", at::kDouble},
    {"LongStorage", at::kLong},
    {"IntStorage", at::kInt},
    {"ShortStorage", at::kShort},
    {"CharStorage", at::kChar},
    {"ByteStorage", at::kByte},
    {"BoolStorage", at::kBool},
    {"ComplexFloatStorage", at::kComplexFloat},
};

[[noreturn]] void mismatch(const std::string& what) { throw PickleMismatch(what); }

// The arguments of one call, by place and type.
class Arguments {
 public:
  Arguments(const char* of, const std::vector<PickleRef>& refs, const std::vector<PickleNode>& nodes)
      : of_(of), refs_(refs), nodes_(nodes) {}
  void expect_count(size_t least, size_t most) const {
    if (refs_.size() < least || refs_.size() > most)
      mismatch(std::to_string(least) + (most > least ? " or " + std::to_string(most) : "") + " arguments for " + of_);
  }
  template <class Type>
  const Type& as(size_t index, const char* what) const {
    const Type* value = std::get_if<Type>(&nodes_[refs_[index]]);
    if (!value) mismatch(std::string(what) + " as argument " + std::to_string(index + 1) + " of " + of_);
    return *value;
  }
  const PickleGlobal& global(size_t index, GlobalKind kind, const char* what) const {
    const PickleGlobal& value = as<PickleGlobal>(index, what);
    if (value.kind != kind) mismatch(std::string(what) + " as argument " + std::to_string(index + 1) + " of " + of_);
    return value;
  }
  std::vector<int64_t> numbers(size_t index) const {
    const auto& items = as<PickleTuple>(index, "a tuple of whole numbers").items;
    if (items.size() > kMaxRank) mismatch("at most 64 dimensions of a tensor");
    std::vector<int64_t> values;
    for (const PickleRef ref : items) {
      const int64_t* value = std::get_if<int64_t>(&nodes_[ref]);
      if (!value) mismatch(std::string("a tuple of whole numbers as argument ") + std::to_string(index + 1) + " of " + of_);
      values.push_back(*value);
    }
    return values;
  }
  // Hooks are functions to run: there must be none.
  void expect_no_hooks(size_t index) const {
    if (std::holds_alternative<PickleNone>(nodes_[refs_[index]])) return;
    if (!as<PickleDict>(index, "an empty dictionary of hooks").items.empty())
      mismatch(std::string("no backward hooks of ") + of_);
  }
  // {"conj": True} or {"neg": True}: values to be computed at reading.
  bool asks_for_math(size_t index) const {
    if (index >= refs_.size() || std::holds_alternative<PickleNone>(nodes_[refs_[index]])) return false;
    return !as<PickleDict>(index, "a dictionary").items.empty();
  }

 private:
  const char* of_;
  const std::vector<PickleRef>& refs_;
  const std::vector<PickleNode>& nodes_;
};

PickleNode tensor_of(bool typed, const std::vector<PickleRef>& refs, const std::vector<PickleNode>& nodes) {
  const Arguments arguments(typed ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3", refs, nodes);
  const size_t needed = typed ? 6 : 7;
  arguments.expect_count(needed, needed + 1);
  PickleTensor tensor;
  tensor.storage = arguments.as<std::shared_ptr<const PickleStorage>>(0, "a storage");
  tensor.offset = arguments.as<int64_t>(1, "a whole number");
  tensor.shape = arguments.numbers(2);
  tensor.strides = arguments.numbers(3);
  arguments.as<bool>(4, "True or False");
  arguments.expect_no_hooks(5);
  tensor.dtype = typed ? tensor.storage->dtype : arguments.global(6, GlobalKind::dtype, "a torch type").dtype;
  if (typed && tensor.storage->untyped) mismatch("a typed storage for _rebuild_tensor_v2");
  tensor.lazy_math = arguments.asks_for_math(needed);
  return std::make_shared<const PickleTensor>(std::move(tensor));
}

PickleNode meta_tensor_of(const std::vector<PickleRef>& refs, const std::vector<PickleNode>& nodes) {
  const Arguments arguments("_rebuild_meta_tensor_no_storage", refs, nodes);
  arguments.expect_count(4, 4);
  PickleTensor tensor;
  tensor.dtype = arguments.global(0, GlobalKind::dtype, "a torch type").dtype;
  tensor.shape = arguments.numbers(1);
  tensor.strides = arguments.numbers(2);
  return std::make_shared<const PickleTensor>(std::move(tensor));
}

// A tensor with attributes of its own; they are left aside.
PickleNode tensor_with_attributes(const std::vector<PickleRef>& refs, const std::vector<PickleNode>& nodes) {
  const Arguments arguments("_rebuild_from_type_v2", refs, nodes);
  arguments.expect_count(4, 4);
  const GlobalKind kind = arguments.as<PickleGlobal>(0, "a function that rebuilds a tensor").kind;
  if (kind != GlobalKind::rebuild_tensor_v2 && kind != GlobalKind::rebuild_tensor_v3)
    mismatch("_rebuild_tensor_v2 or _rebuild_tensor_v3 as argument 1 of _rebuild_from_type_v2");
  arguments.global(1, GlobalKind::tensor_type, "torch.Tensor");
  return tensor_of(kind == GlobalKind::rebuild_tensor_v2, arguments.as<PickleTuple>(2, "a tuple").items, nodes);
}

PickleNode parameter_of(size_t num_arguments, const std::vector<PickleRef>& refs, const std::vector<PickleNode>& nodes) {
  const Arguments arguments("_rebuild_parameter", refs, nodes);
  arguments.expect_count(num_arguments, num_arguments);
  arguments.as<bool>(1, "True or False");
  arguments.expect_no_hooks(2);
  return arguments.as<std::shared_ptr<const PickleTensor>>(0, "a tensor");
}

PickleNode ordered_dict_of(const std::vector<PickleRef>& refs, const std::vector<PickleNode>& nodes) {
  Arguments("OrderedDict", refs, nodes).expect_count(0, 0);
  return PickleDict{};
}

PickleNode size_of(const std::vector<PickleRef>& refs, const std::vector<PickleNode>& nodes) {
  const Arguments arguments("torch.Size", refs, nodes);
  arguments.expect_count(1, 1);
  return arguments.as<PickleTuple>(0, "a tuple");
}

PickleNode collection_of(const std::vector<PickleRef>& refs, const std::vector<PickleNode>& nodes) {
  const Arguments arguments("set", refs, nodes);
  arguments.expect_count(0, 1);
  return refs.empty() ? PickleList{} : arguments.as<PickleList>(0, "a list");
}

PickleNode plain_value(const char* of, const std::vector<PickleRef>& refs, const std::vector<PickleNode>& nodes) {
  const Arguments arguments(of, refs, nodes);
  arguments.expect_count(1, 2);
  arguments.as<std::string>(0, "text");
  return PickleOther{};
}

}  // namespace

std::optional<PickleGlobal> find_pickle_global(std::string_view module, std::string_view name) {
  for (const Row& row : kRows)
    if (row.module == module && row.name == name) return PickleGlobal{row.kind};
  if (module != "torch") return std::nullopt;
  for (const auto& [word, dtype] : kStorages)
    if (word == name) return PickleGlobal{GlobalKind::storage, dtype};
  if (const auto dtype = dtype_from_word(name)) return PickleGlobal{GlobalKind::dtype, *dtype};
  return std::nullopt;
}

PickleNode call_pickle_global(const PickleGlobal& global, const std::vector<PickleRef>& arguments,
                              const std::vector<PickleNode>& nodes) {
  switch (global.kind) {
    case GlobalKind::ordered_dict:
      return ordered_dict_of(arguments, nodes);
    case GlobalKind::collection:
      return collection_of(arguments, nodes);
    case GlobalKind::encode:
      return plain_value("_codecs.encode", arguments, nodes);
    case GlobalKind::device:
      return plain_value("torch.device", arguments, nodes);
    case GlobalKind::size:
      return size_of(arguments, nodes);
    case GlobalKind::rebuild_tensor_v2:
      return tensor_of(/*typed=*/true, arguments, nodes);
    case GlobalKind::rebuild_tensor_v3:
      return tensor_of(/*typed=*/false, arguments, nodes);
    case GlobalKind::rebuild_from_type_v2:
      return tensor_with_attributes(arguments, nodes);
    case GlobalKind::rebuild_parameter:
      return parameter_of(3, arguments, nodes);
    case GlobalKind::rebuild_parameter_with_state:
      return parameter_of(4, arguments, nodes);
    case GlobalKind::rebuild_meta_tensor:
      return meta_tensor_of(arguments, nodes);
    case GlobalKind::tensor_type:
    case GlobalKind::dtype:
    case GlobalKind::storage:
    case GlobalKind::untyped_storage:
      break;
  }
  mismatch("a function that rebuilds a value; a type is not called");
}

PickleNode pickle_storage(const std::vector<PickleRef>& id, const std::vector<PickleNode>& nodes) {
  const Arguments arguments("a persistent id", id, nodes);
  arguments.expect_count(5, 5);
  if (arguments.as<std::string>(0, "'storage'") != "storage") mismatch("'storage' as argument 1 of a persistent id");
  const PickleGlobal& type = arguments.as<PickleGlobal>(1, "a storage type");
  if (type.kind != GlobalKind::storage && type.kind != GlobalKind::untyped_storage)
    mismatch("a storage type as argument 2 of a persistent id");
  PickleStorage storage;
  storage.dtype = type.dtype;
  storage.untyped = type.kind == GlobalKind::untyped_storage;
  storage.key = arguments.as<std::string>(2, "text");
  storage.location = arguments.as<std::string>(3, "text");
  storage.numel = arguments.as<int64_t>(4, "a whole number");
  return std::make_shared<const PickleStorage>(std::move(storage));
}

}  // namespace distill
