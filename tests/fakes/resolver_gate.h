// The gate of held_resolver.cc: as long as it is shut, names below `held.invalid` have no answer.
//
// Made before the threads that resolve, or before the program whose environment it is for.
// Thread-safety: none.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"
#include "tests/fakes/scratch_folder.h"

namespace pingti::fakes {

class ResolverGate {
 public:
  static constexpr char kVariable[] = "PINGTI_TEST_RESOLVER_GATE";

  ResolverGate() : path_(folder_.path() + "/gate") {
    EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0) << path_;
  }
  ~ResolverGate() { Open(); }
  ResolverGate(const ResolverGate&) = delete;
  ResolverGate& operator=(const ResolverGate&) = delete;

  const std::string& path() const { return path_; }
  // Answers all that wait.
  void Open() {
    const int fd = open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) close(fd);
  }

 private:
  ScratchFolder folder_;
  const std::string path_;
};

}  // namespace pingti::fakes
