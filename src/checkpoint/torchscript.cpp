#include "distill/checkpoint/torchscript.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <exception>
#include <ostream>
#include <sstream>
#include <streambuf>

#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/tensor/memory_error.h"

namespace distill {
namespace {

using torch::jit::IValue;

// A tensor of the module: where it hangs, and its type in the file.
struct Slot {
  torch::jit::Module owner;
  std::string attribute;
  std::string name;  // with the path of its module
  at::ScalarType stored_dtype = at::kFloat;
  bool is_parameter = false;

  at::Tensor get() const { return owner.attr(attribute).toTensor(); }
  void set(const at::Tensor& tensor) const { owner._ivalue()->setAttr(attribute, tensor); }
};

// The line of a long error text that says what went wrong: tracebacks of scripts end with it.
std::string gist_of(const std::exception& error) {
  const auto* ours = dynamic_cast<const c10::Error*>(&error);
  std::istringstream text(ours ? ours->what_without_backtrace() : error.what());
  std::string first, last_error;
  for (std::string line; std::getline(text, line);) {
    if (first.empty()) first = line;
    const size_t at = line.find("Error: ");
    if (at != std::string::npos) last_error = line;
  }
  const std::string& gist = last_error.empty() ? first : last_error;
  return gist.size() > 300 ? gist.substr(0, 300) + "..." : gist;
}

[[noreturn]] void refuse_file(const fs::path& file, const std::string& found) {
  throw InputError({file.string(), "a TorchScript file, as torch.jit.save writes it", found,
                    "Name such a file, or remove `trust: torchscript` for weights that are no script.", ""});
}

bool starts_as_zip(const fs::path& path) {
  const ReadFile file(path);
  std::string start(std::min<uint64_t>(file.size(), 4), '\0');
  file.read_at(0, start.data(), start.size());
  return start == "PK\x03\x04";
}

torch::jit::Module load_module(const fs::path& file, at::Device device) {
  if (!starts_as_zip(file)) refuse_file(file, "a file that is no zip archive");
  try {
    torch::jit::Module module = torch::jit::load(file.string(), device);
    if (!module.find_method("forward")) refuse_file(file, "a script without a method `forward`");
    module.eval();
    return module;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    if (memory_complaint(error, "", "")) throw;
    refuse_file(file, "one that does not load: " + gist_of(error));
  }
}

std::vector<Slot> slots_of(const torch::jit::Module& module) {
  std::vector<Slot> slots;
  for (const auto& [path, owner] : module.named_modules()) {
    const std::string prefix = path.empty() ? "" : path + ".";
    for (const auto& one : owner.named_parameters(/*recurse=*/false))
      slots.push_back({owner, one.name, prefix + one.name, one.value.scalar_type(), true});
    for (const auto& one : owner.named_buffers(/*recurse=*/false))
      slots.push_back({owner, one.name, prefix + one.name, one.value.scalar_type(), false});
  }
  return slots;
}

bool same_memory(const at::Tensor& a, const at::Tensor& b) {
  return a.is_alias_of(b) && a.scalar_type() == b.scalar_type() && a.storage_offset() == b.storage_offset() &&
         a.sizes() == b.sizes() && a.strides() == b.strides();
}

// Tied parameters come out of a file as different tensors over one memory. They become one tensor again, so that they share a
// gradient and stay tied when they are converted. Returns for each slot the first that has its tensor.
std::vector<size_t> tie_slots(const std::vector<Slot>& slots) {
  std::vector<size_t> first(slots.size());
  for (size_t i = 0; i < slots.size(); ++i) {
    first[i] = i;
    const at::Tensor mine = slots[i].get();
    for (size_t j = 0; j < i && first[i] == i; ++j)
      if (first[j] == j && mine.numel() > 0 && same_memory(mine, slots[j].get())) first[i] = j;
    if (first[i] != i) slots[i].set(slots[first[i]].get());
  }
  return first;
}

// Lists and tuples of tensors; anything deeper or of another kind leaves no tensors.
ScriptValue read_value(std::string name, const IValue& value) {
  ScriptValue read{std::move(name), false, {}};
  if (value.isTensor()) {
    read.tensors = {value.toTensor()};
    return read;
  }
  read.is_list = true;
  if (value.isTensorList()) read.tensors = value.toTensorVector();
  if (value.isTensorList() || (!value.isTuple() && !value.isList())) return read;
  const bool is_tuple = value.isTuple();
  const std::vector<IValue> elements = is_tuple ? std::vector<IValue>(value.toTupleRef().elements()) : value.toListRef().vec();
  for (const IValue& element : elements) {
    if (!element.isTensor()) return {std::move(read.name), true, {}};
    read.tensors.push_back(element.toTensor());
  }
  return read;
}

std::vector<ScriptValue> read_tuple(const IValue& tuple) {
  std::vector<ScriptValue> values;
  const auto type = tuple.type()->cast<c10::TupleType>();
  const c10::FunctionSchema* fields = type && type->schema() ? type->schema().get() : nullptr;
  const auto& elements = tuple.toTupleRef().elements();
  for (size_t i = 0; i < elements.size(); ++i)
    values.push_back(read_value(fields ? fields->arguments().at(i).name() : "", elements[i]));
  return values;
}

std::vector<ScriptValue> read_answer(const IValue& answer) {
  if (answer.isTuple()) return read_tuple(answer);
  std::vector<ScriptValue> values;
  if (answer.isGenericDict()) {
    for (const auto& entry : answer.toGenericDict())
      values.push_back(read_value(entry.key().isString() ? entry.key().toStringRef() : "", entry.value()));
    return values;
  }
  if (answer.isTensorList()) {
    for (const at::Tensor& tensor : answer.toTensorVector()) values.push_back({"", false, {tensor}});
    return values;
  }
  if (answer.isList()) {
    for (const IValue& element : answer.toListRef()) values.push_back(read_value("", element));
    return values;
  }
  values.push_back(read_value("", answer));
  return values;
}

std::string shapes_text(const std::vector<std::pair<std::string, at::Tensor>>& arguments) {
  std::string text;
  for (const auto& [name, tensor] : arguments) {
    std::ostringstream shape;
    shape << tensor.sizes();
    text += (text.empty() ? "" : ", ") + name + " " + shape.str();
  }
  return text;
}

// While it lives, every slot holds what is to be written; afterwards what it held before.
class WrittenWeights {
 public:
  WrittenWeights(const std::vector<Slot>& slots, const std::vector<size_t>& first, std::optional<at::ScalarType> dtype)
      : slots_(slots) {
    const at::NoGradGuard no_grad;
    for (const Slot& slot : slots) held_.push_back(slot.get());
    for (size_t i = 0; i < slots.size(); ++i) {
      const at::Tensor& now = held_[i];
      const at::ScalarType target = !now.is_floating_point() ? now.scalar_type() : dtype.value_or(slots[i].stored_dtype);
      at::Tensor written = first[i] == i ? now.detach().to(at::kCPU, target) : slots[first[i]].get();
      if (first[i] == i && now.requires_grad()) written.requires_grad_();
      slots[i].set(written);
    }
  }
  ~WrittenWeights() {
    for (size_t i = 0; i < held_.size(); ++i) slots_[i].set(held_[i]);
  }
  WrittenWeights(const WrittenWeights&) = delete;
  WrittenWeights& operator=(const WrittenWeights&) = delete;

