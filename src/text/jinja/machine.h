// Runs one render of a template: scopes, expressions, statements and the limits on all of them. One machine is one render.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "render_limits.h"
#include "syntax.h"

namespace distill::jinja {

// What ends a render early; whoever knows the file's name makes an InputError of it.
struct Failure {
  enum class Kind { error, refusal, limit } kind;
  uint32_t line;
  std::string message;
};

using Variables = std::unordered_map<std::string, Value>;

struct Scope {
  Variables variables;
  std::shared_ptr<Scope> parent;
  bool is_kept = false;  // a macro refers to it
};
using ScopePtr = std::shared_ptr<Scope>;

// The state of a for loop, as the variable `loop` shows it. Looks ahead only when asked.
struct Loop {
  Value iterable;
  std::shared_ptr<Iterator> source;
  std::optional<int64_t> length;
  Value before, current, after;  // after: missing until it is looked at
  bool is_exhausted = false;     // `after` was looked for and there is none
  int64_t index0 = -1;
  int64_t depth0 = 0;
  std::optional<Value> last_changed;
  const Statement* recursive = nullptr;
  ScopePtr scope;  // around the loop
};

class Machine {
 public:
  Machine(const Variables& globals, size_t input_bytes) : globals_(globals), input_bytes_(input_bytes) {}
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  void run(const Template& source);
  const std::string& output() const { return output_; }
  // In code points, as they were counted when the block ended.
  const std::vector<std::pair<size_t, size_t>>& generated() const { return generated_; }

  [[noreturn]] void fail(const std::string& message) const { throw Failure{Failure::Kind::error, line_, message}; }
  [[noreturn]] void refuse(const std::string& message) const { throw Failure{Failure::Kind::refusal, line_, message}; }
  [[noreturn]] void fail_limit(const std::string& message) const { throw Failure{Failure::Kind::limit, line_, message}; }

  // Accounts.
  void step(int64_t count = 1) {
    if ((steps_ += count) > kMaxSteps) fail_limit("it takes more than 5000000 steps");
  }
  void scan(size_t bytes) { step(static_cast<int64_t>(bytes / 64)); }  // text that is looked through
  void allocate(size_t bytes);                                         // before it is made

  // Values.
  Value text(std::string bytes, bool safe = false);
  Value list(std::vector<Value> items);
  Value tuple(std::vector<Value> items);
  Value dict(std::vector<std::pair<Value, Value>> entries);  // of equal keys the last value stays
  Value undefined(std::string message) const { return make_undefined(std::move(message)); }
  std::shared_ptr<Namespace> make_namespace();
  const Value* find(const Dict& dict, const Value& key);
  Value generator(std::function<bool(Machine&, Value&)> next, std::string python_type = "generator");

  std::shared_ptr<Iterator> iterate(const Value& value);  // fails for what cannot be iterated
  std::vector<Value> items_of(const Value& value);
  std::optional<int64_t> length_of(const Value& value);

  Value call(const Value& callee, const Arguments& arguments);
  Value attribute(const Value& subject, const std::string& name);  // subject.name
  Value item(const Value& subject, const Value& key);              // subject[key]
  Value apply_filter(const std::string& name, const Value& subject, const Arguments& arguments);
  bool apply_test(const std::string& name, const Value& subject, const Arguments& arguments);

  int64_t loop_length(Loop& loop);
  const Value& loop_next(Loop& loop);  // missing at the end
  std::string run_recursive(Loop& loop, const Value& iterable);

  // Bounds the C++ stack.
  class Level {
   public:
    explicit Level(Machine& machine) : machine_(machine) {
      if (++machine_.level_ > kMaxCallDepth) machine_.fail_limit("its macros, loops or values are nested too deeply");
    }
    ~Level() { --machine_.level_; }

   private:
    Machine& machine_;
  };

 private:
  enum class Flow { next, broke, continued };

  Value evaluate(const Expr& expr, const ScopePtr& scope);
  Value evaluate_form(const Expr& expr, const ScopePtr& scope);
  Value look_up(const std::string& name, const Scope& scope);
  Value evaluate_dict(const Expr& expr, const ScopePtr& scope);
  Value evaluate_concat(const Expr& expr, const ScopePtr& scope);
  Value evaluate_compare(const Expr& expr, const ScopePtr& scope);
  Value evaluate_conditional(const Expr& expr, const ScopePtr& scope);
  Value evaluate_slice(const Expr& expr, const ScopePtr& scope);
  Value evaluate_call(const Expr& expr, const ScopePtr& scope, const Value* caller);
  Value evaluate_filter(const Expr& expr, const ScopePtr& scope, const Value* block_text = nullptr);
  Value evaluate_test(const Expr& expr, const ScopePtr& scope);
  Arguments evaluate_arguments(const Expr& expr, const ScopePtr& scope);
  std::vector<Value> evaluate_parts(const Expr& expr, const ScopePtr& scope);

  Flow execute(const Body& body, const ScopePtr& scope, std::string& out);
  Flow execute(const Statement& statement, const ScopePtr& scope, std::string& out);
  void write(const Statement& statement, const ScopePtr& scope, std::string& out);
  Flow run_branch(const Statement& statement, const ScopePtr& scope, std::string& out);
  Flow run_for(const Statement& statement, const ScopePtr& scope, std::string& out);
  Flow run_loop(const Statement& statement, const std::shared_ptr<Loop>& loop, std::string& out);
  std::shared_ptr<Iterator> filtered(const Statement& statement, std::shared_ptr<Iterator> source, const ScopePtr& scope);
  void set_block(const Statement& statement, const ScopePtr& scope);
  Flow run_with(const Statement& statement, const ScopePtr& scope, std::string& out);
  Flow run_filter_block(const Statement& statement, const ScopePtr& scope, std::string& out);
  void run_call_block(const Statement& statement, const ScopePtr& scope, std::string& out);
  void run_generation(const Statement& statement, const ScopePtr& scope, std::string& out);
  void assign(const Expr& target, const Value& value, const ScopePtr& scope);
  void assign_attribute(const Expr& target, const Value& value, const ScopePtr& scope);
  Value make_macro(const Statement& statement, const ScopePtr& scope);
  Value call_macro(const Macro& macro, const Arguments& arguments);
  Value bind_caller(const Macro& macro, Arguments& arguments);
  void append(std::string& out, const std::string& text);
  static ScopePtr inner(const ScopePtr& scope);

  const Variables& globals_;
  const size_t input_bytes_;
  std::string output_;
  size_t output_length_ = 0;  // code points
  size_t written_bytes_ = 0;  // to any output, blocks that are captured too
  size_t allocated_bytes_ = 0;
  int64_t steps_ = 0;
  uint32_t level_ = 0;
  uint32_t line_ = 1;
  std::vector<std::pair<size_t, size_t>> generated_;
  std::vector<ScopePtr> kept_scopes_;                   // emptied at the end: a macro and its scope hold each other
  std::vector<std::shared_ptr<Namespace>> namespaces_;  // the same
};

}  // namespace distill::jinja
