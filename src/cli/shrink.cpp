// The shrink verb: sizes first, then weights, tensor by tensor.
#include "distill/model/shrink.h"

#include <cstdio>

#include "distill/checkpoint/hf_folder.h"
#include "distill/cli/model_folder.h"
#include "distill/cli/verbs_shrink.h"
#include "distill/core/units.h"
#include "distill/tensor/dtype.h"

namespace distill {
namespace {

constexpr std::pair<const char*, const char*> kOptionOf[] = {{"layers", "--layers"},
                                                             {"hidden_size", "--hidden-size"},
                                                             {"num_heads", "--heads"},
                                                             {"num_kv_heads", "--kv-heads"},
                                                             {"intermediate_size", "--intermediate-size"}};

void check_asks_for_something(const ShrinkPlan& plan) {
  if (plan.layers || plan.hidden_size || plan.num_heads || plan.num_kv_heads || plan.intermediate_size) return;
  throw RecipeError({"distill shrink", "a size to shrink to", "none",
                     "Pass --layers, --hidden-size, --heads, --kv-heads or --intermediate-size.", ""});
}

void check_sizes(const std::vector<SizeProblem>& problems) {
  std::vector<Complaint> complaints;
  for (const SizeProblem& problem : problems)
    for (const auto& [key, option] : kOptionOf)
      if (problem.key == key) complaints.push_back({option, problem.expected, problem.found, problem.advice, ""});
  if (!complaints.empty()) throw RecipeError(std::move(complaints));
}

std::string listed(const std::vector<int64_t>& numbers) {
  std::string text;
  for (const int64_t number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text;
}

void print(const ShrinkOptions& options, const ModelSpec& teacher, const Resized& student, const WrittenModel& written) {
  const ModelSizes& sizes = student.sizes;
  const int64_t before = count_parameters(teacher), after = count_parameters(student.spec);
  if (options.json) {
    const Json out = {{"path", options.out.string()},       {"parameters", after},
                      {"teacher_parameters", before},       {"layers", sizes.layers},
                      {"hidden_size", sizes.hidden_size},   {"num_heads", sizes.num_heads},
                      {"num_kv_heads", sizes.num_kv_heads}, {"intermediate_size", sizes.intermediate_size},
                      {"dtype", dtype_word(written.dtype)}, {"bytes", written.bytes}};
    std::printf("%s\n", out.dump(2).c_str());
    return;
  }
  std::printf("blocks      %zu of %lld: %s\n", sizes.layers.size(), static_cast<long long>(teacher.num_layers),
              listed(sizes.layers).c_str());
  std::printf("sizes       hidden %lld of %lld, heads %lld of %lld (%lld of %lld key/value), feed-forward %lld of %lld\n",
              static_cast<long long>(sizes.hidden_size), static_cast<long long>(teacher.hidden_size),
              static_cast<long long>(sizes.num_heads), static_cast<long long>(teacher.num_heads),
              static_cast<long long>(sizes.num_kv_heads), static_cast<long long>(teacher.num_kv_heads),
              static_cast<long long>(sizes.intermediate_size), static_cast<long long>(teacher.intermediate_size));
  std::printf("parameters  %s of %s; %s of %s in %s\n", count_text(static_cast<double>(after)).c_str(),
              count_text(static_cast<double>(before)).c_str(), bytes_text(written.bytes).c_str(),
              dtype_word(written.dtype).c_str(), options.out.string().c_str());
}

}  // namespace

int run_shrink(const ShrinkOptions& options) {
  check_asks_for_something(options.plan);
  HfFolder folder = open_hf_folder(model_folder_of(options.model));
  refuse_own_folder(options.out, folder.path);
  const ModelSpec teacher = read_spec(folder.config, (folder.path / "config.json").string());
  const Resized student = resize(teacher, options.plan);
  check_sizes(student.problems);
  const at::ScalarType dtype = chosen_dtype(options.dtype, stored_dtype(*folder.weights, teacher.stored_dtype));
  const auto source = cut_weights(teacher, std::move(folder.weights), student.spec, student.sizes);
  const WrittenModel written = write_model(options.out, student.spec, *source, dtype, uint64_t{5} << 30, folder.path);
  print(options, teacher, student, written);
  return static_cast<int>(ExitCode::done);
}

}  // namespace distill
