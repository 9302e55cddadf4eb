// A tokenizer for tests of the data room: one token per byte, no file. Ids: 0 <unk>, 1 <s>, 2 </s>, then 3 + byte; the
// letters "ab" are one token, 300, so that a prompt and its completion can share one.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "distill/core/error.h"
#include "distill/data/rows.h"
#include "distill/text/tokenizer.h"

namespace distill {

inline int32_t byte_id(char c) { return 3 + static_cast<unsigned char>(c); }

// One token per byte; "ab" is the token 300. With special tokens: <s> in front, and </s> behind when `ends` is set.
class ByteTokenizer : public Tokenizer {
 public:
  bool begins = true, ends = false;
  std::optional<int32_t> eos = 2;
  std::optional<int32_t> mask;  // an id above the letters

  Encoding encode(std::string_view text, bool add_special_tokens) const override {
    if (text.find('\xff') != std::string_view::npos) throw InputError({"text", "UTF-8", "bytes", "Fix it.", ""});
    Encoding encoding;
    const auto add = [&](int32_t id, size_t begin, size_t end) {
      encoding.ids.push_back(id);
      encoding.offsets.emplace_back(static_cast<uint32_t>(begin), static_cast<uint32_t>(end));
    };
    if (add_special_tokens && begins) add(1, 0, 0);
    for (size_t i = 0; i < text.size(); ++i) {
      if (text.substr(i, 2) == "ab") {
        add(300, i, i + 2);
        ++i;
      } else if (text.substr(i, 4) == "</s>") {
        add(2, i, i + 4);
        i += 3;
      } else {
        add(byte_id(text[i]), i, i + 1);
      }
    }
    if (add_special_tokens && ends) add(2, 0, 0);
    return encoding;
  }
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens) const override {
    std::string text;
    for (const int32_t id : ids)
      if (id > 2 || !skip_special_tokens) text += token_of(id).value_or("?");
    return text;
  }
  int64_t num_ids() const override { return 301; }
  std::optional<int32_t> id_of(std::string_view) const override { return std::nullopt; }
  std::optional<std::string> token_of(int32_t id) const override {
    if (id == 0) return "<unk>";
    if (id == 1) return "<s>";
    if (id == 2) return "</s>";
    if (id == 300) return "ab";
    return std::string(1, static_cast<char>(id - 3));
  }
  std::optional<int32_t> eos_id() const override { return eos; }
  std::optional<int32_t> mask_id() const override { return mask; }
  std::optional<int32_t> pad_id() const override { return std::nullopt; }
  bool is_special(int32_t id) const override { return id < 3 || id == mask; }
  uint64_t fingerprint() const override { return 7; }
};

// A folder that goes away with the test.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "distill-data-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  std::string write(const std::string& name, const std::string& contents) const {
    const std::filesystem::path file = path_ / name;
    std::ofstream(file, std::ios::binary) << contents;
    return file.string();
  }

 private:
  std::filesystem::path path_;
};

// The words of the InputError that `action` ends with, which has all its parts; else "no error".
inline std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    EXPECT_FALSE(error.complaints().front().advice.empty());
    EXPECT_FALSE(error.complaints().front().expected.empty());
    return error.what();
  }
  return "no error";
}

// {"input_ids": [first, first + 1, ...]} of `length` ids.
inline std::string ids_row(int64_t first, int64_t length) {
  std::string text = "{\"input_ids\": [";
  for (int64_t i = 0; i < length; ++i) text += (i ? ", " : "") + std::to_string(first + i);
  return text + "]}\n";
}

inline std::vector<int32_t> ids_of(const DocumentView& document) {
  std::vector<int32_t> ids;
  for (const Token token : document.span()) ids.push_back(token.id());
  return ids;
}

// All documents of a source, in file order.
inline std::vector<DocumentView> documents_of(const SourceRows& source, RowBuffer& buffer) {
  read_documents(source.store, 0, source.store.documents().size(), buffer);
  return buffer.documents;
}

// The labels as Hugging Face writes them: -100 where nothing is learned.
inline std::vector<int32_t> labels_of(const DocumentView& document) {
  std::vector<int32_t> labels;
  for (size_t t = 0; t < document.length; ++t) labels.push_back(document.tokens[t].kept() ? document.label(t) : kIgnored);
  return labels;
}

// Loads one file with the byte tokenizer's 301 ids.
inline std::shared_ptr<const Rows> load_one(const std::string& path, const DataRecipe& recipe, const Tokenizer* tokenizer,
                                            int64_t max_positions = 0, const TaskRules& task = {}) {
  return load_rows({SourceRecipe{path, 1}}, recipe, "data.train", tokenizer, DataLimits{301, max_positions, task}, 17);
}

}  // namespace distill
