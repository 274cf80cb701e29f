// What the disk of a program's ledger is like; sick_disk.cc makes it so.
//
// Made before the program whose environment it is for. Thread-safety: none.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"
#include "tests/fakes/scratch_folder.h"

namespace pingti::fakes {

class SickDisk {
 public:
  static constexpr char kVariable[] = "PINGTI_TEST_DISK";

  SickDisk() : path_(folder_.path() + "/disk"), gate_(path_ + ".gate") {
    EXPECT_EQ(mkfifo(gate_.c_str(), 0600), 0) << gate_;
  }
  ~SickDisk() {
    Recover();
    if (open_gate_ >= 0) close(open_gate_);
  }
  SickDisk(const SickDisk&) = delete;
  SickDisk& operator=(const SickDisk&) = delete;

  const std::string& path() const { return path_; }
  // `full`, `read-only` or `held`.
  void Be(const std::string& word) const { folder_.Write("disk", word, 0600); }
  // Well again, for ever where it was `held`: whoever waits goes on.
  void Recover() {
    Be("well");
    // With a writer on the FIFO nobody waits there any more.
    if (open_gate_ < 0) open_gate_ = open(gate_.c_str(), O_RDWR | O_CLOEXEC);
  }

 private:
  const ScratchFolder folder_;
  const std::string path_;
  const std::string gate_;
  int open_gate_ = -1;
};

}  // namespace pingti::fakes
