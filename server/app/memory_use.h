// How much of the memory that it may use this process uses.
#pragma once

#include <cstdint>
#include <string>

namespace pingti::app {

// Thread-safe.
class MemoryUse {
 public:
  // Reads what there is once: the smaller of the cgroup's limit (v2) and the machine's memory.
  // `root` is where /proc and /sys are, for tests.
  explicit MemoryUse(std::string root = "");

  // Bytes; 0: unknown.
  int64_t limit() const { return limit_; }
  // The resident memory of the process in thousandths of the limit; 0 where either is unknown.
  // Reads one file of /proc.
  int Thousandths() const;

 private:
  const std::string root_;
  const int64_t limit_;
};

}  // namespace pingti::app
