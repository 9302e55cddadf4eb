#include "globals.h"

#include <algorithm>
#include <ctime>
#include <map>

#include "../unicode.h"
#include "arguments.h"
#include "print.h"

namespace distill::jinja {
namespace {

Value make_range(Machine& machine, const Arguments& arguments) {
  const auto& given = arguments.positional;
  if (given.empty() || given.size() > 3 || !arguments.named.empty()) machine.fail("range() takes 1 to 3 integers");
  for (const Value& value : given)
    if (!is_integer(value)) machine.fail(std::string("range() of a value of type ") + type_name(value));
  const int64_t start = given.size() > 1 ? integer_of(given[0]) : 0, stop = integer_of(given[given.size() > 1]);
  const int64_t step = given.size() > 2 ? integer_of(given[2]) : 1;
  if (step == 0) machine.fail("range() with step 0");
  const bool is_empty = step > 0 ? start >= stop : start <= stop;
  const uint64_t low = static_cast<uint64_t>(std::min(start, stop)), high = static_cast<uint64_t>(std::max(start, stop));
  const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : 0 - static_cast<uint64_t>(step);
  const uint64_t length = is_empty ? 0 : (high - low - 1) / stride + 1;
  if (length > static_cast<uint64_t>(kMaxRange)) machine.fail_limit("a range of more than 100000 numbers");
  return Range{start, stop, step, static_cast<int64_t>(length)};
}

// dict(mapping or pairs, name=value).
Value make_dict(Machine& machine, const Arguments& arguments) {
  if (arguments.positional.size() > 1) machine.fail("dict() takes at most one positional argument");
  std::vector<std::pair<Value, Value>> entries;
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.dict()) {
      entries = source.dict()->entries;
    } else {
      for (const Value& pair : machine.items_of(source)) {
        std::vector<Value> both = machine.items_of(pair);
        if (both.size() != 2) machine.fail("dict() needs pairs");
        entries.emplace_back(both[0], both[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named) entries.emplace_back(machine.text(name), value);
  return machine.dict(std::move(entries));
}

Value make_namespace(Machine& machine, const Arguments& arguments) {
  const Value attributes = make_dict(machine, arguments);
  const std::shared_ptr<Namespace> made = machine.make_namespace();
  for (const auto& [key, value] : attributes.dict()->entries) {
    if (!key.string()) machine.fail("the attributes of a namespace are named by texts");
    if (!key.bytes().empty() && key.bytes().front() == '_')
      machine.fail("the attribute \"" + key.bytes() + "\" of a namespace begins with an underscore");
    made->attributes.emplace_back(key.bytes(), value);
  }
  return made;
}

Value raise_exception(Machine& machine, const Arguments& arguments) {
  machine.refuse(to_text(machine, bind(machine, "raise_exception", arguments, {"message"}, 1)[0]));
}

// The local time, as strftime of C and the "C" locale print it.
Value strftime_now(Machine& machine, const Arguments& arguments) {
  const std::string format = string_of(machine, "strftime_now", bind(machine, "strftime_now", arguments, {"format"}, 1)[0]);
  if (format.size() > 1000) machine.fail_limit("a format of time of more than 1000 bytes");
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  std::string out(64 * format.size() + 64, '\0');
  out.resize(std::strftime(out.data(), out.size(), format.c_str(), &local));
  if (find_invalid_utf8(out)) machine.fail("a format of time that makes no valid text");
  return machine.text(std::move(out));
}

Value make_cycler(Machine& machine, const Arguments& arguments) {
  if (arguments.positional.empty() || !arguments.named.empty()) machine.fail("cycler() needs the values to cycle through");
  machine.allocate(sizeof(Cycler));
  auto made = std::make_shared<Cycler>();
  made->items = arguments.positional;
  return made;
}

Value make_joiner(Machine& machine, const Arguments& arguments) {
  const Value given = bind(machine, "joiner", arguments, {"sep"})[0];
  const Value separator = given.is_missing() ? machine.text(", ") : given;
  return std::shared_ptr<const Function>(std::make_shared<Function>(
      Function{"joiner", [separator, is_first = std::make_shared<bool>(true)](Machine& m, const Arguments&) {
                 return std::exchange(*is_first, false) ? m.text("") : separator;
               }}));
}

Value no_lipsum(Machine& machine, const Arguments&) { machine.fail("the function \"lipsum\" is not available"); }

}  // namespace

Value global_function(const std::string& name) {
  using Call = Value (*)(Machine&, const Arguments&);
  static const std::map<std::string, Call> kFunctions = {{"range", make_range},          {"dict", make_dict},
                                                         {"namespace", make_namespace},  {"raise_exception", raise_exception},
                                                         {"strftime_now", strftime_now}, {"cycler", make_cycler},
                                                         {"joiner", make_joiner},        {"lipsum", no_lipsum}};
  const auto found = kFunctions.find(name);
  if (found == kFunctions.end()) return {};
  return std::shared_ptr<const Function>(std::make_shared<Function>(Function{name, found->second}));
}

}  // namespace distill::jinja
