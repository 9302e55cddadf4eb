// Statements of a template.
#include <algorithm>

#include "../unicode.h"
#include "machine.h"
#include "print.h"

namespace distill::jinja {

void Machine::append(std::string& out, const std::string& text) {
  written_bytes_ += text.size();
  scan(text.size());
  if (written_bytes_ > kMaxAllocatedBytes || out.size() + text.size() > kMaxOutputBytes + 2 * input_bytes_)
    fail_limit("it writes more than 16 MiB beyond the size of the conversation");
  out += text;
  if (&out == &output_) output_length_ += num_code_points(text);
}

Machine::Flow Machine::execute(const Body& body, const ScopePtr& scope, std::string& out) {
  for (const auto& statement : body)
    if (const Flow flow = execute(*statement, scope, out); flow != Flow::next) return flow;
  return Flow::next;
}

Machine::Flow Machine::execute(const Statement& statement, const ScopePtr& scope, std::string& out) {
  step();
  const Level level(*this);
  line_ = statement.line;
  switch (statement.kind) {
    case StatementKind::output:
      write(statement, scope, out);
      break;
    case StatementKind::branch:
      return run_branch(statement, scope, out);
    case StatementKind::for_loop:
      return run_for(statement, scope, out);
    case StatementKind::set:
      assign(*statement.target, evaluate(*statement.values[0], scope), scope);
      break;
    case StatementKind::set_block:
      set_block(statement, scope);
      break;
    case StatementKind::macro:
      scope->variables[statement.word] = make_macro(statement, scope);
      break;
    case StatementKind::call_block:
      run_call_block(statement, scope, out);
      break;
    case StatementKind::filter_block:
      return run_filter_block(statement, scope, out);
    case StatementKind::with:
      return run_with(statement, scope, out);
    case StatementKind::generation:
      run_generation(statement, scope, out);
      break;
    case StatementKind::break_loop:
      return Flow::broke;
    case StatementKind::continue_loop:
      return Flow::continued;
  }
  return Flow::next;
}

void Machine::write(const Statement& statement, const ScopePtr& scope, std::string& out) {
  for (const ExprPtr& value : statement.values) {
    if (value->kind == ExprKind::constant && value->constant.string())
      append(out, value->constant.bytes());
    else
      append(out, to_text(*this, evaluate(*value, scope)));
  }
}

Machine::Flow Machine::run_branch(const Statement& statement, const ScopePtr& scope, std::string& out) {
  for (const Branch& branch : statement.branches)
    if (is_true(evaluate(*branch.condition, scope))) return execute(branch.body, scope, out);
  return execute(statement.else_body, scope, out);
}

Machine::Flow Machine::run_for(const Statement& statement, const ScopePtr& scope, std::string& out) {
  auto loop = std::make_shared<Loop>();
  loop->iterable = evaluate(*statement.values[0], scope);
  loop->scope = scope;
  if (statement.is_recursive) {
    loop->recursive = &statement;
    std::string captured;
    const Flow flow = run_loop(statement, loop, captured);
    append(out, captured);
    return flow;
  }
  return run_loop(statement, loop, out);
}

// The items for which the condition holds, looked at one at a time.
std::shared_ptr<Iterator> Machine::filtered(const Statement& statement, std::shared_ptr<Iterator> source, const ScopePtr& scope) {
  return std::make_shared<Iterator>(
      Iterator{"generator", [&statement, source = std::move(source), scope](Machine& machine, Value& out) {
                 while (source->next(machine, out)) {
                   machine.step();
                   const ScopePtr own = inner(scope);
                   machine.assign(*statement.target, out, own);
                   if (is_true(machine.evaluate(*statement.condition, own))) return true;
                 }
                 return false;
               }});
}

Machine::Flow Machine::run_loop(const Statement& statement, const std::shared_ptr<Loop>& loop, std::string& out) {
  loop->source = iterate(loop->iterable);
  if (statement.condition) {
    loop->source = filtered(statement, loop->source, loop->scope);
    loop->iterable = std::shared_ptr<Iterator>(loop->source);
  }
  const ScopePtr outer = loop->scope;
  ScopePtr own = inner(outer);
  bool runs_else = true;  // as Jinja has it: also where no body came to its end, because of break or continue
  while (!loop_next(*loop).is_missing()) {
    step();
    if (own->is_kept)
      own = inner(outer);
    else
      own->variables.clear();
    own->variables["loop"] = loop;
    assign(*statement.target, loop->current, own);
    const Flow flow = execute(statement.body, own, out);
    if (flow == Flow::broke) break;
    if (flow == Flow::next) runs_else = false;
  }
  loop->scope.reset();  // `loop` may live on in a namespace
  own->variables.erase("loop");
  return runs_else ? execute(statement.else_body, inner(outer), out) : Flow::next;
}

const Value& Machine::loop_next(Loop& loop) {
  loop.before = std::move(loop.current);
  if (!loop.after.is_missing()) {
    loop.current = std::move(loop.after);
    loop.after = Value();
  } else {
    Value next;
    loop.current = !loop.is_exhausted && loop.source->next(*this, next) ? next : Value();
  }
  ++loop.index0;
  return loop.current;
}

int64_t Machine::loop_length(Loop& loop) {
  if (loop.length) return *loop.length;
  loop.length = loop.iterable.iterator() ? std::nullopt : length_of(loop.iterable);
  if (loop.length) return *loop.length;
  std::vector<Value> rest = items_of(std::shared_ptr<Iterator>(loop.source));
  loop.length = static_cast<int64_t>(rest.size()) + loop.index0 + 1 + !loop.after.is_missing();
  loop.source = iterate(list(std::move(rest)));
  return *loop.length;
}

std::string Machine::run_recursive(Loop& loop, const Value& iterable) {
  if (!loop.scope) fail("\"loop\" is called after its loop has ended");
  auto nested = std::make_shared<Loop>();
  nested->iterable = iterable;
  nested->scope = loop.scope;
  nested->recursive = loop.recursive;
  nested->depth0 = loop.depth0 + 1;
  std::string out;
  const Level level(*this);
  run_loop(*loop.recursive, nested, out);
  return out;
}

void Machine::set_block(const Statement& statement, const ScopePtr& scope) {
  std::string captured;
  const ScopePtr own = inner(scope);
  execute(statement.body, own, captured);
  Value value = text(std::move(captured));
  if (statement.values[0]) value = evaluate_filter(*statement.values[0], own, &value);
  assign(*statement.target, value, scope);
}

Machine::Flow Machine::run_filter_block(const Statement& statement, const ScopePtr& scope, std::string& out) {
  std::string captured;
  const ScopePtr own = inner(scope);
  if (const Flow flow = execute(statement.body, own, captured); flow != Flow::next) return flow;
  const Value value = text(std::move(captured));
  append(out, to_text(*this, evaluate_filter(*statement.values[0], own, &value)));
  return Flow::next;
}

Machine::Flow Machine::run_with(const Statement& statement, const ScopePtr& scope, std::string& out) {
  const ScopePtr own = inner(scope);
  for (size_t i = 0; i < statement.targets.size(); ++i) assign(*statement.targets[i], evaluate(*statement.values[i], scope), own);
  return execute(statement.body, own, out);
}

void Machine::run_call_block(const Statement& statement, const ScopePtr& scope, std::string& out) {
  const Value caller = make_macro(statement, scope);
  append(out, to_text(*this, evaluate_call(*statement.values[0], scope, &caller)));
}

// As the tracker of transformers counts: from where the render's own output stands.
void Machine::run_generation(const Statement& statement, const ScopePtr& scope, std::string& out) {
  std::string captured;
  execute(statement.body, inner(scope), captured);
  generated_.emplace_back(output_length_, output_length_ + num_code_points(captured));
  append(out, captured);
}

void Machine::assign(const Expr& target, const Value& value, const ScopePtr& scope) {
  if (target.kind == ExprKind::name) {
    scope->variables[target.word] = value;
    return;
  }
  if (target.kind == ExprKind::namespace_attribute) return assign_attribute(target, value, scope);
  const std::vector<Value> items = items_of(value);
  if (items.size() != target.parts.size())
    fail(std::to_string(items.size()) + " values for " + std::to_string(target.parts.size()) + " names");
  for (size_t i = 0; i < items.size(); ++i) assign(*target.parts[i], items[i], scope);
}

void Machine::assign_attribute(const Expr& target, const Value& value, const ScopePtr& scope) {
  const Value owner = look_up(target.word, *scope);
  if (!owner.name_space()) fail("an attribute can be assigned on a namespace only, and \"" + target.word + "\" is none");
  const std::string& name = target.words[0];
  if (name.front() == '_') fail("the attribute \"" + name + "\" of a namespace begins with an underscore");
  if (Value* known = owner.name_space()->find(name)) {
    *known = value;
    return;
  }
  allocate(sizeof(Value) + name.size());
  owner.name_space()->attributes.emplace_back(name, value);
}

Value Machine::make_macro(const Statement& statement, const ScopePtr& scope) {
  if (!scope->is_kept) {
    allocate(sizeof(Scope));
    kept_scopes_.push_back(scope);
    scope->is_kept = true;
  }
  allocate(sizeof(Macro));
  return std::shared_ptr<const Macro>(std::make_shared<Macro>(Macro{&statement, scope, statement.word}));
}

namespace {

std::optional<Value> take_named(Arguments& arguments, const std::string& name) {
  for (auto at = arguments.named.begin(); at != arguments.named.end(); ++at) {
    if (at->first != name) continue;
    Value value = std::move(at->second);
    arguments.named.erase(at);
    return value;
  }
  return std::nullopt;
}

}  // namespace

Value Machine::bind_caller(const Macro&, Arguments& arguments) {
  const std::optional<Value> caller = take_named(arguments, "caller");
  return caller && !caller->is_none() ? *caller : undefined("no caller: the macro is not called by {% call %}");
}

Value Machine::call_macro(const Macro& macro, const Arguments& passed) {
  const Level level(*this);
  const Statement& definition = *macro.definition;
  Arguments arguments = passed;
  const ScopePtr own = inner(macro.defined_in);
  const size_t num_parameters = definition.parameters.size();
  const size_t num_given = std::min(arguments.positional.size(), num_parameters);
  for (size_t i = 0; i < num_given; ++i) own->variables[definition.parameters[i]->word] = arguments.positional[i];
  for (size_t i = num_given; i < num_parameters; ++i) {
    const std::string& name = definition.parameters[i]->word;
    const size_t first_default = num_parameters - definition.defaults.size();
    if (std::optional<Value> value = take_named(arguments, name))
      own->variables[name] = std::move(*value);
    else if (i >= first_default)
      own->variables[name] = evaluate(*definition.defaults[i - first_default], own);
    else
      own->variables[name] = undefined("the parameter \"" + name + "\" is not passed");
  }
  if (definition.reads_caller) own->variables["caller"] = bind_caller(macro, arguments);
  if (definition.reads_kwargs) {
    std::vector<std::pair<Value, Value>> entries;
    for (auto& [name, value] : arguments.named) entries.emplace_back(text(name), value);
    own->variables["kwargs"] = dict(std::move(entries));
  } else if (!arguments.named.empty()) {
    fail("the macro \"" + macro.name + "\" takes no argument \"" + arguments.named[0].first + "\"");
  }
  const std::vector<Value> rest(arguments.positional.begin() + static_cast<std::ptrdiff_t>(num_given),
                                arguments.positional.end());
  if (definition.reads_varargs)
    own->variables["varargs"] = tuple(rest);
  else if (!rest.empty())
    fail("the macro \"" + macro.name + "\" takes at most " + std::to_string(num_parameters) + " arguments");
  std::string out;
  execute(definition.body, own, out);
  return text(std::move(out));
}

}  // namespace distill::jinja
