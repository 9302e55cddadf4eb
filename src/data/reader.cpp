// Which reader a data file needs. What cannot be read is refused by name, never guessed at.
#include "distill/data/reader.h"

#include <array>
#include <cctype>
#include <string_view>
#include <utility>

#include "distill/core/error.h"
#include "distill/data/bytes.h"

#include "row_readers.h"

namespace distill {
namespace {

constexpr const char* kFormats = ".jsonl or .txt (.gz, .zst, .xz, .bz2 too), .parquet, .arrow, or token ids in .bin or .npy";

struct Refusal {
  std::string_view format, advice;
};

constexpr Refusal kArchive{"an archive", "Unpack it and name the files in it."};
constexpr Refusal kParquet{"a Parquet file", "Rename it to end in .parquet."};
constexpr Refusal kArrow{"an Arrow file", "Rename it to end in .arrow."};
constexpr Refusal kTable{"a table of values", "Convert it to JSON Lines: {\"text\": \"...\"} on each line."};

constexpr std::pair<std::string_view, Refusal> kRefusedEndings[] = {
    {".zip", kArchive}, {".tar", kArchive}, {".tgz", kArchive}, {".csv", kTable}, {".tsv", kTable}};
constexpr std::pair<std::string_view, Refusal> kRefusedStarts[] = {
    {"PAR1", kParquet}, {"ARRO", kArrow}, {"PK\x03\x04", kArchive}};
constexpr std::string_view kPackedEndings[] = {".gz", ".zst", ".zstd", ".xz", ".bz2"};

[[noreturn]] void refuse(const fs::path& path, const Refusal& refusal) {
  throw InputError({path.string(), kFormats, std::string(refusal.format), std::string(refusal.advice), ""});
}

std::string lower_ending(const fs::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return ending;
}

void refuse_by_start(const fs::path& path) {
  const std::unique_ptr<ByteSource> bytes = open_bytes(path);
  std::array<char, 4> start{};
  size_t count = 0;
  for (size_t got = 1; got > 0 && count < start.size(); count += got)
    got = bytes->read(start.data() + count, start.size() - count);
  for (const auto& [first, refusal] : kRefusedStarts)
    if (std::string_view(start.data(), count) == first) refuse(path, refusal);
}

// The ending of what is in the file: `.jsonl` of `train.jsonl.gz`.
std::string ending_of_contents(const fs::path& path, bool packed) {
  const std::string ending = lower_ending(path);
  for (const std::string_view one : kPackedEndings) {
    if (ending != one) continue;
    if (!packed)
      throw InputError({path.string(), "compressed data, as the name says", "other bytes",
                        "Rename the file after what it holds, or take it again from its source.", ""});
    return lower_ending(path.stem());
  }
  return ending;
}

}  // namespace

std::unique_ptr<RowReader> open_rows(const fs::path& path, const ReadRules& rules) {
  if (fs::is_directory(path)) return open_table_rows(path, files_of_saved_dataset(path), TableFormat::arrow, rules);
  const bool packed = is_packed(path);
  const std::string ending = ending_of_contents(path, packed);
  for (const auto& [refused, refusal] : kRefusedEndings)
    if (ending == refused) refuse(path, refusal);
  const bool tokens = ending == ".bin" || ending == ".npy", table = ending == ".parquet" || ending == ".arrow";
  if (packed && (tokens || table))
    throw InputError({path.string(), "the file as it is", "a compressed file", "Unpack it and name the result.", ""});
  if (tokens) return open_token_rows(path, ending == ".npy" ? TokenFormat::npy : TokenFormat::bin, rules);
  if (table) return open_table_rows(path, {path}, ending == ".arrow" ? TableFormat::arrow : TableFormat::parquet, rules);
  const bool json = ending == ".jsonl" || ending == ".json" || ending == ".ndjson";
  if (!json && ending != ".txt" && ending != ".text") {
    throw InputError({path.string(), kFormats, ending.empty() ? "a name without an ending" : "the ending " + ending,
                      "Rename the file after what it holds.", ""});
  }
  refuse_by_start(path);
  return open_text_rows(path, json ? TextFormat::json_lines : TextFormat::plain, rules);
}

}  // namespace distill
