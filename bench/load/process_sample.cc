#include "bench/load/process_sample.h"

#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bench/load/clock.h"

namespace pingti::bench {
namespace {

constexpr size_t kGroupPidsMax = 64;

// The kernel's clock of a process counts in nanoseconds; utime and stime of /proc/PID/stat tick in
// 10 ms, too coarse for a short window.
std::optional<int64_t> CpuNs(pid_t pid) {
  clockid_t clock;
  timespec used;
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
    return std::nullopt;
  return used.tv_sec * kNanosPerSecond + used.tv_nsec;
}

std::optional<int64_t> RssBytes(pid_t pid) {
  std::ifstream statm(absl::StrCat("/proc/", pid, "/statm"));
  int64_t total_pages = 0;
  int64_t resident_pages = 0;
  if (!(statm >> total_pages >> resident_pages)) return std::nullopt;
  return resident_pages * sysconf(_SC_PAGESIZE);
}

int64_t ContextSwitches(pid_t pid) {
  int64_t sum = 0;
  std::error_code error;
  std::filesystem::directory_iterator tasks(absl::StrCat("/proc/", pid, "/task"), error);
  for (; !error && tasks != std::filesystem::directory_iterator(); tasks.increment(error)) {
    std::ifstream status(tasks->path() / "status");
    std::string line;
    while (std::getline(status, line)) {
      if (line.find("ctxt_switches:") == std::string::npos) continue;
      int64_t count = 0;
      if (absl::SimpleAtoi(line.substr(line.find(':') + 1), &count)) sum += count;
    }
  }
  return sum;
}

}  // namespace

std::optional<ProcessSample> SampleProcess(pid_t pid) {
  const std::optional<int64_t> cpu_ns = CpuNs(pid);
  const std::optional<int64_t> rss_bytes = RssBytes(pid);
  if (!cpu_ns || !rss_bytes) return std::nullopt;
  return ProcessSample{*cpu_ns, *rss_bytes, ContextSwitches(pid)};
}

std::optional<ProcessSample> SampleGroup(const ProcessGroup& group) {
  ProcessSample sum;
  for (pid_t pid : group.pids) {
    const std::optional<ProcessSample> one = SampleProcess(pid);
    if (!one) return std::nullopt;
    sum.cpu_ns += one->cpu_ns;
    sum.rss_bytes += one->rss_bytes;
    sum.context_switches += one->context_switches;
  }
  return sum;
}

std::optional<ProcessGroup> ParseProcessGroup(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) return std::nullopt;
  ProcessGroup group{.name = text.substr(0, equals), .pids = {}};
  for (absl::string_view part : absl::StrSplit(text.substr(equals + 1), ',')) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(part, &pid) || pid <= 0) return std::nullopt;
    group.pids.push_back(pid);
    if (group.pids.size() > kGroupPidsMax) return std::nullopt;
  }
  return group;
}

}  // namespace pingti::bench
