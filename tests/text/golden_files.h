// The goldens of scripts/goldens/make_text.py, and folders with a tokenizer.json of a test's own.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "distill/core/json_reader.h"
#include "distill/text/tokenizer.h"

namespace distill::testing {

inline const std::vector<std::string>& golden_names() {
  static const std::vector<std::string> names = {"gpt2",
                                                 "llama3",
                                                 "qwen2",
                                                 "llama2",
                                                 "added",
                                                 "pieces",
                                                 "metaspace",
                                                 "mapped",
                                                 "bert",
                                                 "bert_cased",
                                                 "wordpieces",
                                                 "bert_bytes",
                                                 "bert_bytes_spaces",
                                                 "stripped_bytes",
                                                 "nfd_bytes",
                                                 "nfkc_bytes",
                                                 "t5",
                                                 "xlmr",
                                                 "albert",
                                                 "unigram_bytes",
                                                 "unigram_ties",
                                                 "words",
                                                 "characters",
                                                 "suffixed",
                                                 "script_bytes"};
  return names;
}

std::filesystem::path golden_folder(const std::string& name);
Json read_golden(const std::string& name);
std::vector<std::string> corpus_strings();
// The whole Basic Multilingual Plane without the code points that regex engines disagree on, 64 a string.
std::vector<std::string> plane_strings();

// FNV-1a over ids, begins and ends, as the script writes it.
std::string fingerprint_of(const Encoding& encoding);

// A folder that is removed with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& file, const std::string& text) const;

 private:
  std::filesystem::path path_;
};

// The complaint of load_tokenizer() for a tokenizer.json with this text, or "" when it loads.
std::string complaint_about(const std::string& tokenizer_json);
// The same for a small valid file whose member at `pointer` is replaced by `value` (both JSON).
std::string complaint_about(const std::string& pointer, const std::string& value);
std::unique_ptr<Tokenizer> small_tokenizer(const std::vector<std::pair<std::string, std::string>>& replaced);

}  // namespace distill::testing