 private:
  const std::vector<Slot>& slots_;
  std::vector<at::Tensor> held_;
};

// Lets torch write into a file of ours; the first error of that file is kept, because streams swallow it.
class FileBuffer : public std::streambuf {
 public:
  explicit FileBuffer(WriteFile& file) : file_(file) {}
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 protected:
  std::streamsize xsputn(const char* bytes, std::streamsize count) override {
    try {
      file_.write(bytes, static_cast<uint64_t>(count));
      return count;
    } catch (...) {
      if (!error_) error_ = std::current_exception();
      return 0;
    }
  }
  int_type overflow(int_type byte) override {
    const char one = traits_type::to_char_type(byte);
    return xsputn(&one, 1) == 1 ? byte : traits_type::eof();
  }

 private:
  WriteFile& file_;
  std::exception_ptr error_;
};

}  // namespace

fs::path torchscript_file(const fs::path& path) {
  const fs::path file = fs::is_directory(path) ? path / kTorchScriptFile : path;
  if (fs::is_regular_file(file)) return file;
  throw InputError({path.string(), "a TorchScript file, or a folder with " + std::string(kTorchScriptFile),
                    fs::exists(path) ? "a folder without " + std::string(kTorchScriptFile) : "nothing there",
                    "Check the path, or remove `trust: torchscript` for a Hugging Face folder.", ""});
}

struct TorchScript::Parts {
  fs::path file;
  torch::jit::Module module;
  std::vector<Slot> slots;
  std::vector<size_t> first;  // slot that holds the same tensor, itself when it is the first
};

TorchScript::TorchScript(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
TorchScript::TorchScript(TorchScript&&) noexcept = default;
TorchScript& TorchScript::operator=(TorchScript&&) noexcept = default;
TorchScript::~TorchScript() = default;

TorchScript TorchScript::load(const fs::path& file, at::Device device) {
  auto parts = std::make_unique<Parts>(Parts{file, load_module(file, device), {}, {}});
  parts->slots = slots_of(parts->module);
  parts->first = tie_slots(parts->slots);
  return TorchScript(std::move(parts));
}

const fs::path& TorchScript::file() const { return parts_->file; }

std::vector<ScriptArgument> TorchScript::arguments() const {
  std::vector<ScriptArgument> arguments;
  const auto& schema = parts_->module.get_method("forward").function().getSchema();
  for (size_t i = 1; i < schema.arguments().size(); ++i)  // the first is self
    arguments.push_back({schema.arguments()[i].name(), schema.arguments()[i].default_value().has_value()});
  return arguments;
}

std::string TorchScript::return_type() const {
  const auto& returns = parts_->module.get_method("forward").function().getSchema().returns();
  return returns.empty() ? "nothing" : returns[0].type()->repr_str();
}

std::vector<ScriptValue> TorchScript::run(const std::vector<std::pair<std::string, at::Tensor>>& arguments) const {
  const torch::jit::GraphOptimizerEnabledGuard as_written(false);
  std::unordered_map<std::string, IValue> by_name;
  for (const auto& [name, tensor] : arguments) by_name.emplace(name, tensor);
  try {
    return read_answer(parts_->module.forward({}, by_name));
  } catch (const std::exception& error) {
    if (memory_complaint(error, "", "")) throw;
    throw InputError({parts_->file.string(), "a script that takes " + shapes_text(arguments), "it fails: " + gist_of(error),
                      "Run the script in Python with inputs of these shapes, and save it again once it takes them.", ""});
  }
}

void TorchScript::convert(at::ScalarType dtype) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < parts_->slots.size(); ++i) {
    const Slot& slot = parts_->slots[i];
    const at::Tensor now = slot.get();
    if (parts_->first[i] != i)
      slot.set(parts_->slots[parts_->first[i]].get());
    else if (now.is_floating_point())
      slot.set(now.detach().to(dtype));
  }
}

