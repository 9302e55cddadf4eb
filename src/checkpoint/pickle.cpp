#include "pickle.h"

#include <array>
#include <cctype>
#include <cstring>

#include "distill/core/error.h"

#include "pickle_globals.h"

namespace distill {
namespace {

constexpr size_t kMaxNameBytes = 256;  // of a module or a global
constexpr const char* kAdvice =
    "Nothing in the file was run. If it should hold weights alone, save them again where it was made, as safetensors: "
    "safetensors.torch.save_file(model.state_dict(), \"model.safetensors\").";

// Bytes of a stranger in a message: no control characters, not endless.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 80)) out += std::isprint(static_cast<unsigned char>(c)) ? c : '?';
  return out;
}

class PickleMachine {
 public:
  PickleMachine(std::string_view bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {}

  Pickle run() {
    while (!stopped_) {
      opcode_at_ = at_;
      opcode_ = nullptr;
      try {
        step(static_cast<unsigned char>(take(1)[0]));
      } catch (const PickleMismatch& problem) {
        refuse(problem.what(), "something else");
      }
    }
    if (stack_.size() != 1 || !marks_.empty()) refuse("one value at the end", std::to_string(stack_.size()));
    return {std::move(nodes_), stack_.front()};
  }

 private:
  [[noreturn]] void refuse(const std::string& expected, const std::string& found) const {
    throw InputError({where_ + ", byte " + std::to_string(opcode_at_) + (opcode_ ? std::string(" (") + opcode_->name + ")" : ""),
                      expected, found, kAdvice, ""});
  }

  // ---- bytes
  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_)
      refuse("a pickle that holds what it announces",
             std::to_string(count) + " bytes where " + std::to_string(bytes_.size() - at_) + " are left");
    const std::string_view taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }
  uint64_t number(int width) {
    const std::string_view taken = take(static_cast<uint64_t>(width));
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(taken[i]);
    return value;
  }
  std::string_view line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == bytes_.npos || end - at_ > kMaxNameBytes) refuse("the name of a global", "no end of the line");
    const std::string_view text = take(end - at_);
    take(1);
    return text;
  }

  // ---- stack
  PickleRef make(PickleNode node) {
    if (nodes_.size() >= kMaxPickleNodes) refuse("at most " + std::to_string(kMaxPickleNodes) + " values", "more");
    nodes_.push_back(std::move(node));
    return static_cast<PickleRef>(nodes_.size() - 1);
  }
  void push_ref(PickleRef ref) {
    // Opcodes without bytes of their own could fill the memory otherwise.
    if (stack_.size() >= kMaxPickleNodes) refuse("at most " + std::to_string(kMaxPickleNodes) + " values", "more");
    stack_.push_back(ref);
  }
  void push(PickleNode node) { push_ref(make(std::move(node))); }
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  PickleRef pop() {
    if (stack_.size() <= floor()) refuse("a value on the stack", "none");
    const PickleRef top = stack_.back();
    stack_.pop_back();
    return top;
  }
  PickleRef top() const {
    if (stack_.size() <= floor()) refuse("a value on the stack", "none");
    return stack_.back();
  }
  std::vector<PickleRef> pop_to_mark() {
    if (marks_.empty()) refuse("a mark on the stack", "none");
    std::vector<PickleRef> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  template <class Type>
  Type& as(PickleRef ref, const char* what) {
    Type* value = std::get_if<Type>(&nodes_[ref]);
    if (!value) refuse(what, "something else");
    return *value;
  }

  // ---- memo
  void memorise(uint64_t index) {
    if (index >= kMaxPickleNodes) refuse("a memo index below " + std::to_string(kMaxPickleNodes), std::to_string(index));
    if (index >= memo_.size()) memo_.resize(index + 1, kNothing);
    if (memo_[index] == kNothing) ++memo_count_;
    memo_[index] = top();
  }
  void recall(uint64_t index) {
    if (index >= memo_.size() || memo_[index] == kNothing) refuse("a memo index that was set", std::to_string(index));
    push_ref(memo_[index]);
  }

  // ---- collections
  void append(const std::vector<PickleRef>& items) {
    auto& list = as<PickleList>(top(), "a list to append to");
    list.items.insert(list.items.end(), items.begin(), items.end());
  }
  void set_items(const std::vector<PickleRef>& items) {
    if (items.size() % 2 != 0) refuse("keys and values in pairs", std::to_string(items.size()));
    auto& dict = as<PickleDict>(top(), "a dictionary to put items into");
    for (size_t i = 0; i < items.size(); i += 2) dict.items.emplace_back(items[i], items[i + 1]);
  }
  void set_item() {
    const PickleRef item = pop(), key = pop();
    set_items({key, item});
  }
  void tuple(size_t count) {
    std::vector<PickleRef> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    push(PickleTuple{std::move(items)});
  }

  // ---- what would run code in a general reader
  void global(std::string_view module, std::string_view name) {
    const auto known = find_pickle_global(module, name);
    if (!known)
      refuse("tensors, plain values and the functions of torch that rebuild them",
             "the global " + shown(module) + "." + shown(name));
    push(*known);
  }
  void named_global() {
    const std::string_view module = line();
    global(module, line());
  }
  void stack_global() {
    const PickleRef name = pop(), module = pop();
    const std::string module_text = as<std::string>(module, "STACK_GLOBAL with two names");
    global(module_text, as<std::string>(name, "STACK_GLOBAL with two names"));
  }
  void reduce() {
    const PickleRef arguments = pop(), callable = pop();
    const PickleGlobal global = as<PickleGlobal>(callable, "REDUCE of a global");
    PickleNode made = call_pickle_global(global, as<PickleTuple>(arguments, "REDUCE with a tuple of arguments").items, nodes_);
    if (const auto* list = std::get_if<PickleList>(&made)) copied_ += list->items.size();
    if (const auto* tuple = std::get_if<PickleTuple>(&made)) copied_ += tuple->items.size();
    if (copied_ > kMaxPickleNodes) refuse("at most " + std::to_string(kMaxPickleNodes) + " values", "more");
    push(std::move(made));
  }
  // The attributes of an OrderedDict (`_metadata` of a state_dict) are left aside; nothing else has any.
  void build() {
    const PickleRef state = pop();
    as<PickleDict>(top(), "BUILD on a dictionary");
    as<PickleDict>(state, "BUILD with a dictionary");
  }
  void persistent_id() { push(pickle_storage(as<PickleTuple>(pop(), "a persistent id").items, nodes_)); }

  // ---- values
  void push_long(uint64_t count) {
    const std::string_view little = take(count);
    if (count > 8) return push(PickleOther{});  // larger than any size or offset
    uint64_t value = count > 0 && (little.back() & '\x80') ? ~uint64_t{0} : 0;
    for (size_t i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(little[i]);
    push(static_cast<int64_t>(value));
  }
  void push_float() {
    const std::string_view big_endian = take(8);
    uint64_t bits = 0;
    for (const char byte : big_endian) bits = bits << 8 | static_cast<unsigned char>(byte);
    double value;
    std::memcpy(&value, &bits, sizeof value);
    push(value);
  }
  void push_text(uint64_t count) { push(std::string(take(count))); }
  void skip_bytes(uint64_t count) {
    take(count);
    push(PickleOther{});
  }
  void protocol() {
    if (const uint64_t version = number(1); version < 2 || version > 5)
      refuse("a pickle protocol of 2 to 5", std::to_string(version));
  }

  // The one list of opcodes. Those without an action build objects, or belong to protocols that torch.save does not write.
  struct Opcode {
    unsigned char byte;
    const char* name;
    void (*act)(PickleMachine& m);
  };
  static const std::array<Opcode, 68> kOpcodes;

  void step(unsigned char byte) {
    static const auto by_byte = [] {
      std::array<const Opcode*, 256> table{};
      for (const Opcode& opcode : kOpcodes) table[opcode.byte] = &opcode;
      return table;
    }();
    opcode_ = by_byte[byte];
    if (!opcode_) refuse("the opcodes of a pickle", "byte " + std::to_string(int{byte}));
    if (!opcode_->act) refuse("the opcodes that weights need", "the opcode " + std::string(opcode_->name));
    opcode_->act(*this);
  }

  void mark() {
    if (marks_.size() >= kMaxPickleNodes) refuse("at most " + std::to_string(kMaxPickleNodes) + " marks", "more");
    marks_.push_back(stack_.size());
  }
  // A frame only says how much to read ahead; it must not reach past the end.
  void frame(uint64_t count) {
    if (count > bytes_.size() - at_)
      refuse("a frame within the pickle",
             std::to_string(count) + " bytes where " + std::to_string(bytes_.size() - at_) + " are left");
  }

  static constexpr PickleRef kNothing = ~PickleRef{0};

  std::string_view bytes_;
  std::string where_;
  uint64_t at_ = 0, opcode_at_ = 0;
  const Opcode* opcode_ = nullptr;
  bool stopped_ = false;
  std::vector<PickleNode> nodes_;
  std::vector<PickleRef> stack_;
  std::vector<size_t> marks_;
  std::vector<PickleRef> memo_;
  uint64_t memo_count_ = 0;
  size_t copied_ = 0;  // items of collections that were made from others
};

const std::array<PickleMachine::Opcode, 68> PickleMachine::kOpcodes = {{
    {0x80, "PROTO", [](PickleMachine& m) { m.protocol(); }},
    {0x95, "FRAME", [](PickleMachine& m) { m.frame(m.number(8)); }},
    {'.', "STOP", [](PickleMachine& m) { m.stopped_ = true; }},
    // values
    {'N', "NONE", [](PickleMachine& m) { m.push(PickleNone{}); }},
    {0x88, "NEWTRUE", [](PickleMachine& m) { m.push(true); }},
    {0x89, "NEWFALSE", [](PickleMachine& m) { m.push(false); }},
    {'J', "BININT", [](PickleMachine& m) { m.push(int64_t{static_cast<int32_t>(m.number(4))}); }},
    {'K', "BININT1", [](PickleMachine& m) { m.push(static_cast<int64_t>(m.number(1))); }},
    {'M', "BININT2", [](PickleMachine& m) { m.push(static_cast<int64_t>(m.number(2))); }},
    {0x8a, "LONG1", [](PickleMachine& m) { m.push_long(m.number(1)); }},
    {0x8b, "LONG4", [](PickleMachine& m) { m.push_long(m.number(4)); }},
    {'G', "BINFLOAT", [](PickleMachine& m) { m.push_float(); }},
    {'X', "BINUNICODE", [](PickleMachine& m) { m.push_text(m.number(4)); }},
    {0x8c, "SHORT_BINUNICODE", [](PickleMachine& m) { m.push_text(m.number(1)); }},
    {0x8d, "BINUNICODE8", [](PickleMachine& m) { m.push_text(m.number(8)); }},
    {'B', "BINBYTES", [](PickleMachine& m) { m.skip_bytes(m.number(4)); }},
    {'C', "SHORT_BINBYTES", [](PickleMachine& m) { m.skip_bytes(m.number(1)); }},
    {0x8e, "BINBYTES8", [](PickleMachine& m) { m.skip_bytes(m.number(8)); }},
    // collections; a set is read as a list
    {']', "EMPTY_LIST", [](PickleMachine& m) { m.push(PickleList{}); }},
    {'a', "APPEND", [](PickleMachine& m) { m.append({m.pop()}); }},
    {'e', "APPENDS", [](PickleMachine& m) { m.append(m.pop_to_mark()); }},
    {')', "EMPTY_TUPLE", [](PickleMachine& m) { m.push(PickleTuple{}); }},
    {'t', "TUPLE", [](PickleMachine& m) { m.push(PickleTuple{m.pop_to_mark()}); }},
    {0x85, "TUPLE1", [](PickleMachine& m) { m.tuple(1); }},
    {0x86, "TUPLE2", [](PickleMachine& m) { m.tuple(2); }},
    {0x87, "TUPLE3", [](PickleMachine& m) { m.tuple(3); }},
    {'}', "EMPTY_DICT", [](PickleMachine& m) { m.push(PickleDict{}); }},
    {'s', "SETITEM", [](PickleMachine& m) { m.set_item(); }},
    {'u', "SETITEMS", [](PickleMachine& m) { m.set_items(m.pop_to_mark()); }},
    {0x8f, "EMPTY_SET", [](PickleMachine& m) { m.push(PickleList{}); }},
    {0x90, "ADDITEMS", [](PickleMachine& m) { m.append(m.pop_to_mark()); }},
    {0x91, "FROZENSET", [](PickleMachine& m) { m.push(PickleList{m.pop_to_mark()}); }},
    // stack and memo
    {'(', "MARK", [](PickleMachine& m) { m.mark(); }},
    {'0', "POP", [](PickleMachine& m) { m.pop(); }},
    {'1', "POP_MARK", [](PickleMachine& m) { m.pop_to_mark(); }},
    {'2', "DUP", [](PickleMachine& m) { m.push_ref(m.top()); }},
    {'q', "BINPUT", [](PickleMachine& m) { m.memorise(m.number(1)); }},
    {'r', "LONG_BINPUT", [](PickleMachine& m) { m.memorise(m.number(4)); }},
    {0x94, "MEMOIZE", [](PickleMachine& m) { m.memorise(m.memo_count_); }},
    {'h', "BINGET", [](PickleMachine& m) { m.recall(m.number(1)); }},
    {'j', "LONG_BINGET", [](PickleMachine& m) { m.recall(m.number(4)); }},
    // globals and what is made with them
    {'c', "GLOBAL", [](PickleMachine& m) { m.named_global(); }},
    {0x93, "STACK_GLOBAL", [](PickleMachine& m) { m.stack_global(); }},
    {'R', "REDUCE", [](PickleMachine& m) { m.reduce(); }},
    {'b', "BUILD", [](PickleMachine& m) { m.build(); }},
    {'Q', "BINPERSID", [](PickleMachine& m) { m.persistent_id(); }},
    // refused
    {'i', "INST", nullptr},
    {'o', "OBJ", nullptr},
    {0x81, "NEWOBJ", nullptr},
    {0x92, "NEWOBJ_EX", nullptr},
    {0x82, "EXT1", nullptr},
    {0x83, "EXT2", nullptr},
    {0x84, "EXT4", nullptr},
    {'P', "PERSID", nullptr},
    {'I', "INT", nullptr},
    {'L', "LONG", nullptr},
    {'F', "FLOAT", nullptr},
    {'S', "STRING", nullptr},
    {'T', "BINSTRING", nullptr},
    {'U', "SHORT_BINSTRING", nullptr},
    {'V', "UNICODE", nullptr},
    {'l', "LIST", nullptr},
    {'d', "DICT", nullptr},
    {'g', "GET", nullptr},
    {'p', "PUT", nullptr},
    {0x96, "BYTEARRAY8", nullptr},
    {0x97, "NEXT_BUFFER", nullptr},
    {0x98, "READONLY_BUFFER", nullptr},
}};

}  // namespace

Pickle read_pickle(std::string_view bytes, const std::string& where) { return PickleMachine(bytes, where).run(); }

}  // namespace distill
