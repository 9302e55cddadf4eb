// From a wish to sizes, from sizes to a config.json, and back through read_spec: what it reads must be what was wanted.
#include "distill/spec/resize.h"

#include <numeric>

#include "families.h"

namespace distill {
namespace {

std::string numbers(const std::vector<int64_t>& values) {
  constexpr size_t kShown = 12;
  std::string text;
  for (size_t i = 0; i < values.size() && i < kShown; ++i) text += (i ? ", " : "") + std::to_string(values[i]);
  return values.size() > kShown ? text + ", ..." : text;
}

// The first numbers from 0 on keep every rule that goes by a block's number.
bool is_prefix(const std::vector<int64_t>& layers) {
  for (size_t i = 0; i < layers.size(); ++i)
    if (layers[i] != static_cast<int64_t>(i)) return false;
  return true;
}

class Resizer {
 public:
  Resizer(const ModelSpec& teacher, const ShrinkPlan& plan) : teacher_(teacher), plan_(plan), keys_(family_of(teacher).keys) {}

  Resized run() {
    choose_layers();
    sizes().hidden_size = smaller("hidden_size", plan_.hidden_size, teacher_.hidden_size);
    sizes().intermediate_size = smaller("intermediate_size", plan_.intermediate_size, teacher_.intermediate_size);
    choose_heads();
    if (result_.problems.empty() && !keys_.head_size) check_head_size();
    if (result_.problems.empty()) read_back();
    return std::move(result_);
  }

 private:
  ModelSizes& sizes() { return result_.sizes; }
  void refuse(const std::string& key, std::string expected, std::string found, std::string advice) {
    result_.problems.push_back({key, std::move(expected), std::move(found), std::move(advice)});
  }

  void choose_layers() {
    sizes().layers = sizes_of(teacher_).layers;
    if (!plan_.layers) return;
    const std::vector<int64_t>& wanted = *plan_.layers;
    const std::string depth = std::to_string(teacher_.num_layers);
    if (wanted.empty()) return refuse("layers", "at least one block", "none", "Name the blocks to keep, or leave the key out.");
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (wanted[i] < 0 || wanted[i] >= teacher_.num_layers)
        return refuse("layers", "numbers of the teacher's blocks, 0 to " + std::to_string(teacher_.num_layers - 1),
                      std::to_string(wanted[i]), "Blocks count from 0; the teacher has " + depth + ".");
      if (i > 0 && wanted[i] <= wanted[i - 1])
        return refuse("layers", "numbers that ascend, each once", numbers(wanted),
                      "Blocks stay in the teacher's order: sort the list.");
    }
    sizes().layers = wanted;
  }

  int64_t smaller(const char* key, const std::optional<int64_t>& wanted, int64_t whole) {
    if (!wanted) return whole;
    if (*wanted >= 1 && *wanted <= whole) return *wanted;
    refuse(key, "between 1 and the teacher's " + std::to_string(whole), std::to_string(*wanted),
           "A student that is cut out cannot be wider than its teacher.");
    return whole;
  }

  void choose_heads() {
    const int64_t whole = teacher_.num_heads, groups = teacher_.num_kv_heads, in_group = whole / groups;
    int64_t& heads = sizes().num_heads = smaller("num_heads", plan_.num_heads, whole);
    int64_t& kv_heads = sizes().num_kv_heads = smaller("num_kv_heads", plan_.num_kv_heads, groups);
    if (!result_.problems.empty()) return;
    if (!keys_.num_kv_heads) return match_heads();
    if (!plan_.num_heads) heads = kv_heads * in_group;
    if (plan_.num_heads && !plan_.num_kv_heads && heads % groups != 0) {
      if (heads % in_group != 0)
        return refuse("num_heads",
                      "a multiple of the teacher's " + std::to_string(groups) + " key/value heads, or of the " +
                          std::to_string(in_group) + " queries that share one",
                      std::to_string(heads), "Name num_kv_heads too, or choose such a number.");
      kv_heads = heads / in_group;
    }
    if (heads % kv_heads != 0 || heads / kv_heads > in_group)
      refuse("num_kv_heads",
             "a divisor of num_heads (" + std::to_string(heads) + ") with at most " + std::to_string(in_group) +
                 " queries to a key/value head, as in the teacher",
             std::to_string(kv_heads), "Choose another number of heads or key/value heads.");
  }

  // A family without grouped queries.
  void match_heads() {
    if (!plan_.num_kv_heads) {
      sizes().num_kv_heads = sizes().num_heads;
    } else if (!plan_.num_heads) {
      sizes().num_heads = sizes().num_kv_heads;
    } else if (sizes().num_kv_heads != sizes().num_heads) {
      refuse("num_kv_heads",
             "as many as num_heads (" + std::to_string(sizes().num_heads) + "): " + teacher_.model_type +
                 " models have no grouped queries",
             std::to_string(sizes().num_kv_heads), "Leave the key out.");
    }
  }

