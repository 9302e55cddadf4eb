// Pickles that attack: none may run anything or take memory that the file does not have; each is refused by the name of the
// global or the opcode.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "distill/checkpoint/torch_zip.h"

#include "files.h"
#include "torch_files.h"

namespace distill {
namespace {

using test::global_op;
using test::number_bytes;
using test::text_op;
using testing::HasSubstr;

std::string complaint_about_pickle(const std::string& pickle) {
  const test::TemporaryFolder folder;
  test::write_bytes(folder / "bad.pt", test::zip_bytes(test::torch_parts(pickle)));
  return test::input_error([&] { open_torch_zip(folder / "bad.pt"); });
}

std::string complaint_about(const std::string& value) { return complaint_about_pickle(test::pickle_of(value)); }

std::string repeated(const std::string& text, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

struct Attack {
  const char* what;
  std::string value;
  const char* word;  // that the message must contain
};

const std::string kMarker = "touch distill-was-here";

std::vector<Attack> calls() {
  const std::string system = global_op("posix", "system") + text_op(kMarker) + "\x85R";
  return {
      {"os.system", global_op("os", "system") + text_op(kMarker) + "\x85R", "os.system"},
      {"posix.system", system, "posix.system"},
      {"eval", global_op("builtins", "eval") + text_op("1") + "\x85R", "builtins.eval"},
      {"exec of protocol 2", global_op("__builtin__", "exec") + text_op("1") + "\x85R", "__builtin__.exec"},
      {"a chain of getattr", global_op("builtins", "getattr") + global_op("torch", "Size") + text_op("__class__") + "\x86R",
       "builtins.getattr"},
      {"torch.load", global_op("torch.serialization", "load") + text_op("x") + "\x85R", "torch.serialization.load"},
      {"torch.hub", global_op("torch.hub", "load") + ")R", "torch.hub.load"},
      {"a global with a dotted name", global_op("torch", "_utils._rebuild_tensor_v2") + ")R", "torch._utils._rebuild_tensor_v2"},
      {"an attack inside a state_dict", test::dict_op("w", test::tensor_op({})) + text_op("x") + system + "s", "posix.system"},
      {"an attack as a key", "}" + system + "Ns", "posix.system"},
      {"an attack among tensor arguments", global_op("torch._utils", "_rebuild_tensor_v2") + "(" + system + "tR", "posix.system"},
      {"a global by STACK_GLOBAL", text_op("nt") + text_op("system") + "\x93" + text_op("x") + "\x85R", "nt.system"},
      {"STACK_GLOBAL out of the memo", text_op("os") + "q\x01" + "0" + text_op("popen") + "q\x02" + "0h\x01h\x02\x93",
       "os.popen"},
      {"STACK_GLOBAL of numbers", "K\x01K\x02\x93", "STACK_GLOBAL"},
      {"INST", "(ios\nsystem\n", "INST"},
      {"OBJ", "(" + text_op("x") + "o", "OBJ"},
      {"NEWOBJ", global_op("torch", "Size") + ")\x81", "NEWOBJ"},
      {"NEWOBJ_EX", global_op("torch", "Size") + ")}\x92", "NEWOBJ_EX"},
      {"EXT1", "\x82\x01", "EXT1"},
      {"a persistent id of text", "P0\n", "PERSID"},
      {"REDUCE of text", text_op("os.system") + ")R", "REDUCE"},
      {"REDUCE of a type", global_op("torch", "float32") + ")R", "not called"},
      {"REDUCE with a list", global_op("collections", "OrderedDict") + "]R", "REDUCE"},
      {"OrderedDict of something", global_op("collections", "OrderedDict") + text_op("x") + "\x85R", "OrderedDict"},
      {"BUILD on a tensor", test::tensor_op({}) + "}b", "BUILD"},
      {"BUILD on a global", global_op("torch", "Size") + "}b", "BUILD"},
      {"BUILD with a tuple",
       "}N}\x86"
       "b",
       "BUILD"},
      {"hooks of a tensor",
       global_op("torch._utils", "_rebuild_parameter") + test::tensor_op({}) + "\x88" + test::dict_op("1", "N") + "\x87R",
       "no backward hooks"},
      {"a parameter of text", global_op("torch._utils", "_rebuild_parameter") + text_op("x") + "\x88}\x87R", "a tensor"},
      {"a storage of another kind", "(" + text_op("module") + "NNNNtQ", "persistent id"},
      {"a storage of an unknown type",
       "(" + text_op("storage") + global_op("torch", "float32") + text_op("0") + text_op("cpu") + "K\x04tQ", "a storage type"},
  };
}

std::vector<Attack> sizes() {
  return {
      {"a frame of 2^63 bytes", "\x95" + number_bytes(uint64_t{1} << 63, 8) + "N", "FRAME"},
      {"an integer of 2^31 bytes", "\x8b" + number_bytes(0x7fffffff, 4), "LONG4"},
      {"an integer of -1 bytes", "\x8b" + number_bytes(0xffffffff, 4), "LONG4"},
      {"text of 2^64 - 1 bytes", "\x8d" + number_bytes(~uint64_t{0}, 8), "BINUNICODE8"},
      {"text of 4 GB", "X" + number_bytes(0xffffffff, 4), "BINUNICODE"},
      {"bytes of 2^63", "\x8e" + number_bytes(uint64_t{1} << 63, 8), "BINBYTES8"},
      {"a memo index of 4 billion", "Nr" + number_bytes(0xffffffff, 4), "LONG_BINPUT"},
      {"a memo index that nobody set", "j" + number_bytes(77, 4), "LONG_BINGET"},
      {"a memo of nothing", "q\x01", "BINPUT"},
      {"a name without end", "c" + std::string(5000, 'a'), "GLOBAL"},
      {"an empty stack", "0", "POP"},
      {"an empty stack under a mark", "N(\x85", "TUPLE1"},
      {"TUPLE without a mark", "Nt", "TUPLE"},
      {"items without pairs", "}(NNNu", "SETITEMS"},
      {"items of a tuple", ")NNs", "SETITEM"},
      {"appending to text", text_op("x") + "Na", "APPEND"},
      {"no value", "", "STOP"},
      {"two values", "NN", "STOP"},
      {"a mark left over", "(N", "STOP"},
      {"an unknown opcode", "\xff", "byte 255"},
      {"protocol 1", "\x80\x01N", "PROTO"},
      {"protocol 6", "\x80\x06N", "PROTO"},
      {"millions of values", repeated("N", (size_t{2} << 20) + 1), "at most"},
      {"millions of marks", repeated("(", (size_t{2} << 20) + 1), "at most"},
      {"millions of copies", "N" + repeated("2", (size_t{2} << 20) + 1), "at most"},
      {"copies of a long tuple",
       "(" + repeated("N", 100'000) + "tq\x01" + "0(" + repeated(global_op("torch", "Size") + "h\x01\x85R", 100) + "t",
       "at most"},
  };
}

std::string laughter() {  // each list holds the one before ten times
  std::string ops = "]q" + number_bytes(0, 1);
  for (int level = 1; level < 20; ++level)
    ops += "](" + repeated("h" + number_bytes(static_cast<uint64_t>(level - 1), 1), 10) + "eq" +
           number_bytes(static_cast<uint64_t>(level), 1);
  return "(" + ops + "t";
}

TEST(Pickle, NothingIsCalledAndWhatWouldBeIsNamed) {
  for (const auto& [what, value, word] : calls()) EXPECT_THAT(complaint_about(value), HasSubstr(word)) << what;
  EXPECT_GE(calls().size(), 12u);
  EXPECT_FALSE(fs::exists("distill-was-here"));
}

TEST(Pickle, AnnouncedSizesAreNotBelieved) {
  for (const auto& [what, value, word] : sizes()) EXPECT_THAT(complaint_about(value), HasSubstr(word)) << what;
}

TEST(Pickle, NestsAndCirclesEnd) {
  EXPECT_THAT(complaint_about(repeated("](", 1'000'000) + repeated("e", 1'000'000)), HasSubstr("levels"));
  EXPECT_THAT(complaint_about(std::string("]q\x01(h\x01"
                                          "e",
                                          7)),
              HasSubstr("levels"));  // a list that holds itself
  EXPECT_THAT(complaint_about("}q\x01" + text_op("a") + "h\x01s"), HasSubstr("levels"));
  EXPECT_THAT(complaint_about(laughter()), HasSubstr("at most"));
}

TEST(Pickle, MessagesCarryNoControlCharacters) {
  EXPECT_THAT(complaint_about(global_op("a\x1b[31m", "b")), HasSubstr("a?[31m.b"));
  EXPECT_THAT(complaint_about(test::dict_op("w\x1b[2J", test::tensor_op({}))), HasSubstr("control characters"));
}

TEST(Pickle, EveryPrefixIsRefused) {
  const std::string good = test::pickle_of(test::dict_op("w", test::tensor_op({})));
  EXPECT_EQ(complaint_about_pickle(good), "");
  for (size_t length = 0; length < good.size(); ++length) EXPECT_NE(complaint_about_pickle(good.substr(0, length)), "") << length;
}

}  // namespace
}  // namespace distill
