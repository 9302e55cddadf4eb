// JSON Schema of the recipe for editors, from the lists of fields. It accepts what the reader accepts, as far as one value
// alone decides; rules between values stay with `distill check`.
#include "distill/core/json_reader.h"
#include "distill/recipe/recipe.h"

#include "kinds.h"
#include "leaves.h"
#include "report.h"

namespace distill {
namespace {

void add_range(Json& schema, const FieldInfo& info) {
  if (info.least) schema[info.is_above ? "exclusiveMinimum" : "minimum"] = *info.least;
  if (info.most) schema[info.is_below ? "exclusiveMaximum" : "maximum"] = *info.most;
}

std::string unit_pattern(const FieldInfo& info) {
  std::string words;
  for (const Unit unit : info.allowed_units) {
    if (!words.empty()) words += "|";
    switch (unit) {
      case Unit::steps:
        words += "steps?|updates";
        break;
      case Unit::tokens:
        words += "tokens?";
        break;
      case Unit::epochs:
        words += "epochs?";
        break;
      case Unit::percent:
        words += "%";
        break;
      case Unit::seconds:
        words += "s|seconds?|min|minutes?|h|hours?";
        break;
      case Unit::none:
        break;
    }
  }
  const std::string bare = info.bare_unit == Unit::none ? "" : "?";
  return "^ *[0-9.]+([eE][-+]?[0-9]+)? *[kKMGB]? *(" + words + ")" + bare + " *$";
}

class SchemaWriter {
 public:
  template <Section T>
  Json of(const T& defaults, const FieldInfo& /*info*/) {
    Json schema{{"type", "object"}, {"additionalProperties", false}};
    Json required = Json::array();
    for_each_field<T>([&](auto member, const FieldInfo& info) {
      schema["properties"][std::string(info.key)] = field(defaults.*member, info);
      if (info.is_required) required.push_back(std::string(info.key));
    });
    if (!required.empty()) schema["required"] = required;
    if constexpr (requires { T::kExactlyOne; })
      for (const std::string_view key : T::kExactlyOne) schema["oneOf"].push_back({{"required", {std::string(key)}}});
    return schema;
  }

 private:
  template <class T>
  Json field(const T& value, const FieldInfo& info) {
    if (info.is_planned) {
      Json refused{{"description", std::string(info.help) + " (not available yet)"}};
      if constexpr (Optional<T>)
        refused["enum"] = {nullptr, "none"};
      else
        refused["not"] = Json::object();
      return refused;
    }
    Json schema = or_short<T>(of(value, info));
    schema["description"] = std::string(info.help) + later_text(value, info);
    add_default(schema, value);
    return schema;
  }

  // Names the words that exist but are refused.
  template <class T>
  static std::string later_text(const T& /*value*/, const FieldInfo& info) {
    std::vector<std::string> later = info.later_words;
    if constexpr (NamedEnum<T>)
      for (const std::string& word : enum_words<T>())
        if (!info.available.empty() && std::find(info.available.begin(), info.available.end(), word) == info.available.end())
          later.push_back(word);
    return later.empty() ? "" : " (not available yet: " + either(later) + ")";
  }

  // Short forms: a bare word for a section, one item for a list, `none` for an absent section.
  template <class T>
  Json or_short(Json schema) {
    Json forms = Json::array({schema});
    add_short_forms<T>(forms);
    if (forms.size() == 1) return schema;
    return Json{{"anyOf", forms}};
  }
  template <class T>
  void add_short_forms(Json& forms) {
    if constexpr (Optional<T>) {
      forms.push_back({{"enum", Section<typename T::value_type> ? Json{nullptr, "none"} : Json{nullptr}}});
      add_short_forms<typename T::value_type>(forms);
    } else if constexpr (HasShorthand<T>) {
      forms.push_back(shorthand<T>());
    } else if constexpr (SectionList<T>) {
      forms.push_back(of(typename T::value_type{}, FieldInfo{}));
      add_short_forms<typename T::value_type>(forms);
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      forms.push_back({{"type", "string"}});
    } else if constexpr (List<T>) {
      if constexpr (NamedEnum<typename T::value_type>) forms.push_back(of(typename T::value_type{}, FieldInfo{}));
    }
  }
  template <class T>
  Json shorthand() {
    Json schema;
    for (const FieldInfo& info : field_infos<T>())
      if (info.key == shorthand_key<T>()) schema = of(T{}.*T::kShorthand, info);
    return schema;
  }

