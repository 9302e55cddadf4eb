// Files of token ids. A stream without ends of documents is read in pieces, so that nothing of it is cut away and memory stays
// bounded however long it is.
#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>

#include "distill/core/error.h"
#include "distill/core/stop.h"

#include "row_readers.h"

namespace distill {
namespace {

constexpr uint64_t kBlockTokens = uint64_t{1} << 16;

// Where the ids lie in the file, and as what.
struct Layout {
  uint64_t first_byte = 0;
  uint64_t count = 0;
  uint32_t width = 2;  // bytes of an id, little-endian
  bool is_signed = false;
  uint64_t row_length = 0;  // of a two-dimensional array; 0: a stream
};

[[noreturn]] void refuse(const ReadFile& file, const std::string& expected, const std::string& found,
                         const std::string& advice = "Write the file again.") {
  throw InputError({file.path().string(), expected, found, advice, ""});
}

Layout checked_size(const ReadFile& file, Layout layout) {
  const uint64_t there = file.size() - std::min(file.size(), layout.first_byte);
  if (layout.count > there / layout.width || layout.count * layout.width != there)
    refuse(file,
           std::to_string(layout.count) + " ids of " + std::to_string(layout.width) + " bytes behind byte " +
               std::to_string(layout.first_byte),
           std::to_string(there) + " bytes", "The file may be cut: take it again from its source.");
  return layout;
}

Layout layout_of_bin(const ReadFile& file) {
  constexpr uint64_t kHeaderBytes = 1024;
  constexpr uint32_t kShortIds = 20240520, kLongIds = 20240801;
  std::array<uint32_t, 3> header{};
  if (file.size() >= kHeaderBytes) file.read_at(0, header.data(), sizeof header);
  if (header[0] == kShortIds || header[0] == kLongIds) {
    const uint32_t version = header[0] == kShortIds ? 1 : 7;
    if (header[1] != version)
      refuse(file, "version " + std::to_string(version) + " of its header", "version " + std::to_string(header[1]));
    return checked_size(file, {kHeaderBytes, header[2], header[0] == kShortIds ? 2U : 4U, false, 0});
  }
  if (file.size() % 2 != 0)
    refuse(file, "ids of 2 bytes (uint16)", std::to_string(file.size()) + " bytes, an odd number",
           "The file may be cut; ids of 4 bytes need the header of llm.c, or an .npy file.");
  return {0, file.size() / 2, 2, false, 0};
}

// The text between `'key':` and the next comma or brace outside parentheses, without blanks.
std::string header_value(const ReadFile& file, const std::string& header, const std::string& key) {
  const size_t at = header.find("'" + key + "'");
  const size_t colon = at == std::string::npos ? at : header.find(':', at);
  if (colon == std::string::npos) refuse(file, "a NumPy header with '" + key + "'", "none");
  std::string value;
  int depth = 0;
  for (size_t i = colon + 1; i < header.size(); ++i) {
    const char c = header[i];
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (depth == 0 && (c == ',' || c == '}')) break;
    if (c != ' ') value += c;
  }
  return value;
}

// `(5,)` or `(2,3)`.
std::vector<uint64_t> read_shape(const ReadFile& file, const std::string& text) {
  std::vector<uint64_t> shape;
  for (size_t i = 0; i < text.size();) {
    if (text[i] < '0' || text[i] > '9') {
      ++i;
      continue;
    }
    uint64_t size = 0;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i)
      size = std::min<uint64_t>(size * 10 + static_cast<uint64_t>(text[i] - '0'), uint64_t{1} << 48);
    shape.push_back(size);
  }
  const bool sound = text.starts_with("(") && text.ends_with(")") && text.find('-') == std::string::npos;
  if (!sound || shape.empty() || shape.size() > 2) refuse(file, "an array of one or two dimensions", "the shape " + text);
  return shape;
}

Layout layout_of_npy(const ReadFile& file) {
  std::array<unsigned char, 12> start{};
  file.read_at(0, start.data(), std::min<uint64_t>(start.size(), file.size()));
  if (file.size() < start.size() || std::memcmp(start.data(), "\x93NUMPY", 6) != 0)
    refuse(file, "a NumPy file", "other bytes at its start", "Rename the file after what it holds.");
  const bool old = start[6] == 1;
  if (start[6] < 1 || start[6] > 3) refuse(file, "version 1, 2 or 3 of the NumPy format", std::to_string(start[6]));
  const uint64_t header_at = old ? 10 : 12;
  const uint64_t header_bytes = old ? start[8] | uint64_t{start[9]} << 8
                                    : start[8] | uint64_t{start[9]} << 8 | uint64_t{start[10]} << 16 | uint64_t{start[11]} << 24;
  if (header_bytes > 65536 || header_at + header_bytes > file.size())
    refuse(file, "a header of " + std::to_string(header_bytes) + " bytes, at most 65536", "the end of the file, or a longer one");
  std::string header(header_bytes, '\0');
  file.read_at(header_at, header.data(), header_bytes);

  if (header_value(file, header, "fortran_order") != "False") refuse(file, "rows one after another (C order)", "Fortran order");
  const std::string kind = header_value(file, header, "descr");
  Layout layout{header_at + header_bytes, 0, 0, false, 0};
  for (const auto& [name, width, is_signed] : std::initializer_list<std::tuple<const char*, uint32_t, bool>>{
           {"'<u2'", 2, false}, {"'<u4'", 4, false}, {"'<i4'", 4, true}, {"'<i8'", 8, true}, {"'<u8'", 8, false}}) {
    if (kind != name) continue;
    layout.width = width;
    layout.is_signed = is_signed;
  }
  if (layout.width == 0)
    refuse(file, "ids as uint16, uint32, int32, int64 or uint64, little-endian", kind, "Write `array.astype(\"uint32\")`.");
  const std::vector<uint64_t> shape = read_shape(file, header_value(file, header, "shape"));
  if (shape.size() == 2) {
    if (shape[1] == 0) refuse(file, "rows of one id or more", "the shape " + header_value(file, header, "shape"));
    layout.row_length = shape[1];
    if (shape[1] > (uint64_t{1} << 24)) refuse(file, "rows of at most 16777216 ids", std::to_string(shape[1]));
  }
  layout.count =
      shape.size() == 2 ? (shape[0] > (uint64_t{1} << 40) / shape[1] ? uint64_t{1} << 48 : shape[0] * shape[1]) : shape[0];
  return checked_size(file, layout);
}

class TokenRows : public RowReader {
 public:
  TokenRows(const fs::path& path, TokenFormat format, const ReadRules& rules)
      : file_(path),
        rules_(rules),
        layout_(format == TokenFormat::npy ? layout_of_npy(file_) : layout_of_bin(file_)),
        piece_length_(layout_.row_length > 0      ? layout_.row_length
                      : rules.sequence_length > 0 ? static_cast<uint64_t>(rules.sequence_length)
                                                  : kBlockTokens) {}