  void check_head_size() {
    const int64_t K = teacher_.head_size, D = sizes().hidden_size, H = sizes().num_heads;
    if (D == H * K) return;
    const std::string fitting =
        std::string("A hidden size of ") + std::to_string(H * K) + " fits " + std::to_string(H) + " heads" +
        (D % K == 0 ? "; " + std::to_string(D / K) + " heads fit a hidden size of " + std::to_string(D) : std::string()) + ".";
    refuse(plan_.hidden_size ? "hidden_size" : "num_heads",
           "hidden_size = num_heads * " + std::to_string(K) + ", because the config.json of " + teacher_.model_type +
               " models gives no size of a head",
           std::to_string(D) + " and " + std::to_string(H) + " heads", fitting);
  }

  Json config();
  void write_layer_types(Json& config) const;
  void read_back();
  std::string first_difference(const ModelSpec& found) const;

  const ModelSpec& teacher_;
  const ShrinkPlan& plan_;
  const ConfigKeys& keys_;
  Resized result_;
};

// Where a rule of the family or a list of config.json goes by the number of the block, the facts are written out.
void Resizer::write_layer_types(Json& config) const {
  const std::vector<int64_t>& layers = result_.sizes.layers;
  const auto written = config.find("layer_types");
  if (written != config.end() && written->is_array()) {
    Json kept = Json::array();
    for (const int64_t l : layers) kept.push_back(written->at(static_cast<size_t>(l)));
    *written = kept;
  } else if (keys_.layer_types && !is_prefix(layers)) {
    Json types = Json::array();
    for (const int64_t l : layers) {
      const LayerSpec& layer = teacher_.layers[static_cast<size_t>(l)];
      types.push_back(layer.window > 0 || layer.local_rope ? "sliding_attention" : "full_attention");
    }
    config["layer_types"] = types;
  }
}

// Keys of sizes that stay are left as they are, absent ones too.
Json Resizer::config() {
  Json config = teacher_.config;
  const ModelSizes& to = result_.sizes;
  const auto num_layers = static_cast<int64_t>(to.layers.size());
  const bool other_width = to.hidden_size != teacher_.hidden_size;
  const bool other_heads = to.num_heads != teacher_.num_heads || to.num_kv_heads != teacher_.num_kv_heads;
  if (num_layers != teacher_.num_layers) config[keys_.num_layers] = num_layers;
  if (other_width) config[keys_.hidden_size] = to.hidden_size;
  if (to.intermediate_size != teacher_.intermediate_size || (other_width && keys_.four_times_wider))
    config[keys_.intermediate_size] = to.intermediate_size;
  if (other_heads) config[keys_.num_heads] = to.num_heads;
  if (other_heads && keys_.num_kv_heads) config[keys_.num_kv_heads] = to.num_kv_heads;
  if ((other_width || other_heads) && keys_.head_size) config[keys_.head_size] = teacher_.head_size;
  if (num_layers != teacher_.num_layers) write_layer_types(config);
  return config;
}

// Empty when the facts are those that were wanted; else what block, or which size, came out how.
std::string Resizer::first_difference(const ModelSpec& found) const {
  const ModelSizes& to = result_.sizes;
  if (found.hidden_size != to.hidden_size || found.num_heads != to.num_heads || found.num_kv_heads != to.num_kv_heads ||
      found.intermediate_size != to.intermediate_size || found.head_size != teacher_.head_size ||
      found.rope.rotary_size != teacher_.rope.rotary_size || found.num_layers != static_cast<int64_t>(to.layers.size()))
    throw Bug("the config.json of a smaller " + teacher_.architecture + " reads back with other sizes");
  for (size_t i = 0; i < to.layers.size(); ++i) {
    const LayerSpec &wanted = teacher_.layers[static_cast<size_t>(to.layers[i])], &layer = found.layers[i];
    const std::string place = "block " + std::to_string(to.layers[i]) + " as block " + std::to_string(i) + " with ";
    if (layer.attention_scale != wanted.attention_scale) return place + "another scale of attention";
    if (layer.window != wanted.window) return place + "another window";
    if (layer.local_rope != wanted.local_rope) return place + "another rotary base";
  }
  return "";
}

void Resizer::read_back() {
  result_.spec = read_spec(config(), "config.json of the smaller model", teacher_.task);
  const std::string difference = first_difference(result_.spec);
  if (!difference.empty())
    refuse("layers", "blocks whose facts do not go by their number in config.json", difference,
           "Keep the first blocks: 0, 1, ... without a gap.");
}

}  // namespace

ModelSizes sizes_of(const ModelSpec& spec) {
  std::vector<int64_t> layers(static_cast<size_t>(spec.num_layers));
  std::iota(layers.begin(), layers.end(), 0);
  return {std::move(layers), spec.hidden_size, spec.num_heads, spec.num_kv_heads, spec.intermediate_size};
}

Resized resize(const ModelSpec& teacher, const ShrinkPlan& plan) { return Resizer(teacher, plan).run(); }

}  // namespace distill
