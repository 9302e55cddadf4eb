#include "zip_directory.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "distill/core/error.h"

namespace distill {
namespace {

constexpr uint32_t kEntry = 0x02014b50, kLocal = 0x04034b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr uint64_t kEntryBytes = 46, kLocalBytes = 30, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr uint64_t kMaxComment = 65535, kMaxDirectoryBytes = uint64_t{256} << 20;
constexpr uint64_t kSaysZip64 = 0xffffffff;  // in a 32-bit field: the number is in the zip64 record
constexpr uint16_t kZip64Field = 1, kEncrypted = 1 << 0 | 1 << 6 | 1 << 13, kSizesFollow = 1 << 3;

[[noreturn]] void refuse(const std::string& where, const std::string& expected, const std::string& found) {
  throw InputError({where, expected, found,
                    "The file is damaged or was not written by torch.save: copy it again, or save it again where it was made.",
                    ""});
}

// Little-endian numbers out of a block of bytes; never past its end.
class Block {
 public:
  Block(const ReadFile& file, uint64_t offset, uint64_t count) : bytes_(count, '\0') {
    file.read_at(offset, bytes_.data(), count);
  }
  explicit Block(std::string_view bytes) : bytes_(bytes) {}
  uint64_t number(uint64_t at, int width) const {
    if (at > bytes_.size() || bytes_.size() - at < static_cast<uint64_t>(width)) throw Bug("a zip record is read past its end");
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes_[at + i]);
    return value;
  }
  std::string_view text(uint64_t at, uint64_t count) const { return std::string_view(bytes_).substr(at, count); }
  uint64_t size() const { return bytes_.size(); }

 private:
  std::string bytes_;
};

struct Directory {
  uint64_t offset = 0, size = 0, count = 0;
};

class DirectoryReader {
 public:
  explicit DirectoryReader(const ReadFile& file) : file_(file), where_(file.path().string()) {}

  std::vector<ZipEntry> read() {
    directory_ = find_directory();
    const Block block(file_, directory_.offset, directory_.size);
    std::vector<ZipEntry> entries;
    uint64_t at = 0;
    for (uint64_t i = 0; i < directory_.count; ++i) entries.push_back(parse_entry(block, at));
    if (at != block.size()) refuse(where_, "a directory of its entries alone", std::to_string(block.size() - at) + " bytes more");
    check_names(entries);
    check_overlaps(entries);
    return entries;
  }

 private:
  struct Extent {
    uint64_t begin, end;
    const ZipEntry* entry;
  };

  std::string at_entry(const std::string& name) const { return where_ + ": entry \"" + name.substr(0, 80) + "\""; }

  // The end record stands at the end of the file, before a comment whose length it says.
  uint64_t find_end() const {
    if (file_.size() < kEndBytes) refuse(where_, "a zip file", std::to_string(file_.size()) + " bytes");
    const uint64_t window = std::min(file_.size(), kEndBytes + kMaxComment), start = file_.size() - window;
    const Block tail(file_, start, window);
    for (uint64_t at = window - kEndBytes + 1; at-- > 0;)
      if (tail.number(at, 4) == kEnd && at + kEndBytes + tail.number(at + 20, 2) == window) return start + at;
    refuse(where_, "a zip file with its directory at the end", "none: the file is cut");
  }

  Directory find_directory() const {
    const uint64_t end_at = find_end();
    const Block end(file_, end_at, kEndBytes);
    Directory found{end.number(16, 4), end.number(12, 4), end.number(10, 2)};
    uint64_t limit = end_at;
    const bool has_locator = end_at >= kLocatorBytes && Block(file_, end_at - kLocatorBytes, 4).number(0, 4) == kLocator64;
    if (end.number(4, 2) != 0 || end.number(6, 2) != 0 || end.number(8, 2) != end.number(10, 2))
      refuse(where_, "a zip file of one part", "several");
    if (has_locator) found = read_end64(end_at, found, limit);
    if (found.size > kMaxDirectoryBytes || found.count > found.size / kEntryBytes)
      refuse(where_, "a directory that fits its number of entries",
             std::to_string(found.size) + " bytes for " + std::to_string(found.count) + " entries");
    if (found.offset > limit || limit - found.offset != found.size)
      refuse(where_, "a directory that ends where the end record begins",
             std::to_string(found.size) + " bytes at " + std::to_string(found.offset));
    return found;
  }

