// The inspect verb: reads headers and tensors through the checkpoint room and prints what it finds.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <optional>

#include "distill/checkpoint/hf_folder.h"
#include "distill/checkpoint/open.h"
#include "distill/cli/task.h"
#include "distill/cli/verbs_inspect.h"
#include "distill/core/error.h"
#include "distill/core/hub_cache.h"
#include "distill/core/units.h"
#include "distill/model/weight_map.h"
#include "distill/spec/spec.h"
#include "distill/tensor/dtype.h"
#include "distill/tensor/shape.h"
#include "distill/tensor/summary.h"

namespace distill {
namespace {

namespace fs = std::filesystem;

struct Row {
  TensorMeta meta;
  int64_t non_finite = 0;
};

// What config.json says, or why it says nothing; and where the tensors differ from it.
struct ConfigReport {
  std::optional<ModelSpec> spec;
  std::string problem;
  std::vector<std::string> missing, misshapen, unexpected;
};

std::vector<Row> read_rows(const TensorSource& source) {
  std::vector<Row> rows;
  const auto& tensors = source.tensors();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorMeta& meta = tensors[i];
    const bool can_be_bad = c10::isFloatingType(meta.dtype) || c10::isComplexType(meta.dtype);
    rows.push_back({meta, can_be_bad ? count_non_finite(source.read(i, meta.dtype, at::kCPU)) : 0});
  }
  return rows;
}

void compare(ConfigReport& report, const std::vector<Row>& rows) {
  std::vector<TensorMeta> tensors;
  for (const Row& row : rows) tensors.push_back(row.meta);
  WeightMatch match = match_weights(*report.spec, weight_rows(*report.spec), tensors);
  report.missing = std::move(match.missing);
  report.misshapen = std::move(match.misshapen);
  report.unexpected = std::move(match.foreign);
}

std::optional<ConfigReport> read_config(const fs::path& path, const std::vector<Row>& rows) {
  if (!fs::is_directory(path) || !fs::exists(path / "config.json")) return std::nullopt;
  ConfigReport report;
  try {
    report.spec = read_spec(read_hf_config(path), (path / "config.json").string());
    compare(report, rows);
  } catch (const InputError& error) {
    report.problem = error.what();
  }
  return report;
}

Json config_json(const ConfigReport& report) {
  if (!report.spec) return {{"problem", report.problem}};
  const ModelSpec& spec = *report.spec;
  return {{"architecture", spec.architecture},
          {"model_type", spec.model_type},
          {"task", word_of(spec.task)},
          {"num_classes", spec.num_classes},
          {"vocab_size", spec.vocab_size},
          {"hidden_size", spec.hidden_size},
          {"num_layers", spec.num_layers},
          {"num_heads", spec.num_heads},
          {"num_kv_heads", spec.num_kv_heads},
          {"head_size", spec.head_size},
          {"intermediate_size", spec.intermediate_size},
          {"max_positions", spec.max_positions},
          {"tie_embeddings", spec.tie_embeddings},
          {"dtype", spec.stored_dtype},
          {"parameters", count_parameters(spec)},
          {"missing", report.missing},
          {"misshapen", report.misshapen},
          {"unexpected", report.unexpected}};
}

int64_t elements(const TensorMeta& meta) {
  int64_t count = 1;
  for (const int64_t size : meta.shape) count *= size;
  return count;
}

struct Totals {
  uint64_t bytes = 0;
  int64_t elements = 0, non_finite = 0;
};

Totals add_up(const std::vector<Row>& rows) {
  Totals totals;
  for (const Row& row : rows) {
    totals.bytes += row.meta.bytes;
    totals.elements += elements(row.meta);
    totals.non_finite += row.non_finite;
  }
  return totals;
}

void print_json(const fs::path& path, const std::vector<Row>& rows, const std::optional<ConfigReport>& config,
                const std::vector<std::string>& left_out) {
  const Totals totals = add_up(rows);
  Json out = {{"path", path.string()}, {"config", config ? config_json(*config) : Json()}, {"tensors", Json::array()}};
  for (const Row& row : rows)
    out["tensors"].push_back({{"name", row.meta.name},
                              {"dtype", safetensors_word(row.meta.dtype)},
                              {"shape", row.meta.shape},
                              {"bytes", row.meta.bytes},
                              {"finite", row.non_finite == 0},
                              {"non_finite", row.non_finite},
                              {"file", row.meta.file}});
  if (!left_out.empty()) out["not_tensors"] = left_out;
  out["parameters"] = totals.elements;
  out["bytes"] = totals.bytes;
  out["finite"] = totals.non_finite == 0;
  std::cout << out.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

void print_list(const char* title, const std::vector<std::string>& names) {
  if (names.empty()) return;
  std::cout << title << " (" << names.size() << "):";
  for (size_t i = 0; i < names.size() && i < 8; ++i) std::cout << (i ? ", " : " ") << names[i];
  std::cout << (names.size() > 8 ? ", ...\n" : "\n");
}

void print_config(const ConfigReport& report) {
  if (!report.spec) {
    std::cout << "config      cannot be used: " << report.problem << "\n\n";
    return;
  }
  const ModelSpec& spec = *report.spec;
  std::cout << "model       " << spec.architecture << ", " << count_text(static_cast<double>(count_parameters(spec)))
            << " parameters" << (spec.tie_embeddings ? ", tied embeddings" : "") << "\n"
            << "task        " << word_of(spec.task)
            << (spec.num_classes > 0 ? ", " + std::to_string(spec.num_classes) + " classes" : "") << "\n"
            << "sizes       " << spec.num_layers << " layers, hidden " << spec.hidden_size << ", feed-forward "
            << spec.intermediate_size << ", " << spec.num_heads << " heads (" << spec.num_kv_heads << " key/value) of "
            << spec.head_size << "\n"
            << "vocabulary  " << spec.vocab_size << " tokens, up to " << spec.max_positions << " positions\n";
  print_list("missing", report.missing);
  print_list("misshapen", report.misshapen);
  print_list("unexpected", report.unexpected);
  std::cout << "\n";
}

void print_table(const std::vector<Row>& rows) {
  std::vector<std::vector<std::string>> cells = {{"name", "dtype", "shape", "bytes", "finite"}};
  for (const Row& row : rows)
    cells.push_back({row.meta.name, std::string(safetensors_word(row.meta.dtype)), shape_text(row.meta.shape),
                     std::to_string(row.meta.bytes),
                     row.non_finite == 0 ? "yes" : "NO: " + std::to_string(row.non_finite) + " are not"});
  std::vector<size_t> widths(cells.front().size(), 0);
  for (const auto& line : cells)
    for (size_t c = 0; c < line.size(); ++c) widths[c] = std::max(widths[c], line[c].size());
  for (const auto& line : cells) {
    std::string text;
    for (size_t c = 0; c < line.size(); ++c) {
      const std::string gap(widths[c] - line[c].size(), ' ');
      const bool number = c == 3;  // to the right
      text += (c ? "  " : "") + (number ? gap + line[c] : line[c] + (c + 1 < line.size() ? gap : ""));
    }
    std::cout << text << "\n";
  }
}

}  // namespace

int run_inspect(const InspectOptions& options) {
  const fs::path path = find_model(options.path);
  const auto source = open_weights(path);
  const std::vector<Row> rows = read_rows(*source);
  const auto config = read_config(path, rows);
  if (options.json) {
    print_json(path, rows, config, source->left_out());
  } else {
    if (config) print_config(*config);
    print_table(rows);
    print_list("not tensors", source->left_out());
    const Totals totals = add_up(rows);
    std::cout << "\n"
              << rows.size() << " tensors, " << count_text(static_cast<double>(totals.elements)) << " elements, "
              << bytes_text(totals.bytes)
              << (totals.non_finite ? "; " + std::to_string(totals.non_finite) + " elements are NaN or infinite" : "; all finite")
              << "\n";
  }
  return static_cast<int>(ExitCode::done);
}

}  // namespace distill
