// Files: whole reads, positioned reads, writes that are atomic and durable (temporary name, fsync, rename, fsync of the
// folder), hashes. All failures are named errors: InputError when the user's file is absent or unreadable,
// CreateError / IoError when ours cannot be written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace distill {

namespace fs = std::filesystem;

// The whole file. InputError when it is missing, a folder, or longer than `max_bytes`.
std::string read_file(const fs::path& path, uint64_t max_bytes = uint64_t{1} << 32);

// An open file for positioned reads; the size is taken once, at opening.
class ReadFile {
 public:
  explicit ReadFile(const fs::path& path);
  ~ReadFile();
  ReadFile(const ReadFile&) = delete;
  ReadFile& operator=(const ReadFile&) = delete;
  uint64_t size() const { return size_; }
  const fs::path& path() const { return path_; }
  // Reads exactly `count` bytes at `offset`; InputError when the file ends before (it changed or was cut).
  void read_at(uint64_t offset, void* into, uint64_t count) const;

 private:
  fs::path path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

// Sequential writer over a POSIX descriptor. The file is complete and durable only after close().
class WriteFile {
 public:
  explicit WriteFile(const fs::path& path, bool append = false);
  ~WriteFile();  // closes without syncing
  WriteFile(const WriteFile&) = delete;
  WriteFile& operator=(const WriteFile&) = delete;
  void write(const void* data, uint64_t count);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void sync();   // fsync
  void close();  // fsync and close
  uint64_t bytes_written() const { return bytes_written_; }

 private:
  [[noreturn]] void fail(const std::string& action) const;
  fs::path path_;
  int descriptor_ = -1;
  uint64_t bytes_written_ = 0;
};

// A file that grows at its end and is read back anywhere, by many threads while nobody appends. Appended bytes are readable
// after flush(). IoError when the disk is full, InputError when the file was cut behind our back.
class GrowingFile {
 public:
  GrowingFile();  // unnamed memory that behaves like a file
  explicit GrowingFile(const fs::path& path);
  ~GrowingFile();
  GrowingFile(GrowingFile&& other) noexcept;
  GrowingFile& operator=(GrowingFile&&) = delete;

  uint64_t size() const { return written_ + buffer_.size(); }
  void append(const void* data, uint64_t count);
  void flush();
  void sync();              // flush and fsync
  void cut(uint64_t size);  // drops what lies beyond
  void read_at(uint64_t offset, void* into, uint64_t count) const;
  // For as long as it is open others find a shared flock() on it, where the file system has locks.
  void mark_in_use() const;

 private:
  [[noreturn]] void fail(const std::string& action) const;
  fs::path path_;
  int descriptor_ = -1;
  uint64_t written_ = 0;
  std::vector<char> buffer_;
};

// Writes under a temporary name in the same folder, syncs, renames, syncs the folder.
void write_file_atomically(const fs::path& path, std::string_view contents);
void make_folders(const fs::path& path);  // CreateError
void sync_folder(const fs::path& path);
// Renames and makes the rename durable. IoError.
void rename_durably(const fs::path& from, const fs::path& to);

std::string sha256_hex(std::string_view bytes);
std::string sha256_file(const fs::path& path);
uint64_t hash_text(std::string_view bytes);  // XXH3, 64 bits

}  // namespace distill
