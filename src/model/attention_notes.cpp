#include "attention_notes.h"

#include <c10/util/Exception.h>
#ifdef DISTILL_WITH_CUDA
#include <ATen/native/transformers/cuda/sdp_utils.h>
#endif

#include <algorithm>
#include <map>
#include <mutex>
#include <sstream>

#include "distill/model/transformer.h"

namespace distill {
namespace {

struct Note {
  int64_t longest = 0;  // lengths of documents would fill a book
  std::string why;
  bool slow = false, told = false;
};

std::mutex notes_mutex;
// By kind of call.
std::map<std::string, Note>& notes() {
  static std::map<std::string, Note> lines;
  return lines;
}

std::string text(const std::string& kind, const Note& note) {
  return kind + ", length up to " + std::to_string(note.longest) + (note.why.empty() ? "" : " (" + note.why + ")");
}

#ifdef DISTILL_WITH_CUDA
// torch tells its reasons as warnings.
class Listener : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override {
    const std::string line = warning.msg().substr(0, warning.msg().find(" (Triggered internally"));
    if (heard_.find(line) == std::string::npos) heard_ += (heard_.empty() ? "" : "; ") + line;
  }
  const std::string& heard() const { return heard_; }

 private:
  std::string heard_;
};
#endif

}  // namespace

const char* attention_backend_name(int64_t backend) {
  constexpr const char* kNames[] = {"math", "flash", "efficient", "cudnn"};
  return backend >= 0 && backend < 4 ? kNames[backend] : "other";
}

std::string why_not_fused(const AttentionCall& call) {
#ifdef DISTILL_WITH_CUDA
  if (!call.q_BHTK.is_cuda()) return "";
  std::optional<at::Tensor> mask;
  if (call.mask.defined()) mask = call.mask;
  const bool grouped = call.q_BHTK.size(1) != call.k_BGTK.size(1);
  const sdp::sdp_params question{call.q_BHTK, call.k_BGTK, call.v_BGTK, mask, 0.0, call.causal, grouped};
  Listener listener;
  const c10::WarningUtils::WarningHandlerGuard listening(&listener);
  const c10::WarningUtils::WarnAlways always(true);
  sdp::can_use_mem_efficient_attention(question, /*debug=*/true);  // the one that serves every card
  return listener.heard().empty() ? "torch gives no reason" : listener.heard();
#else
  static_cast<void>(call);
  return "";
#endif
}

void note_attention(const std::string& choice, const at::Tensor& q_BHTK, int64_t num_kv_heads, const char* mask,
                    std::string (*why)(const AttentionCall&), const AttentionCall* call) {
  std::ostringstream kind;
  kind << choice << ": " << q_BHTK.device().type() << " " << q_BHTK.scalar_type() << ", heads " << q_BHTK.size(1) << "/"
       << num_kv_heads << " of size " << q_BHTK.size(3) << ", " << mask;
  const std::lock_guard<std::mutex> lock(notes_mutex);
  const auto [place, is_new] = notes().try_emplace(kind.str());
  place->second.longest = std::max(place->second.longest, q_BHTK.size(2));
  if (!is_new || !why) return;
  place->second.why = why(*call);
  place->second.slow = q_BHTK.is_cuda();
}

std::vector<std::string> attention_choices() {
  const std::lock_guard<std::mutex> lock(notes_mutex);
  std::vector<std::string> lines;
  for (const auto& [kind, note] : notes()) lines.push_back(text(kind, note));
  return lines;
}

std::vector<AttentionNews> take_attention_news() {
  const std::lock_guard<std::mutex> lock(notes_mutex);
  std::vector<AttentionNews> news;
  for (auto& [kind, note] : notes()) {
    if (note.told) continue;
    note.told = true;
    news.push_back({text(kind, note), note.slow});
  }
  return news;
}

}  // namespace distill
