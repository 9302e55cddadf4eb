// The table of contents of a zip file, checked in full: what torch.save writes.
// Format: APPNOTE.TXT of PKWARE; zip64 included. Encryption and several disks are refused; compressed entries are listed, not
// read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "distill/core/file.h"

namespace distill {

struct ZipEntry {
  std::string name;
  uint64_t offset = 0;  // of the first byte of data, from the start of the file
  uint64_t size = 0;    // as it lies in the file
  uint32_t crc = 0;
  uint16_t method = 0;  // 0: stored as it is
};

// In the order of the directory; names are unique, entries do not overlap and lie before the directory. InputError for every
// departure, naming the entry.
std::vector<ZipEntry> read_zip_directory(const ReadFile& file);

// InputError for a compressed entry: weights are stored as they are.
void check_stored(const ReadFile& file, const ZipEntry& entry);

// The bytes of one entry. InputError above `max_bytes`, when it is compressed, or when the CRC-32 differs. A CRC of 0 means that
// none was computed (torch.serialization.set_crc32_options(False)).
std::string read_zip_entry(const ReadFile& file, const ZipEntry& entry, uint64_t max_bytes);

}  // namespace distill
