// What another process has used so far, read from outside without disturbing it.
//
// Thread-safety: free functions, safe. Errors: a process that is gone or may not be read gives no
// value.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pingti::bench {

struct ProcessSample {
  int64_t cpu_ns = 0;            // user + system of all threads, ended ones too
  int64_t rss_bytes = 0;         // resident memory
  int64_t context_switches = 0;  // of the threads that are alive
};

std::optional<ProcessSample> SampleProcess(pid_t pid);

// A name and the processes that count under it (nginx is a master and its workers).
struct ProcessGroup {
  std::string name;
  std::vector<pid_t> pids;
};

// The sum over the group; none where one of its processes cannot be read.
std::optional<ProcessSample> SampleGroup(const ProcessGroup& group);

// Reads `name=pid[,pid...]`; none where it is not that.
std::optional<ProcessGroup> ParseProcessGroup(const std::string& text);

}  // namespace pingti::bench
