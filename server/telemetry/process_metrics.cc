#include "server/telemetry/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "server/telemetry/families.h"

namespace pingti::telemetry {
namespace {

#if defined(__clang__)
constexpr char kCompiler[] = "clang " __clang_version__;
#else
constexpr char kCompiler[] = "gcc " __VERSION__;
#endif

// The fields of /proc/self/stat after the name, which may hold blanks: [0] is field 3 of proc(5).
std::vector<std::string> StatFields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return {};
  return absl::StrSplit(line.substr(name_end + 1), ' ', absl::SkipEmpty());
}

// Field `number` as proc(5) counts them.
std::optional<double> StatField(const std::vector<std::string>& fields, size_t number) {
  double value = 0;
  if (fields.size() <= number - 3 || !absl::SimpleAtod(fields[number - 3], &value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<int> CountOpenFds() {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return std::nullopt;
  int count = 0;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(directory);
  return count - 1;  // the one that reads the directory
}

void AddGauge(std::string name, std::string help, double value,
              std::vector<prometheus::MetricFamily>* out) {
  Family family = GaugeFamily(std::move(name), std::move(help));
  family.Add({}, value);
  family.MoveTo(out);
}

}  // namespace

double ProcessStartTime() {
  const std::optional<double> ticks = StatField(StatFields(), 22);
  if (!ticks) return 0;
  std::ifstream file("/proc/stat");
  std::string line;
  while (std::getline(file, line)) {
    double boot = 0;
    if (line.rfind("btime ", 0) == 0 && absl::SimpleAtod(line.substr(6), &boot)) {
      return boot + *ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
    }
  }
  return 0;
}

void AddProcessMetrics(double start_time, std::vector<prometheus::MetricFamily>* out) {
  Family build = GaugeFamily("pingti_build_info", "Always 1; the labels say what runs.");
  build.Add(MakeLabels({{"version", PINGTI_VERSION}, {"compiler", kCompiler}}), 1);
  build.MoveTo(out);

  if (start_time > 0) {
    AddGauge("process_start_time_seconds", "Start of the process, since the Unix epoch.",
             start_time, out);
  }
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& t) { return t.tv_sec + t.tv_usec / 1e6; };
    Family cpu = CounterFamily("process_cpu_seconds_total", "CPU time, user and system.");
    cpu.Add({}, seconds(usage.ru_utime) + seconds(usage.ru_stime));
    cpu.MoveTo(out);
  }
  const std::vector<std::string> fields = StatFields();
  if (const auto threads = StatField(fields, 20)) {
    AddGauge("process_threads", "Threads of the process.", *threads, out);
  }
  if (const auto bytes = StatField(fields, 23)) {
    AddGauge("process_virtual_memory_bytes", "Virtual memory.", *bytes, out);
  }
  if (const auto pages = StatField(fields, 24)) {
    AddGauge("process_resident_memory_bytes", "Resident memory.",
             *pages * static_cast<double>(sysconf(_SC_PAGESIZE)), out);
  }
  if (const auto fds = CountOpenFds()) {
    AddGauge("process_open_fds", "Open file descriptors.", *fds, out);
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    AddGauge("process_max_fds", "Limit of open file descriptors.",
             static_cast<double>(limit.rlim_cur), out);
  }
}

}  // namespace pingti::telemetry
