#include "distill/train/run_state.h"

#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/core/json_reader.h"

namespace distill {

void write_run_state(const fs::path& file, const RunState& state) {
  const Json json = {{"format", 1},
                     {"update", state.update},
                     {"kept_tokens", state.kept_tokens},
                     {"input_tokens", state.input_tokens},
                     {"seconds", state.seconds},
                     {"loss_scale", state.scaler.scale},
                     {"growth_tracker", state.scaler.growth_tracker},
                     {"consecutive_skips", state.consecutive_skips},
                     {"skipped_updates", state.skipped_updates},
                     {"products", std::string(enum_name(state.products))},
                     {"num_threads", state.num_threads},
                     {"data_fingerprint", state.data_fingerprint}};
  WriteFile out(file);
  out.write(json.dump(2) + "\n");
  out.close();
}

namespace {

gemm::Maker products_of(const std::string& word, const std::string& where) {
  if (const auto maker = enum_value<gemm::Maker>(word)) return *maker;
  throw InputError({where + ": products", "undecided, aten, onednn or packed", word,
                    "Remove this checkpoint's folder to go on from the one before, or use the version that wrote it.", ""});
}

}  // namespace

RunState read_run_state(const fs::path& file) {
  const std::string where = file.string();
  const Json json = read_json_file(where);
  RunState state;
  state.update = json_int(json, "update", where);
  state.kept_tokens = json_int(json, "kept_tokens", where);
  state.input_tokens = json_int(json, "input_tokens", where);
  state.seconds = json_double_or(json, "seconds", 0, where);
  state.scaler.scale = json_double_or(json, "loss_scale", 0, where);
  state.scaler.growth_tracker = json_int(json, "growth_tracker", where);
  state.consecutive_skips = json_int(json, "consecutive_skips", where);
  state.skipped_updates = json_int(json, "skipped_updates", where);
  if (json.contains("products")) state.products = products_of(json_string(json, "products", where), where);
  state.num_threads = json_int(json, "num_threads", where);
  state.data_fingerprint = json_string(json, "data_fingerprint", where);
  return state;
}

}  // namespace distill