  static Json of(const std::string& /*value*/, const FieldInfo& /*info*/) { return {{"type", "string"}, {"minLength", 1}}; }
  static Json of(bool /*value*/, const FieldInfo& /*info*/) { return {{"type", "boolean"}}; }
  static Json of(int64_t /*value*/, const FieldInfo& info) { return ranged("integer", info); }
  static Json of(double /*value*/, const FieldInfo& info) { return ranged("number", info); }
  static Json ranged(const char* type, const FieldInfo& info) {
    Json schema{{"type", type}};
    add_range(schema, info);
    return schema;
  }
  template <NamedEnum E>
  static Json of(E /*value*/, const FieldInfo& info) {
    return {{"enum", info.available.empty() ? enum_words<E>() : info.available}};
  }
  template <class T>
  Json of(const std::optional<T>& /*value*/, const FieldInfo& info) {
    return of(T{}, info);
  }
  template <class T>
  Json of(const NoneOr<T>& /*value*/, const FieldInfo& info) {
    return {{"anyOf", {of(T{}, info), Json{{"enum", {"none", nullptr}}}}}};
  }
  template <class T>
  Json of(const AutoOr<T>& /*value*/, const FieldInfo& info) {
    if (!info.later_words.empty()) return of(T{}, info);
    return {{"anyOf", {of(T{}, info), Json{{"const", "auto"}}}}};
  }
  template <class T>
  Json of(const std::vector<T>& /*value*/, const FieldInfo& info) {
    Json items = of(T{}, info);
    if constexpr (Section<T>) items = or_short<T>(items);
    Json schema{{"type", "array"}, {"items", items}};
    if (info.is_required) schema["minItems"] = 1;
    return schema;
  }
  static Json of(const Duration& /*value*/, const FieldInfo& info) {
    Json text{{"type", "string"}, {"pattern", unit_pattern(info)}};
    if (info.bare_unit == Unit::none) return text;
    return {{"anyOf", {text, Json{{"type", "integer"}, {"minimum", 1}}}}};
  }
  static Json of(const JsonText& /*value*/, const FieldInfo& /*info*/) { return {{"type", "object"}, {"minProperties", 1}}; }
  static Json of(const DropoutRecipe& /*value*/, const FieldInfo& info) {
    return {{"anyOf", {ranged("number", info), Json{{"const", "config"}}}}};
  }
  static Json of(const Ramp& /*value*/, const FieldInfo& info) {
    const FieldInfo over = FieldInfo{"over", ""}.units({Unit::steps, Unit::percent});
    const Json number = ranged("number", info);
    const Json members{{"from", number}, {"to", number}, {"over", of(Duration{}, over)}};
    return {{"anyOf",
             {number, Json{{"type", "object"},
                           {"properties", members},
                           {"required", {"from", "to", "over"}},
                           {"additionalProperties", false}}}}};
  }
  static Json of(const LayerMapping& /*value*/, const FieldInfo& /*info*/) {
    const Json layer{{"type", "integer"}, {"minimum", 0}};
    const Json pair{{"type", "array"}, {"items", layer}, {"minItems", 2}, {"maxItems", 2}};
    return {{"anyOf",
             {Json{{"enum", {"uniform", "last", "all", "learned"}}}, Json{{"type", "array"}, {"items", pair}, {"minItems", 1}}}}};
  }

  static void add_default(Json& schema, const std::string& value) {
    if (!value.empty()) schema["default"] = value;
  }
  static void add_default(Json& schema, bool value) { schema["default"] = value; }
  static void add_default(Json& schema, int64_t value) { schema["default"] = value; }
  static void add_default(Json& schema, double value) { schema["default"] = value; }
  template <class T>
  requires(!Section<T> && !NamedEnum<T>) static void add_default(Json& schema, const std::vector<T>& values) {
    schema["default"] = values;
  }
  template <NamedEnum E>
  static void add_default(Json& schema, const std::vector<E>& values) {
    for (const E value : values) schema["default"].push_back(std::string(enum_name(value)));
  }
  static void add_default(Json& schema, const DropoutRecipe& value) { schema["default"] = value.rate; }
  static void add_default(Json& schema, const Ramp& value) { schema["default"] = value.from; }
  static void add_default(Json& schema, const LayerMapping& value) { schema["default"] = yaml_text(value); }
  static void add_default(Json& schema, const Duration& value) {
    if (value.unit != Unit::none) schema["default"] = to_string(value);
  }
  template <NamedEnum E>
  static void add_default(Json& schema, E value) {
    schema["default"] = std::string(enum_name(value));
  }
  template <class T>
  requires requires(const T& number) { number.value; }
  static void add_default(Json& schema, const T& number) {
    if (number.value) add_default(schema, *number.value);
  }
  template <class T>
  requires(Section<T> || SectionList<T> || Optional<T> ||
           std::is_same_v<T, JsonText>) static void add_default(Json& /*schema*/, const T& /*value*/) {}
};

}  // namespace

std::string recipe_schema() {
  Json schema{
      {"$schema", "https://json-schema.org/draft/2020-12/schema"},
      {"title", "distill recipe"},
      {"description", "What to distil, from whom, on what, and how. Relative paths are relative to the working directory."}};
  schema.update(SchemaWriter().of(Recipe{}, FieldInfo{}));
  return schema.dump(2) + "\n";
}

}  // namespace distill
