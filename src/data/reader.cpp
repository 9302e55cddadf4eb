// Which reader a data file needs. What this version cannot read is refused by name, never guessed at.
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

#include "distill/core/error.h"

#include "row_readers.h"

namespace distill {
namespace {

struct Refusal {
  std::string_view format, advice;
};

constexpr Refusal kGzip{"a gzip file", "Unpack it: `gunzip -k FILE`, and name the result."};
constexpr Refusal kZstd{"a Zstandard file", "Unpack it: `unzstd -k FILE`, and name the result."};
constexpr Refusal kPacked{"a compressed file", "Unpack it and name the result."};
constexpr Refusal kParquet{
    "a Parquet file", "Convert it: `datasets.load_dataset(\"parquet\", data_files=FILE)[\"train\"].to_json(\"train.jsonl\")`."};
constexpr Refusal kArrow{"an Arrow file", "Convert it: `datasets.load_from_disk(FOLDER).to_json(\"train.jsonl\")`."};
constexpr Refusal kTokens{"a token file", "Write the ids as JSON Lines: {\"input_ids\": [...]} on each line."};
constexpr Refusal kTable{"a table of values", "Convert it to JSON Lines: {\"text\": \"...\"} on each line."};

constexpr std::pair<std::string_view, Refusal> kRefusedEndings[] = {
    {".gz", kGzip},    {".zst", kZstd},   {".zstd", kZstd},       {".xz", kPacked},   {".bz2", kPacked},
    {".zip", kPacked}, {".tar", kPacked}, {".parquet", kParquet}, {".arrow", kArrow}, {".bin", kTokens},
    {".npy", kTokens}, {".csv", kTable},  {".tsv", kTable}};

[[noreturn]] void refuse(const fs::path& path, const Refusal& refusal) {
  throw InputError({path.string(), "a .jsonl or .txt file", std::string(refusal.format) + ", which is not available yet",
                    std::string(refusal.advice), ""});
}

void refuse_packed_bytes(const fs::path& path) {
  const ReadFile file(path);
  std::array<char, 4> start{};
  if (file.size() < start.size()) return;
  file.read_at(0, start.data(), start.size());
  const std::string_view bytes(start.data(), start.size());
  if (bytes.starts_with("\x1f\x8b")) refuse(path, kGzip);
  if (bytes == "\x28\xb5\x2f\xfd") refuse(path, kZstd);
  if (bytes == "PAR1") refuse(path, kParquet);
  if (bytes == "ARRO") refuse(path, kArrow);
  if (bytes.starts_with("PK\x03\x04")) refuse(path, kPacked);
}

std::string lower_extension(const fs::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return ending;
}

}  // namespace

std::unique_ptr<RowReader> open_rows(const fs::path& path, const ReadRules& rules) {
  const std::string ending = lower_extension(path);
  for (const auto& [refused, refusal] : kRefusedEndings)
    if (ending == refused) refuse(path, refusal);
  const bool json = ending == ".jsonl" || ending == ".json" || ending == ".ndjson";
  if (!json && ending != ".txt" && ending != ".text") {
    throw InputError({path.string(), "a .jsonl or .txt file",
                      ending.empty() ? "a name without an ending" : "the ending " + ending,
                      "Rename the file after what it holds.", ""});
  }
  refuse_packed_bytes(path);
  return open_text_rows(path, json ? TextFormat::json_lines : TextFormat::plain, rules);
}

}  // namespace distill
