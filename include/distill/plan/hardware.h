// What the machine has left: memory of the host and disks. GPUs are asked in tensor/usage.h.
#pragma once

#include <cstdint>
#include <filesystem>

namespace distill {

// Bytes that this process can still take: MemAvailable, or what its cgroup (version 1 or 2) still allows when that is less, page
// cache that can be dropped included, or what `ulimit -v` leaves. 0 when the kernel tells nothing. `root` stands for `/`.
int64_t free_host_bytes(const std::filesystem::path& root = "/");
// Bytes that a user may still write where `path` is or will be; 0 when nothing on the way to it is there.
int64_t free_disk_bytes(const std::filesystem::path& path);

}  // namespace distill