// Fresh leaves: tensors of a file may be views of a storage that others share.
void TorchScript::make_trainable() {
  for (size_t i = 0; i < parts_->slots.size(); ++i) {
    const Slot& slot = parts_->slots[i];
    const bool trains = slot.is_parameter && slot.get().is_floating_point();
    slot.set(parts_->first[i] == i ? slot.get().detach().clone().requires_grad_(trains) : parts_->slots[parts_->first[i]].get());
  }
}

std::vector<NamedTensor> TorchScript::parameters() const {
  std::vector<NamedTensor> parameters;
  for (size_t i = 0; i < parts_->slots.size(); ++i) {
    const Slot& slot = parts_->slots[i];
    if (slot.is_parameter && parts_->first[i] == i) parameters.push_back({slot.name, slot.get(), slot.get().dim() > 1});
  }
  return parameters;
}

void TorchScript::save(const fs::path& file, std::optional<at::ScalarType> dtype) const {
  const WrittenWeights written(parts_->slots, parts_->first, dtype);
  WriteFile out(file);
  FileBuffer buffer(out);
  std::ostream stream(&buffer);
  try {
    parts_->module.save(stream);
  } catch (const std::exception&) {
    buffer.rethrow();
    throw;
  }
  buffer.rethrow();
  out.close();
}

}  // namespace distill