  Directory read_end64(uint64_t end_at, const Directory& narrow, uint64_t& limit) const {
    const Block locator(file_, end_at - kLocatorBytes, kLocatorBytes);
    const uint64_t at = locator.number(8, 8), before = end_at - kLocatorBytes;
    if (at > before || before - at != kEnd64Bytes) refuse(where_, "a zip64 end record before its locator", "another place");
    const Block end64(file_, at, kEnd64Bytes);
    if (end64.number(0, 4) != kEnd64 || end64.number(4, 8) != kEnd64Bytes - 12)
      refuse(where_, "a zip64 end record", "something else");
    const Directory wide{end64.number(48, 8), end64.number(40, 8), end64.number(32, 8)};
    if (end64.number(16, 4) != 0 || end64.number(20, 4) != 0 || end64.number(24, 8) != wide.count)
      refuse(where_, "a zip file of one part", "several");
    const bool agree = (narrow.offset == kSaysZip64 || narrow.offset == wide.offset) &&
                       (narrow.size == kSaysZip64 || narrow.size == wide.size) &&
                       (narrow.count == 0xffff || narrow.count == wide.count);
    if (!agree) refuse(where_, "a zip64 record that agrees with the zip record", "other numbers");
    limit = at;
    return wide;
  }

  // A 32-bit field that says so is replaced by the next number of the zip64 field.
  void widen(uint64_t& number, const Block& field, uint64_t& used, const std::string& name) const {
    if (number != kSaysZip64) return;
    if (field.size() < used + 8) refuse(at_entry(name), "a zip64 field with its size and place", "none");
    number = field.number(used, 8);
    used += 8;
  }

  Block zip64_field(std::string_view extra, const std::string& name) const {
    const Block fields(extra);
    for (uint64_t at = 0; at + 4 <= fields.size();) {
      const uint64_t id = fields.number(at, 2), size = fields.number(at + 2, 2);
      if (size > fields.size() - at - 4) refuse(at_entry(name), "extra fields that end with the record", "one that is longer");
      if (id == kZip64Field) return Block(fields.text(at + 4, size));
      at += 4 + size;
    }
    return Block(std::string_view());
  }

  void check_flags(uint64_t flags, const std::string& name) const {
    if (flags & kEncrypted) refuse(at_entry(name), "an entry that is not encrypted", "encryption");
  }

  ZipEntry parse_entry(const Block& block, uint64_t& at) {
    if (block.size() - at < kEntryBytes || block.number(at, 4) != kEntry)
      refuse(where_, std::to_string(directory_.count) + " entries in the directory", "something else in it");
    const uint64_t name_bytes = block.number(at + 28, 2), extra_bytes = block.number(at + 30, 2);
    const uint64_t whole = kEntryBytes + name_bytes + extra_bytes + block.number(at + 32, 2);
    if (block.size() - at < whole) refuse(where_, "entries that end within the directory", "one that is longer");
    ZipEntry entry;
    entry.name = block.text(at + kEntryBytes, name_bytes);
    entry.crc = static_cast<uint32_t>(block.number(at + 16, 4));
    entry.method = static_cast<uint16_t>(block.number(at + 10, 2));
    check_flags(block.number(at + 8, 2), entry.name);
    uint64_t plain = block.number(at + 24, 4), used = 0;
    entry.size = block.number(at + 20, 4);
    uint64_t local = block.number(at + 42, 4);
    const Block wide = zip64_field(block.text(at + kEntryBytes + name_bytes, extra_bytes), entry.name);
    widen(plain, wide, used, entry.name);
    widen(entry.size, wide, used, entry.name);
    widen(local, wide, used, entry.name);
    if (entry.method == 0 && plain != entry.size)
      refuse(at_entry(entry.name), "as many bytes stored as it holds (" + std::to_string(plain) + ")",
             std::to_string(entry.size));
    if (block.number(at + 34, 2) != 0) refuse(at_entry(entry.name), "an entry of this file", "another disk");
    entry.offset = data_of(entry, local);
    extents_.push_back({local, entry.offset + entry.size, nullptr});
    at += whole;
    return entry;
  }

