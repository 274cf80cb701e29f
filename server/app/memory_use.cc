#include "server/app/memory_use.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <utility>

namespace pingti::app {
namespace {

// 0: there is none.
int64_t CgroupLimit(const std::string& root) {
  std::ifstream file(root + "/sys/fs/cgroup/memory.max");
  int64_t limit = 0;  // stays so where the file says `max`
  file >> limit;
  return limit;
}

int64_t MachineMemory(const std::string& root) {
  constexpr int64_t kBytesPerKilobyte = 1024;
  std::ifstream file(root + "/proc/meminfo");
  std::string name;
  int64_t kilobytes = 0;
  file >> name >> kilobytes;
  return name == "MemTotal:" ? kilobytes * kBytesPerKilobyte : 0;
}

int64_t LimitOf(const std::string& root) {
  const int64_t cgroup = CgroupLimit(root);
  const int64_t machine = MachineMemory(root);
  if (cgroup <= 0) return machine;
  return machine <= 0 ? cgroup : std::min(cgroup, machine);
}

}  // namespace

MemoryUse::MemoryUse(std::string root) : root_(std::move(root)), limit_(LimitOf(root_)) {}

int MemoryUse::Thousandths() const {
  if (limit_ <= 0) return 0;
  std::ifstream file(root_ + "/proc/self/statm");
  int64_t size = 0;
  int64_t resident = 0;
  if (!(file >> size >> resident)) return 0;
  constexpr double kThousand = 1000;
  const auto bytes = static_cast<double>(resident * sysconf(_SC_PAGESIZE));
  return static_cast<int>(kThousand * bytes / static_cast<double>(limit_));
}

}  // namespace pingti::app
