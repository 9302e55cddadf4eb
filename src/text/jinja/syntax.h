// The tree of a parsed template.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "value.h"

namespace distill::jinja {

enum class ExprKind {
  constant,
  name,                 // word
  list,                 // parts
  tuple,                // parts
  dict,                 // parts: key, value, key, value, ...
  negative,             // parts[0]
  positive,             // parts[0]
  invert,               // parts[0]: `not`
  arithmetic,           // parts[0], word, parts[1]
  concat,               // parts
  both,                 // parts[0] and parts[1]
  either,               // parts[0] or parts[1]
  compare,              // parts[0], then words[i], parts[i + 1]
  conditional,          // parts: condition, value, otherwise or null
  attribute,            // parts[0], word
  item,                 // parts[0], parts[1]
  slice,                // parts: subject, start, stop, step; null where left out
  call,                 // parts[0], then the arguments
  filter,               // word, parts[0] (null: the text of the block), then the arguments
  test,                 // the same
  namespace_attribute,  // word is the variable's name, words[0] the attribute; as a target only
};

struct Expr {
  ExprKind kind;
  uint32_t line = 1;
  uint32_t depth = 1;  // of the tree below
  std::string word;
  std::vector<std::string> words;  // operators of a comparison; the names of the last arguments
  std::vector<std::unique_ptr<Expr>> parts;
  std::unique_ptr<Expr> star, star_star;  // *arguments and **arguments of a call
  Value constant;
  bool is_soft = false;  // a filter or test that Jinja looks up only when it is reached
};
using ExprPtr = std::unique_ptr<Expr>;

enum class StatementKind {
  output,        // values
  branch,        // branches, else_body
  for_loop,      // target, values[0], condition, body, else_body
  set,           // target, values[0]
  set_block,     // target, values[0] (a filter or null), body
  macro,         // word, target (a name), parameters, defaults, body
  call_block,    // values[0] (a call), parameters, defaults, body
  filter_block,  // values[0], body
  with,          // targets, values, body
  generation,    // body, as the body of a call
  break_loop,
  continue_loop,
};

struct Statement;
using Body = std::vector<std::unique_ptr<Statement>>;

struct Branch {
  ExprPtr condition;
  Body body;
};

struct Statement {
  StatementKind kind;
  uint32_t line = 1;
  std::string word;
  ExprPtr target;
  std::vector<ExprPtr> targets;
  std::vector<ExprPtr> values;
  ExprPtr condition;
  std::vector<Branch> branches;
  Body body, else_body;
  std::vector<ExprPtr> parameters;
  std::vector<ExprPtr> defaults;  // of the last parameters
  bool is_recursive = false;

  // What the body of a macro or of a call block reads of what a call passes besides the parameters.
  bool reads_caller = false, reads_kwargs = false, reads_varargs = false;
};

struct Template {
  Body body;
  bool has_generation = false;
};

}  // namespace distill::jinja
