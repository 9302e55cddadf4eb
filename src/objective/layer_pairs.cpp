#include "distill/objective/layer_pairs.h"

namespace distill {
namespace {

std::string range_text(int64_t lowest, int64_t highest) { return std::to_string(lowest) + " to " + std::to_string(highest); }

LayerPairs equal_pairs(const LayerRange& range, const std::string& where, std::vector<Complaint>& complaints) {
  if (range.student_layers != range.teacher_layers)
    complaints.push_back({where, "equal depths for layer_mapping `all`",
                          "a student of " + std::to_string(range.student_layers) + " and a teacher of " +
                              std::to_string(range.teacher_layers) + " layers",
                          "Use `uniform`, or list pairs such as [[1, 2]].", ""});
  LayerPairs pairs;
  for (int64_t i = 1; i <= range.student_layers; ++i) pairs.emplace_back(i, i);
  return pairs;
}

void check_side(int64_t layer, int64_t lowest, int64_t highest, const std::string& side, const std::string& where,
                std::vector<Complaint>& complaints) {
  if (layer >= lowest && layer <= highest) return;
  complaints.push_back({where, side + " layers " + range_text(lowest, highest), std::to_string(layer),
                        "Write [student layer, teacher layer]; 0 is the embeddings, l the output of block l.", ""});
}

// Teacher layer floor(i * L_teacher / L_student + 1/2), in whole numbers.
LayerPairs uniform_pairs(const LayerRange& range, const std::string& where, std::vector<Complaint>& complaints) {
  LayerPairs pairs;
  for (int64_t i = 1; i <= range.student_layers; ++i)
    pairs.emplace_back(i, (2 * i * range.teacher_layers + range.student_layers) / (2 * range.student_layers));
  // A student more than twice as deep starts at the teacher's layer 0, which only hidden states have.
  check_side(pairs.front().second, range.lowest, range.teacher_layers, "teacher", where, complaints);
  return pairs;
}

LayerPairs mixed_pairs(const LayerRange& range, const std::string& where, std::vector<Complaint>& complaints) {
  if (!range.can_mix)
    complaints.push_back({where, "uniform, last, all, or pairs [[student, teacher], ...]", "`learned`",
                          "A mix of layers is learned by hidden_mse, hidden_cosine, hidden_l1 and pkd.", ""});
  LayerPairs pairs;
  for (int64_t i = 1; i <= range.student_layers; ++i) pairs.emplace_back(i, kMixOfLayers);
  return pairs;
}

LayerPairs listed_pairs(const LayerMapping& mapping, const LayerRange& range, const std::string& where,
                        std::vector<Complaint>& complaints) {
  if (mapping.pairs.empty())
    complaints.push_back(
        {where, "at least one pair [student, teacher]", "none", "List pairs such as [[1, 2]], or use `uniform`.", ""});
  for (const auto& [student, teacher] : mapping.pairs) {
    check_side(student, range.lowest, range.student_layers, "student", where, complaints);
    check_side(teacher, range.lowest, range.teacher_layers, "teacher", where, complaints);
  }
  return mapping.pairs;
}

}  // namespace

LayerPairs layer_pairs(const LayerMapping& mapping, const LayerRange& range, const std::string& where,
                       std::vector<Complaint>& complaints) {
  switch (mapping.rule) {
    case LayerRule::uniform:
      return uniform_pairs(range, where, complaints);
    case LayerRule::last:
      return {{range.student_layers, range.teacher_layers}};
    case LayerRule::all:
      return equal_pairs(range, where, complaints);
    case LayerRule::learned:
      return mixed_pairs(range, where, complaints);
    case LayerRule::pairs:
      break;
  }
  return listed_pairs(mapping, range, where, complaints);
}

}  // namespace distill