  // The local header before the data repeats what the directory says; it must say the same.
  uint64_t data_of(const ZipEntry& entry, uint64_t local) const {
    if (local > directory_.offset || directory_.offset - local < kLocalBytes)
      refuse(at_entry(entry.name), "data before the directory", "a place past it");
    const Block fixed(file_, local, kLocalBytes);
    const uint64_t name_bytes = fixed.number(26, 2), extra_bytes = fixed.number(28, 2);
    const uint64_t room = directory_.offset - local - kLocalBytes;
    if (fixed.number(0, 4) != kLocal) refuse(at_entry(entry.name), "a local header", "something else");
    if (name_bytes + extra_bytes > room || entry.size > room - name_bytes - extra_bytes)
      refuse(at_entry(entry.name), "data that ends before the directory", std::to_string(entry.size) + " bytes");
    const Block rest(file_, local + kLocalBytes, name_bytes + extra_bytes);
    if (rest.text(0, name_bytes) != entry.name) refuse(at_entry(entry.name), "its name in the local header", "another name");
    if (fixed.number(8, 2) != entry.method) refuse(at_entry(entry.name), "its method in the local header", "another");
    check_flags(fixed.number(6, 2), entry.name);
    if (!(fixed.number(6, 2) & kSizesFollow)) check_local_sizes(entry, fixed, rest.text(name_bytes, extra_bytes));
    return local + kLocalBytes + name_bytes + extra_bytes;
  }

  void check_local_sizes(const ZipEntry& entry, const Block& fixed, std::string_view extra) const {
    uint64_t compressed = fixed.number(18, 4), size = fixed.number(22, 4), used = 0;
    const Block wide = zip64_field(extra, entry.name);
    widen(size, wide, used, entry.name);
    widen(compressed, wide, used, entry.name);
    if (compressed != entry.size || (entry.method == 0 && size != entry.size))
      refuse(at_entry(entry.name), std::to_string(entry.size) + " bytes in the local header too", std::to_string(compressed));
  }

  void check_names(const std::vector<ZipEntry>& entries) const {
    std::set<std::string_view> names;
    for (const ZipEntry& entry : entries) {
      const std::string framed = "/" + entry.name + "/";
      const bool plain = !entry.name.empty() && entry.name[0] != '/' && framed.find("/../") == framed.npos &&
                         entry.name.find_first_of(std::string_view("\\\0", 2)) == entry.name.npos;
      if (!plain) refuse(at_entry(entry.name), "a name within the archive", "a path that leaves it");
      if (!names.insert(entry.name).second) refuse(at_entry(entry.name), "every name once", "it twice");
    }
  }

  void check_overlaps(const std::vector<ZipEntry>& entries) {
    for (size_t i = 0; i < entries.size(); ++i) extents_[i].entry = &entries[i];
    std::sort(extents_.begin(), extents_.end(), [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
    for (size_t i = 1; i < extents_.size(); ++i)
      if (extents_[i].begin < extents_[i - 1].end)
        refuse(at_entry(extents_[i].entry->name), "bytes of its own", "an overlap with \"" + extents_[i - 1].entry->name + "\"");
  }

  const ReadFile& file_;
  std::string where_;
  Directory directory_;
  std::vector<Extent> extents_;
};

std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0u);
    table[i] = value;
  }
  return table;
}

uint32_t crc32(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = crc_table();
  uint32_t crc = ~0u;
  for (const char byte : bytes) crc = crc >> 8 ^ table[(crc ^ static_cast<unsigned char>(byte)) & 0xff];
  return ~crc;
}

}  // namespace

std::vector<ZipEntry> read_zip_directory(const ReadFile& file) { return DirectoryReader(file).read(); }

void check_stored(const ReadFile& file, const ZipEntry& entry) {
  if (entry.method != 0)
    refuse(file.path().string() + ": entry \"" + entry.name + "\"", "an entry stored as it is",
           "compression (method " + std::to_string(entry.method) + ")");
}

std::string read_zip_entry(const ReadFile& file, const ZipEntry& entry, uint64_t max_bytes) {
  const std::string where = file.path().string() + ": entry \"" + entry.name + "\"";
  check_stored(file, entry);
  if (entry.size > max_bytes) refuse(where, "at most " + std::to_string(max_bytes) + " bytes", std::to_string(entry.size));
  std::string bytes(entry.size, '\0');
  file.read_at(entry.offset, bytes.data(), entry.size);
  if (entry.crc != 0 && crc32(bytes) != entry.crc) refuse(where, "bytes with the stored checksum", "other bytes");
  return bytes;
}

}  // namespace distill
