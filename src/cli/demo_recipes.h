// The three recipes of the demo, as texts with comments: what the user finds in `recipes/` and changes.
#pragma once

#include <filesystem>
#include <string>

namespace distill::demo {

// Where everything is below the demo's folder.
struct Layout {
  std::filesystem::path out;
  std::filesystem::path tokenizer() const { return out / "tokenizer"; }
  std::filesystem::path data(const std::string& split) const { return out / "data" / (split + ".jsonl"); }
  std::filesystem::path recipe(const std::string& name) const { return out / "recipes" / (name + ".yaml"); }
  std::filesystem::path run(const std::string& name) const { return out / "runs" / name; }
  std::filesystem::path teacher() const { return run("teacher") / "student"; }
};

inline constexpr int64_t kVocabSize = 800;

std::string teacher_recipe(const Layout& layout);
std::string alone_recipe(const Layout& layout);
std::string distilled_recipe(const Layout& layout);

}  // namespace distill::demo