  bool next(RawRow& row) override {
    row = {};
    while (next_ < layout_.count && row.ids.size() < piece_length_) {
      row.ids.push_back(id_at(next_++));
      if (layout_.row_length == 0 && rules_.eos && row.ids.back() == *rules_.eos) break;
    }
    if (row.ids.empty()) return false;
    row.number = ++number_;
    return true;
  }

  ReadPosition position() const override { return {number_, static_cast<int64_t>(layout_.first_byte + next_ * layout_.width)}; }

  void seek(const ReadPosition& position) override {
    const auto byte = static_cast<uint64_t>(position.byte);
    const uint64_t end = layout_.first_byte + layout_.count * layout_.width;
    if (byte < layout_.first_byte || byte > end || (byte - layout_.first_byte) % layout_.width != 0)
      refuse(file_, "an id that begins at byte " + std::to_string(byte),
             "ids from byte " + std::to_string(layout_.first_byte) + " to " + std::to_string(end),
             "The file was changed since it was read last: take it again from its source.");
    number_ = position.number;
    next_ = (byte - layout_.first_byte) / layout_.width;
  }

  Sample parse(RawRow row, const std::string&) const override { return IdsSample{std::move(row.ids), {}, {}}; }
  int64_t bytes_read() const override { return position().byte; }
  int64_t total_bytes() const override { return static_cast<int64_t>(file_.size()); }

 private:
  int32_t id_at(uint64_t index) {
    if (index < block_first_ || index >= block_first_ + block_.size() / layout_.width) read_block(index);
    const char* bytes = block_.data() + (index - block_first_) * layout_.width;
    uint64_t value = 0;
    std::memcpy(&value, bytes, layout_.width);
    const bool negative = layout_.is_signed && value >> (8 * layout_.width - 1) != 0;
    const auto limit =
        rules_.vocab_size > 0 ? static_cast<uint64_t>(rules_.vocab_size) : uint64_t{std::numeric_limits<int32_t>::max()};
    if (negative || value >= limit)
      throw InputError({file_.path().string() + ": id " + std::to_string(index + 1), "ids from 0 to " + std::to_string(limit - 1),
                        negative ? "a negative number" : std::to_string(value),
                        "Tokenize the data with the tokenizer of this model, and check the width of the ids.", ""});
    return static_cast<int32_t>(value);
  }

  void read_block(uint64_t index) {
    check_stop();
    block_first_ = index;
    block_.resize(std::min(kBlockTokens, layout_.count - index) * layout_.width);
    file_.read_at(layout_.first_byte + index * layout_.width, block_.data(), block_.size());
  }

  ReadFile file_;
  ReadRules rules_;
  Layout layout_;
  uint64_t piece_length_;
  uint64_t next_ = 0;
  int64_t number_ = 0;
  std::vector<char> block_;
  uint64_t block_first_ = 0;
};

}  // namespace

std::unique_ptr<RowReader> open_token_rows(const fs::path& path, TokenFormat format, const ReadRules& rules) {
  return std::make_unique<TokenRows>(path, format, rules);
}

}  // namespace distill
