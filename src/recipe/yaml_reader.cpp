// From YAML text to a tree with places: the only file that sees yaml-cpp.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <unordered_map>

#include "yaml_node.h"

namespace distill {
namespace {

constexpr size_t kMostNodes = 20000;  // aliases of aliases grow exponentially

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const Spot& start, Report& report) : start_(start), report_(report) {}

  YamlNode take_root() { return std::move(root_); }
  Spot spot_of(const YAML::Mark& mark) const {
    if (mark.line < 0) return start_;
    return {start_.source, start_.line + mark.line, mark.column + (mark.line == 0 ? start_.column : 1)};
  }

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode node;
    node.spot = spot_of(mark);
    keep_anchor(anchor, node);
    add(std::move(node));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    count(1, mark);
    YamlNode node;
    node.spot = spot_of(mark);
    node.text = value;
    node.is_plain = tag == "?";
    if (tag != "?" && tag != "!" && tag != "tag:yaml.org,2002:str") refuse_tag(node.spot, tag);
    node.kind = scalar_type(node) == ScalarType::null ? YamlNode::Kind::null : YamlNode::Kind::scalar;
    if (node.kind == YamlNode::Kind::null && is_key_next()) node.kind = YamlNode::Kind::scalar;
    keep_anchor(anchor, node);
    add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(YamlNode::Kind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(YamlNode::Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override {
    merge_into(frames_.back().node);
    close();
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) {
      report_.complain(spot_of(mark), "", "an alias of a finished value", "an anchor that contains itself",
                       "Write the value out instead of the alias.");
      YamlNode nothing;
      nothing.spot = spot_of(mark);
      return add(std::move(nothing));
    }
    count(known->second.num_nodes, mark);
    add(known->second);
  }

 private:
  struct Frame {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    std::string key;
    Spot key_spot;
    std::unordered_map<std::string, int> first_lines;  // of the keys of a map
  };

  bool is_key_next() const {
    return !frames_.empty() && frames_.back().node.kind == YamlNode::Kind::map && !frames_.back().has_key;
  }

  void refuse_tag(const Spot& spot, const std::string& tag) {
    report_.complain(spot, "", "a value without a YAML tag", "the tag `" + shortened(tag) + "`", "Remove the tag.");
  }

  void keep_anchor(YAML::anchor_t anchor, const YamlNode& node) {
    if (anchor != 0) anchors_[anchor] = node;
  }

  void count(size_t more, const YAML::Mark& mark) {
    num_nodes_ += more;
    if (num_nodes_ > kMostNodes) throw YAML::ParserException(mark, "too many values");
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    count(1, mark);
    Frame frame;
    frame.node.kind = kind;
    frame.node.spot = spot_of(mark);
    frame.anchor = anchor;
    if (!tag.empty() && tag != "?" && tag != "!") refuse_tag(frame.node.spot, tag);
    frames_.push_back(std::move(frame));
  }

  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    keep_anchor(frame.anchor, frame.node);
    add(std::move(frame.node));
  }

  void add(YamlNode node) {
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = frames_.back();
    frame.node.num_nodes += node.num_nodes;
    if (frame.node.kind == YamlNode::Kind::list) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.has_key) {
      take_key(frame, node);
    } else {
      frame.has_key = false;
      // An empty value has no place of its own.
      if (node.kind == YamlNode::Kind::null) node.spot = frame.key_spot;
      take_entry(frame, std::move(node));
    }
  }

  void take_key(Frame& frame, const YamlNode& node) {
    frame.has_key = true;
    frame.key = node.text;
    frame.key_spot = node.spot;
    if (node.kind != YamlNode::Kind::scalar)
      report_.complain(node.spot, "", "a key that is one word", describe(node), "Write `key: value`.");
  }

  void take_entry(Frame& frame, YamlNode value) {
    const auto [first, is_new] = frame.first_lines.try_emplace(frame.key, frame.key_spot.line);
    if (!is_new) {
      return report_.complain(frame.key_spot, "", "every key once",
                              "`" + shortened(frame.key) + "` again (first on line " + std::to_string(first->second) + ")",
                              "Remove one of the two.");
    }
    frame.node.entries.push_back({std::move(frame.key), frame.key_spot, std::move(value)});
  }

  // `<<: *base` or `<<: [*a, *b]`: keys that the mapping does not have itself.
  void merge_into(YamlNode& map) {
    const auto merge = std::find_if(map.entries.begin(), map.entries.end(), [](const YamlEntry& e) { return e.key == "<<"; });
    if (merge == map.entries.end()) return;
    const YamlNode source = std::move(merge->value);
    map.entries.erase(merge);
    if (source.kind == YamlNode::Kind::map) return copy_missing(source, map);
    for (const YamlNode& item : source.items) copy_missing(item, map);
    if (source.kind != YamlNode::Kind::list)
      report_.complain(source.spot, "", "a mapping to merge, as in `<<: *name`", describe(source), "Name an anchored mapping.");
  }

  void copy_missing(const YamlNode& from, YamlNode& into) {
    if (from.kind != YamlNode::Kind::map) {
      report_.complain(from.spot, "", "a mapping to merge, as in `<<: *name`", describe(from), "Name an anchored mapping.");
      return;
    }
    for (const YamlEntry& entry : from.entries)
      if (!into.find(entry.key)) into.entries.push_back(entry);
  }

  Spot start_;
  Report& report_;
  YamlNode root_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, YamlNode> anchors_;
  size_t num_nodes_ = 0;
};

