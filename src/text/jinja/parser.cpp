#include "parser.h"

#include <algorithm>
#include <initializer_list>
#include <set>
#include <utility>

#include "filters.h"
#include "render_limits.h"
#include "tests.h"

namespace distill::jinja {
namespace {

const std::set<std::string> kRefusedTags = {"extends",    "include", "import", "from", "block",
                                            "autoescape", "do",      "debug",  "trans"};

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Template run() {
    Template result;
    result.body = parse_body({});
    result.has_generation = has_generation_;
    return result;
  }

 private:
  struct Signature {
    std::vector<ExprPtr> parameters, defaults;
  };
  struct MacroContext {
    bool reads_caller = false, reads_kwargs = false, reads_varargs = false;
  };
  class Depth {
   public:
    explicit Depth(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kMaxNesting) parser_.fail("at most " + std::to_string(kMaxNesting) + " nested levels", "more");
    }
    ~Depth() { --parser_.depth_; }

   private:
    Parser& parser_;
  };

  // Tokens.
  const Token& current() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token next() {
    Token token = current();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool is_operator(const char* text) const { return current().kind == TokenKind::operation && current().text == text; }
  static bool is_word(const Token& token, const char* text) { return token.kind == TokenKind::name && token.text == text; }
  bool is_word(const char* text) const { return is_word(current(), text); }
  bool skip_operator(const char* text) { return is_operator(text) && (next(), true); }
  bool skip_word(const char* text) { return is_word(text) && (next(), true); }

  [[noreturn]] void fail(const std::string& expected, const std::string& found) const {
    fail_at(current().line, expected, found);
  }
  [[noreturn]] static void fail_at(uint32_t line, const std::string& expected, const std::string& found) {
    throw SyntaxMistake{line, expected, found};
  }
  static std::string shown(const Token& token) {
    switch (token.kind) {
      case TokenKind::data:
        return "text";
      case TokenKind::output_begin:
        return "\"{{\"";
      case TokenKind::block_begin:
        return "\"{%\"";
      case TokenKind::end:
        return "the end of the template";
      case TokenKind::string:
        return "a string";
      default:
        return "\"" + token.text + "\"";
    }
  }
  void expect_operator(const char* text) {
    if (!skip_operator(text)) fail("\"" + std::string(text) + "\"", shown(current()));
  }
  std::string expect_name(const char* what) {
    if (current().kind != TokenKind::name) fail(what, shown(current()));
    return next().text;
  }
  void expect_kind(TokenKind kind, const char* what) {
    if (current().kind != kind) fail(what, shown(current()));
    next();
  }

  // Trees.
  ExprPtr make(ExprKind kind, uint32_t line, std::string word = "") const {
    auto expr = std::make_unique<Expr>();
    expr->kind = kind;
    expr->line = line;
    expr->word = std::move(word);
    return expr;
  }
  void add(Expr& to, ExprPtr part) const {
    if (part) to.depth = std::max(to.depth, part->depth + 1);
    if (to.depth > kMaxExpressionDepth)
      fail_at(to.line, "expressions of at most " + std::to_string(kMaxExpressionDepth) + " levels", "a deeper one");
    to.parts.push_back(std::move(part));
  }
  ExprPtr unary(ExprKind kind, uint32_t line, ExprPtr operand) const {
    ExprPtr expr = make(kind, line);
    add(*expr, std::move(operand));
    return expr;
  }
  ExprPtr binary(ExprKind kind, uint32_t line, std::string word, ExprPtr left, ExprPtr right) const {
    ExprPtr expr = make(kind, line, std::move(word));
    add(*expr, std::move(left));
    add(*expr, std::move(right));
    return expr;
  }
  ExprPtr constant(uint32_t line, Value value) const {
    ExprPtr expr = make(ExprKind::constant, line);
    expr->constant = std::move(value);
    return expr;
  }

  // Expressions, loosest binding first.
  ExprPtr parse_expression(bool with_conditional = true) {
    const Depth depth(*this);
    return with_conditional ? parse_conditional() : parse_or();
  }

  ExprPtr parse_conditional() {
    uint32_t line = current().line;
    ++soft_;  // a branch that may never be reached
    const size_t first_soft = soft_names_.size();
    ExprPtr value = parse_or();
    --soft_;
    if (!is_word("if") && soft_ == 0) check_names_from(first_soft);
    const bool is_conditional = is_word("if");
    while (skip_word("if")) {
      ++soft_;
      ExprPtr condition = parse_or();
      ExprPtr otherwise;
      if (skip_word("else")) {
        const Depth depth(*this);
        otherwise = parse_conditional();
      }
      --soft_;
      ExprPtr expr = make(ExprKind::conditional, line);
      add(*expr, std::move(condition));
      add(*expr, std::move(value));
      add(*expr, std::move(otherwise));
      value = std::move(expr);
      line = current().line;
    }
    if (is_conditional) soft_names_.resize(first_soft);
    return value;
  }

  ExprPtr parse_or() {
    const uint32_t line = current().line;
    ExprPtr left = parse_and();
    while (skip_word("or")) left = binary(ExprKind::either, line, "", std::move(left), parse_and());
    return left;
  }
  ExprPtr parse_and() {
    const uint32_t line = current().line;
    ExprPtr left = parse_not();
    while (skip_word("and")) left = binary(ExprKind::both, line, "", std::move(left), parse_not());
    return left;
  }
  ExprPtr parse_not() {
    if (!is_word("not")) return parse_compare();
    const Depth depth(*this);
    const uint32_t line = next().line;
    return unary(ExprKind::invert, line, parse_not());
  }

  // "" when no comparison follows.
  std::string comparison() {
    static const std::initializer_list<const char*> kOperators = {"==", "!=", "<", "<=", ">", ">="};
    for (const char* word : kOperators)
      if (skip_operator(word)) return word;
    if (skip_word("in")) return "in";
    if (!is_word("not") || !is_word(look(), "in")) return "";
    next();
    next();
    return "not in";
  }
  ExprPtr parse_compare() {
    const uint32_t line = current().line;
    ExprPtr left = parse_sum();
    std::string word = comparison();
    if (word.empty()) return left;
    ExprPtr expr = unary(ExprKind::compare, line, std::move(left));
    for (; !word.empty(); word = comparison()) {
      expr->words.push_back(word);
      add(*expr, parse_sum());
    }
    return expr;
  }

  ExprPtr parse_sum() {
    const uint32_t line = current().line;
    ExprPtr left = parse_concat();
    while (is_operator("+") || is_operator("-")) {
      std::string word = next().text;
      left = binary(ExprKind::arithmetic, line, std::move(word), std::move(left), parse_concat());
    }
    return left;
  }
  ExprPtr parse_concat() {
    const uint32_t line = current().line;
    ExprPtr first = parse_product();
    if (!is_operator("~")) return first;
    ExprPtr expr = unary(ExprKind::concat, line, std::move(first));
    while (skip_operator("~")) add(*expr, parse_product());
    return expr;
  }
  ExprPtr parse_product() {
    const uint32_t line = current().line;
    ExprPtr left = parse_power();
    while (is_operator("*") || is_operator("/") || is_operator("//") || is_operator("%")) {
      std::string word = next().text;
      left = binary(ExprKind::arithmetic, line, std::move(word), std::move(left), parse_power());
    }
    return left;
  }
  ExprPtr parse_power() {
    const uint32_t line = current().line;
    ExprPtr left = parse_unary(true);
    while (skip_operator("**")) left = binary(ExprKind::arithmetic, line, "**", std::move(left), parse_unary(true));
    return left;
  }
  ExprPtr parse_unary(bool with_filter) {
    const Depth depth(*this);
    const uint32_t line = current().line;
    ExprPtr expr;
    if (skip_operator("-"))
      expr = unary(ExprKind::negative, line, parse_unary(false));
    else if (skip_operator("+"))
      expr = unary(ExprKind::positive, line, parse_unary(false));
    else
      expr = parse_primary();
    expr = parse_postfix(std::move(expr));
    return with_filter ? parse_filters_and_tests(std::move(expr)) : std::move(expr);
  }

  ExprPtr parse_primary(bool with_namespace = false) {
    const Token token = current();
    switch (token.kind) {
      case TokenKind::name:
        return parse_name(with_namespace);
      case TokenKind::string:
        return parse_strings();
      case TokenKind::integer:
        return next(), constant(token.line, token.integer);
      case TokenKind::floating:
        return next(), constant(token.line, token.floating);
      default:
        break;
    }
    if (skip_operator("(")) {
      ExprPtr expr = parse_tuple({}, true, true);
      expect_operator(")");
      return expr;
    }
    if (is_operator("[")) return parse_list();
    if (is_operator("{")) return parse_dict();
    fail("an expression", shown(token));
  }

  ExprPtr parse_name(bool with_namespace) {
    const Token token = next();
    const std::string& name = token.text;
    if (name == "true" || name == "True") return constant(token.line, true);
    if (name == "false" || name == "False") return constant(token.line, false);
    if (name == "none" || name == "None") return constant(token.line, None{});
    if (with_namespace && skip_operator(".")) {
      ExprPtr expr = make(ExprKind::namespace_attribute, token.line, name);
      expr->words.push_back(expect_name("the name of an attribute"));
      return expr;
    }
    note_special(name);
    return make(ExprKind::name, token.line, name);
  }

  void note_special(const std::string& name) {
    for (MacroContext* macro : macros_) {
      macro->reads_caller |= name == "caller";
      macro->reads_kwargs |= name == "kwargs";
      macro->reads_varargs |= name == "varargs";
    }
  }

  ExprPtr parse_strings() {
    const uint32_t line = current().line;
    std::string text;
    while (current().kind == TokenKind::string) text += next().text;
    return constant(line, make_string(std::move(text)));
  }

  bool ends_tuple(const std::vector<const char*>& end_words) const {
    if (current().kind == TokenKind::output_end || current().kind == TokenKind::block_end || is_operator(")")) return true;
    return std::any_of(end_words.begin(), end_words.end(), [&](const char* word) { return is_word(word); });
  }

  ExprPtr parse_tuple(const std::vector<const char*>& end_words, bool with_conditional, bool in_parentheses) {
    return parse_tuple_of([&] { return parse_expression(with_conditional); }, end_words, in_parentheses);
  }

  template <class ParseItem>
  ExprPtr parse_tuple_of(ParseItem&& parse_item, const std::vector<const char*>& end_words, bool in_parentheses) {
    const Depth depth(*this);
    ExprPtr tuple = make(ExprKind::tuple, current().line);
    bool is_tuple = false;
    while (true) {
      if (!tuple->parts.empty()) expect_operator(",");
      if (ends_tuple(end_words)) break;
      add(*tuple, parse_item());
      if (!is_operator(",")) break;
      is_tuple = true;
    }
    if (is_tuple) return tuple;
    if (!tuple->parts.empty()) return std::move(tuple->parts.front());
    if (!in_parentheses) fail("an expression", shown(current()));
    return tuple;
  }

  ExprPtr parse_list() {
    ExprPtr list = make(ExprKind::list, next().line);
    while (!is_operator("]")) {
      if (!list->parts.empty()) expect_operator(",");
      if (is_operator("]")) break;
      add(*list, parse_expression());
    }
    next();
    return list;
  }
  ExprPtr parse_dict() {
    ExprPtr dict = make(ExprKind::dict, next().line);
    while (!is_operator("}")) {
      if (!dict->parts.empty()) expect_operator(",");
      if (is_operator("}")) break;
      add(*dict, parse_expression());
      expect_operator(":");
      add(*dict, parse_expression());
    }
    next();
    return dict;
  }

  ExprPtr parse_postfix(ExprPtr expr) {
    while (true) {
      if (is_operator("."))
        expr = parse_attribute(std::move(expr));
      else if (is_operator("["))
        expr = parse_item(std::move(expr));
      else if (is_operator("("))
        expr = parse_call(std::move(expr));
      else
        return expr;
    }
  }
  ExprPtr parse_filters_and_tests(ExprPtr expr) {
    while (true) {
      if (is_operator("|"))
        next(), expr = parse_filter(std::move(expr));
      else if (is_word("is"))
        expr = parse_test(std::move(expr));
      else if (is_operator("("))
        expr = parse_call(std::move(expr));
      else
        return expr;
    }
  }

  ExprPtr parse_attribute(ExprPtr subject) {
    const uint32_t line = next().line;
    const Token token = next();
    if (token.kind == TokenKind::integer)
      return binary(ExprKind::item, line, "", std::move(subject), constant(token.line, token.integer));
    if (token.kind != TokenKind::name) fail_at(token.line, "a name or a number after the dot", shown(token));
    ExprPtr expr = make(ExprKind::attribute, line, token.text);
    add(*expr, std::move(subject));
    return expr;
  }

  ExprPtr parse_item(ExprPtr subject) {
    const uint32_t line = next().line;
    std::vector<ExprPtr> keys;
    ExprPtr slice;
    while (!is_operator("]")) {
      if (!keys.empty() || slice) {
        expect_operator(",");
        if (slice) fail("one slice", "a list of them, which is not available");
      }
      slice = parse_slice(line, keys);
      if (slice && !keys.empty()) fail("one slice", "a list of them, which is not available");
    }
    next();
    if (slice) {
      slice->depth = std::max(slice->depth, subject->depth + 1);
      slice->parts.front() = std::move(subject);
      return slice;
    }
    if (keys.size() == 1) return binary(ExprKind::item, line, "", std::move(subject), std::move(keys.front()));
    ExprPtr tuple = make(ExprKind::tuple, line);
    for (ExprPtr& key : keys) add(*tuple, std::move(key));
    return binary(ExprKind::item, line, "", std::move(subject), std::move(tuple));
  }

  // A slice without its subject; null: one key, which went to `keys`.
  ExprPtr parse_slice(uint32_t line, std::vector<ExprPtr>& keys) {
    ExprPtr start;
    if (!is_operator(":")) {
      start = parse_expression();
      if (!is_operator(":")) {
        keys.push_back(std::move(start));
        return nullptr;
      }
    }
    next();
    const auto bound = [&]() -> ExprPtr {
      if (is_operator(":") || is_operator("]") || is_operator(",")) return nullptr;
      return parse_expression();
    };
    ExprPtr stop = bound();
    ExprPtr step = skip_operator(":") ? bound() : nullptr;
    ExprPtr slice = make(ExprKind::slice, line);
    add(*slice, nullptr);
    add(*slice, std::move(start));
    add(*slice, std::move(stop));
    add(*slice, std::move(step));
    return slice;
  }

  ExprPtr parse_call(ExprPtr subject) {
    ExprPtr call = unary(ExprKind::call, current().line, std::move(subject));
    parse_arguments(*call);
    return call;
  }

  void parse_arguments(Expr& call) {
    const uint32_t line = current().line;
    expect_operator("(");
    bool needs_comma = false;
    const auto ensure = [&](bool holds) {
      if (!holds) fail_at(line, "positional arguments, then named ones, then * and **", "another order");
    };
    while (!is_operator(")")) {
      if (needs_comma) expect_operator(",");
      if (is_operator(")")) break;
      if (skip_operator("*")) {
        ensure(!call.star && !call.star_star);
        call.star = parse_star(call);
      } else if (skip_operator("**")) {
        ensure(!call.star_star);
        call.star_star = parse_star(call);
      } else if (current().kind == TokenKind::name && look().kind == TokenKind::operation && look().text == "=") {
        ensure(!call.star_star);
        parse_named_argument(call);
      } else {
        ensure(!call.star && !call.star_star && call.words.empty());
        add(call, parse_expression());
      }
      needs_comma = true;
    }
    next();
  }
  ExprPtr parse_star(Expr& call) {
    ExprPtr expr = parse_expression();
    call.depth = std::max(call.depth, expr->depth + 1);
    return expr;
  }
  void parse_named_argument(Expr& call) {
    std::string name = next().text;
    if (std::find(call.words.begin(), call.words.end(), name) != call.words.end())
      fail("every named argument once", "\"" + name + "\" twice");
    next();
    call.words.push_back(std::move(name));
    add(call, parse_expression());
  }

  std::string dotted_name(const char* what) {
    std::string name = expect_name(what);
    while (skip_operator(".")) name += "." + expect_name(what);
    return name;
  }

  // After the bar; `subject` is null for a block's text.
  ExprPtr parse_filter(ExprPtr subject) {
    const uint32_t line = current().line;
    std::string name = dotted_name("the name of a filter");
    ExprPtr filter = make(ExprKind::filter, line, std::move(name));
    add(*filter, std::move(subject));
    if (is_operator("(")) parse_arguments(*filter);
    check_known(*filter, "filter", find_filter(filter->word) != nullptr, is_refused_filter(filter->word));
    return filter;
  }
  // `| filter | filter` after `set x`; null when there is none.
  ExprPtr parse_block_filters() {
    ExprPtr filter;
    while (skip_operator("|")) filter = parse_filter(std::move(filter));
    return filter;
  }

  // Jinja looks up the names in branches and conditional expressions only when they are reached.
  void check_known(Expr& expr, const char* what, bool is_known, bool is_refused) {
    if (is_known) return;
    if (is_refused)
      fail_at(expr.line, std::string("a ") + what + " that is available", "the " + std::string(what) + " \"" + expr.word + "\"");
    expr.is_soft = true;
    if (branches_ > 0) return;
    soft_names_.push_back({expr.line, what, expr.word});
    if (soft_ == 0) check_names_from(soft_names_.size() - 1);
  }
  struct SoftName {
    uint32_t line;
    const char* what;
    std::string name;
  };
  void check_names_from(size_t first) {
    if (first >= soft_names_.size()) return;
    const SoftName& soft = soft_names_[first];
    fail_at(soft.line, std::string("a ") + soft.what + " of Jinja",
            "the " + std::string(soft.what) + " \"" + soft.name + "\", which is not known");
  }

  ExprPtr parse_test(ExprPtr subject) {
    const uint32_t line = next().line;
    const bool negated = skip_word("not");
    std::string name = dotted_name("the name of a test");
    ExprPtr test = make(ExprKind::test, line, std::move(name));
    add(*test, std::move(subject));
    if (is_operator("("))
      parse_arguments(*test);
    else if (starts_test_argument())
      add(*test, parse_postfix(parse_primary()));
    check_known(*test, "test", find_test(test->word) != nullptr, false);
    return negated ? unary(ExprKind::invert, line, std::move(test)) : std::move(test);
  }
  bool starts_test_argument() const {
    switch (current().kind) {
      case TokenKind::string:
      case TokenKind::integer:
      case TokenKind::floating:
        return true;
      case TokenKind::operation:
        return is_operator("[") || is_operator("{");
      case TokenKind::name:
        break;
      default:
        return false;
    }
    if (is_word("is")) fail("one test", "a chain of them");
    return !is_word("else") && !is_word("or") && !is_word("and");
  }

  // Statements.
  Body parse_body(const std::vector<const char*>& end_words) {
    const Depth depth(*this);
    Body body;
    while (current().kind != TokenKind::end) {
      if (current().kind == TokenKind::data || current().kind == TokenKind::output_begin) {
        body.push_back(parse_output());
        continue;
      }
      next();  // {%
      if (std::any_of(end_words.begin(), end_words.end(), [&](const char* word) { return is_word(word); })) return body;
      body.push_back(parse_statement(end_words));
      expect_kind(TokenKind::block_end, "\"%}\"");
    }
    if (!end_words.empty()) fail("{% " + std::string(end_words.back()) + " %}", "the end of the template");
    return body;
  }

  // After a statement's head: its body up to one of the words, which stays the current token.
  Body parse_block(const std::vector<const char*>& end_words) {
    skip_operator(":");
    expect_kind(TokenKind::block_end, "\"%}\"");
    return parse_body(end_words);
  }
  Body parse_block_to(const char* end_word) {
    Body body = parse_block({end_word});
    next();
    return body;
  }

  static std::unique_ptr<Statement> statement(StatementKind kind, uint32_t line) {
    auto result = std::make_unique<Statement>();
    result->kind = kind;
    result->line = line;
    return result;
  }

  std::unique_ptr<Statement> parse_output() {
    auto output = statement(StatementKind::output, current().line);
    while (true) {
      if (current().kind == TokenKind::data) {
        const Token token = next();
        output->values.push_back(constant(token.line, make_string(token.text)));
      } else if (current().kind == TokenKind::output_begin) {
        next();
        output->values.push_back(parse_tuple({}, true, false));
        expect_kind(TokenKind::output_end, "\"}}\"");
      } else {
        return output;
      }
    }
  }

  std::unique_ptr<Statement> parse_statement(const std::vector<const char*>& end_words) {
    if (current().kind != TokenKind::name) fail("the name of a tag", shown(current()));
    const std::string tag = current().text;
    if (tag == "if") return parse_if();
    if (tag == "for") return parse_for();
    if (tag == "set") return parse_set();
    if (tag == "macro") return parse_macro();
    if (tag == "call") return parse_call_block();
    if (tag == "filter") return parse_filter_block();
    if (tag == "with") return parse_with();
    if (tag == "print") return parse_print();
    if (tag == "generation") return parse_generation();
    if (tag == "break" || tag == "continue") return parse_loop_control();
    if (kRefusedTags.count(tag)) fail("a tag that is available", "the tag \"" + tag + "\", which is not");
    std::string expected;
    for (const char* word : end_words) expected += (expected.empty() ? "{% " : " or {% ") + std::string(word) + " %}";
    fail(expected.empty() ? "a tag of Jinja" : expected, "the tag \"" + tag + "\"");
  }

  std::unique_ptr<Statement> parse_print() {
    auto output = statement(StatementKind::output, next().line);
    while (current().kind != TokenKind::block_end) {
      if (!output->values.empty()) expect_operator(",");
      output->values.push_back(parse_expression());
    }
    return output;
  }

  std::unique_ptr<Statement> parse_if() {
    auto result = statement(StatementKind::branch, current().line);
    ++branches_;
    std::string word = "elif";
    while (word == "elif" || word == "if") {
      next();
      ExprPtr condition = parse_tuple({}, false, false);
      Body body = parse_block({"elif", "else", "endif"});
      result->branches.push_back({std::move(condition), std::move(body)});
      word = current().text;
    }
    next();
    if (word == "else") result->else_body = parse_block_to("endif");
    --branches_;
    return result;
  }

  std::unique_ptr<Statement> parse_for() {
    auto loop = statement(StatementKind::for_loop, next().line);
    loop->target = parse_target({"in"}, false);
    check_loop_target(*loop->target);
    if (!skip_word("in")) fail("\"in\"", shown(current()));
    loop->values.push_back(parse_tuple({"recursive"}, false, false));
    if (skip_word("if")) loop->condition = parse_expression();
    loop->is_recursive = skip_word("recursive");
    ++loops_;
    loop->body = parse_block({"endfor", "else"});
    --loops_;
    const bool has_else = next().text == "else";
    const int outer_loops = loops_;
    if (loop->is_recursive) loops_ = 0;
    if (has_else) loop->else_body = parse_block_to("endfor");
    loops_ = outer_loops;
    return loop;
  }
  void check_loop_target(const Expr& target) const {
    if (target.kind == ExprKind::name && target.word == "loop")
      fail_at(target.line, "another name than \"loop\" for the variable of a loop", "it");
    for (const ExprPtr& part : target.parts) check_loop_target(*part);
  }

  ExprPtr parse_target(const std::vector<const char*>& end_words, bool with_namespace) {
    ExprPtr target = parse_tuple_of([&] { return parse_primary(with_namespace); }, end_words, false);
    check_target(*target);
    return target;
  }
  void check_target(const Expr& target) const {
    const bool is_fine =
        target.kind == ExprKind::name || target.kind == ExprKind::namespace_attribute || target.kind == ExprKind::tuple;
    if (!is_fine) fail_at(target.line, "a name to assign to", "another expression");
    if (target.kind == ExprKind::name && target.word == "loop" && loops_ > 0)
      fail_at(target.line, "no assignment to \"loop\" in a loop", "one");
    for (const ExprPtr& part : target.parts) check_target(*part);
  }

  std::unique_ptr<Statement> parse_set() {
    auto set = statement(StatementKind::set, next().line);
    set->target = parse_target({}, true);
    if (skip_operator("=")) {
      set->values.push_back(parse_tuple({}, true, false));
      return set;
    }
    set->kind = StatementKind::set_block;
    set->values.push_back(parse_block_filters());
    set->body = parse_block_to("endset");
    return set;
  }

  std::unique_ptr<Statement> parse_with() {
    auto with = statement(StatementKind::with, next().line);
    while (current().kind != TokenKind::block_end) {
      if (!with->targets.empty()) expect_operator(",");
      with->targets.push_back(parse_target({}, false));
      expect_operator("=");
      with->values.push_back(parse_expression());
    }
    with->body = parse_block_to("endwith");
    return with;
  }

  void parse_signature(Statement& macro) {
    expect_operator("(");
    while (!is_operator(")")) {
      if (!macro.parameters.empty()) expect_operator(",");
      const uint32_t line = current().line;
      std::string name = expect_name("the name of a parameter");
      for (const ExprPtr& other : macro.parameters)
        if (other->word == name) fail_at(line, "every parameter once", "\"" + name + "\" twice");
      macro.parameters.push_back(make(ExprKind::name, line, std::move(name)));
      if (skip_operator("="))
        macro.defaults.push_back(parse_expression());
      else if (!macro.defaults.empty())
        fail_at(line, "a default, as the parameter before has one", "none");
    }
    next();
  }

  // The body of a macro or a call block is a function: the loops around it are not its own.
  void parse_function_body(Statement& macro, const char* end_word) {
    MacroContext context;
    macros_.push_back(&context);
    const int outer_loops = std::exchange(loops_, 0);
    macro.body = parse_block_to(end_word);
    loops_ = outer_loops;
    macros_.pop_back();
    const auto is_parameter = [&](const char* name) {
      return std::any_of(macro.parameters.begin(), macro.parameters.end(), [&](const ExprPtr& p) { return p->word == name; });
    };
    macro.reads_caller = context.reads_caller && !is_parameter("caller");
    macro.reads_kwargs = context.reads_kwargs && !is_parameter("kwargs");
    macro.reads_varargs = context.reads_varargs && !is_parameter("varargs");
  }

  std::unique_ptr<Statement> parse_macro() {
    auto macro = statement(StatementKind::macro, next().line);
    macro->word = expect_name("the name of the macro");
    parse_signature(*macro);
    parse_function_body(*macro, "endmacro");
    return macro;
  }

  std::unique_ptr<Statement> parse_call_block() {
    auto block = statement(StatementKind::call_block, next().line);
    if (is_operator("(")) parse_signature(*block);
    block->values.push_back(parse_expression());
    if (block->values.front()->kind != ExprKind::call) fail_at(block->line, "a call after {% call", "another expression");
    parse_function_body(*block, "endcall");
    return block;
  }

  std::unique_ptr<Statement> parse_filter_block() {
    auto block = statement(StatementKind::filter_block, next().line);
    ExprPtr filter = parse_filter(nullptr);
    while (skip_operator("|")) filter = parse_filter(std::move(filter));
    block->values.push_back(std::move(filter));
    block->body = parse_block_to("endfilter");
    return block;
  }

  std::unique_ptr<Statement> parse_generation() {
    auto block = statement(StatementKind::generation, next().line);
    has_generation_ = true;
    parse_function_body(*block, "endgeneration");
    return block;
  }

  std::unique_ptr<Statement> parse_loop_control() {
    const Token token = next();
    if (loops_ == 0) fail_at(token.line, "\"" + token.text + "\" in a loop", "it outside of one");
    return statement(token.text == "break" ? StatementKind::break_loop : StatementKind::continue_loop, token.line);
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  uint32_t depth_ = 0;
  int loops_ = 0;
  int branches_ = 0;
  int soft_ = 0;
  bool has_generation_ = false;
  std::vector<SoftName> soft_names_;
  std::vector<MacroContext*> macros_;
};

}  // namespace

Template parse(std::string_view source) { return Parser(tokenize(source)).run(); }

}  // namespace distill::jinja
