// Which reader a data file needs. What cannot be read is refused by name, never guessed at.
#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

#include "distill/core/error.h"
#include "distill/data/bytes.h"

#include "row_readers.h"

namespace distill {
namespace {

constexpr const char* kFormats = ".jsonl or .txt, plain or compressed (.gz .zst .xz .bz2)";

struct Refusal {
  std::string_view format, advice;
};

constexpr Refusal kPacked{"an archive or a compression that is not read", "Unpack it and name the result."};
constexpr Refusal kParquet{
    "a Parquet file", "Convert it: `datasets.load_dataset(\"parquet\", data_files=FILE)[\"train\"].to_json(\"train.jsonl\")`."};
constexpr Refusal kArrow{"an Arrow file", "Convert it: `datasets.load_from_disk(FOLDER).to_json(\"train.jsonl\")`."};
constexpr Refusal kTokens{"a token file", "Write the ids as JSON Lines: {\"input_ids\": [...]} on each line."};
constexpr Refusal kTable{"a table of values", "Convert it to JSON Lines: {\"text\": \"...\"} on each line."};

constexpr std::pair<std::string_view, Refusal> kRefusedEndings[] = {
    {".zip", kPacked},      {".tar", kPacked},  {".tgz", kPacked}, {".lz4", kPacked}, {".br", kPacked}, {".7z", kPacked},
    {".parquet", kParquet}, {".arrow", kArrow}, {".bin", kTokens}, {".npy", kTokens}, {".csv", kTable}, {".tsv", kTable}};
constexpr std::pair<std::string_view, Refusal> kRefusedMagics[] = {
    {"PAR1", kParquet}, {"ARROW1", kArrow}, {"PK\x03\x04", kPacked}};
constexpr std::string_view kCompressedEndings[] = {".gz", ".zst", ".zstd", ".xz", ".bz2"};

[[noreturn]] void refuse(const fs::path& path, const Refusal& refusal) {
  throw InputError({path.string(), kFormats, std::string(refusal.format), std::string(refusal.advice), ""});
}

void refuse_other_bytes(const fs::path& path) {
  const ReadFile file(path);
  std::string start(std::min<uint64_t>(8, file.size()), '\0');
  file.read_at(0, start.data(), start.size());
  for (const auto& [magic, refusal] : kRefusedMagics)
    if (start.starts_with(magic)) refuse(path, refusal);
}

std::string lower_extension(const fs::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return ending;
}

// The bytes decide whether a file is compressed; a name that promises it for other bytes points to a damaged file.
void expect_compressed(const fs::path& path) {
  if (compression_of(path)) return;
  throw InputError({path.string(), "a gzip, Zstandard, xz or bzip2 file, as its name says",
                    ReadFile(path).size() == 0 ? "an empty file" : "other bytes at its start",
                    "Copy or download it again; if it is plain text, rename it to " + path.stem().string() + ".", ""});
}

}  // namespace

std::unique_ptr<RowReader> open_rows(const fs::path& path, const ReadRules& rules) {
  std::string ending = lower_extension(path);
  if (std::find(std::begin(kCompressedEndings), std::end(kCompressedEndings), ending) != std::end(kCompressedEndings)) {
    expect_compressed(path);
    ending = lower_extension(path.stem());
  }
  for (const auto& [refused, refusal] : kRefusedEndings)
    if (ending == refused) refuse(path, refusal);
  const bool json = ending == ".jsonl" || ending == ".json" || ending == ".ndjson";
  if (!json && ending != ".txt" && ending != ".text") {
    throw InputError({path.string(), kFormats, ending.empty() ? "a name without an ending" : "the ending " + ending,
                      "Rename the file after what it holds.", ""});
  }
  refuse_other_bytes(path);
  return open_text_rows(path, json ? TextFormat::json_lines : TextFormat::plain, rules);
}

}  // namespace distill