struct SyntaxAdvice {
  std::string_view message;  // how yaml-cpp's message begins
  const char* found;
  const char* advice;
};
constexpr SyntaxAdvice kSyntaxAdvice[] = {
    {"illegal map value", "a colon where no key can be",
     "Indent the keys of one section alike, give the line before its own colon, and put texts that hold `: ` in quotes."},
    {"illegal tab", "a tab in the indentation", "Replace it with spaces."},
    {"end of map not found", "a line that fits no key of its mapping", "Indent the keys of one section alike."},
    {"end of map flow not found", "a `{` without its `}`", "Close the brace, and separate its entries with commas."},
    {"end of sequence not found", "a line that fits no item of its list",
     "Begin every item of the list with `- ` in one column."},
    {"end of sequence flow not found", "a `[` without its `]`", "Close the bracket, and separate its items with commas."},
    {"illegal EOF in scalar", "a quote without its partner", "Close the quotes."},
    {"illegal document indicator in scalar", "a quote without its partner", "Close the quotes."},
    {"the referenced anchor is not defined", "an alias (`*name`) of nothing", "Put texts that begin with `*` in quotes."},
    {"unknown token", "a character that cannot begin a value", "Put the value in quotes."},
    {"illegal block entry", "a `-` where no list can be", "Begin the list on its own line, one item per line."},
    {"illegal map key", "a `?` where no key can be", "Put the value in quotes."},
    {"too many values", "more than 20000 values", "Check that this is the right file, and that no alias repeats an alias."},
};

void report_syntax_error(const YAML::ParserException& error, const Spot& spot, const std::string& text, Report& report) {
  // yaml-cpp meets the consequence of a tab, not always the tab.
  const size_t line_start = [&] {
    size_t begin = 0;
    for (int line = 0; line < error.mark.line && begin != std::string::npos; ++line)
      begin = text.find('\n', begin) == std::string::npos ? std::string::npos : text.find('\n', begin) + 1;
    return begin;
  }();
  if (line_start != std::string::npos) {
    const size_t content = text.find_first_not_of(" \t", line_start);
    const size_t tab = text.find('\t', line_start);
    if (tab < content && content != std::string::npos) {
      const Spot at{spot.source, spot.line, static_cast<int>(tab - line_start) + 1};
      return report.complain(at, "", "YAML", "a tab in the indentation", "Replace it with spaces.");
    }
  }
  for (const SyntaxAdvice& row : kSyntaxAdvice)
    if (error.msg.rfind(row.message, 0) == 0) return report.complain(spot, "", "YAML", row.found, row.advice);
  report.complain(spot, "", "YAML", error.msg, "Correct this line or the one before it.");
}

}  // namespace

const YamlEntry* YamlNode::find(std::string_view key) const {
  const auto entry = std::find_if(entries.begin(), entries.end(), [&](const YamlEntry& e) { return e.key == key; });
  return entry == entries.end() ? nullptr : &*entry;
}

YamlEntry* YamlNode::find(std::string_view key) {
  const auto entry = std::find_if(entries.begin(), entries.end(), [&](const YamlEntry& e) { return e.key == key; });
  return entry == entries.end() ? nullptr : &*entry;
}

std::optional<YamlNode> parse_yaml(const std::string& text, const Spot& start, Report& report) {
  TreeBuilder builder(start, report);
  try {
    // yaml-cpp takes a quote that is never closed when the text ends in a line break.
    std::istringstream stream(text.substr(0, text.find_last_not_of(" \t\r\n") + 1));
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) {
      YamlNode nothing;
      nothing.spot = start;
      return nothing;
    }
    YamlNode root = builder.take_root();
    TreeBuilder second(start, report);
    if (parser.HandleNextDocument(second)) {
      const Spot spot = second.take_root().spot;
      report.complain(spot, "", "one YAML document", "a second one", "Keep one recipe per file; remove the `---` between.");
    }
    return root;
  } catch (const YAML::ParserException& error) {
    report_syntax_error(error, builder.spot_of(error.mark), text, report);
  } catch (const YAML::Exception& error) {  // e.g. nesting deeper than yaml-cpp allows
    report.complain(builder.spot_of(error.mark), "", "YAML", error.msg, "Nest less deeply.");
  }
  return std::nullopt;
}

}  // namespace distill
