#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

#include "server/app/server_app.h"

namespace pingti::app {
namespace {

// CPUs that cgroup v2 grants; 0 where it sets no limit.
double CgroupQuota() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return std::strtod(quota.c_str(), nullptr) / period;
}

}  // namespace

int GrantedCpus() {
  cpu_set_t affinity;
  int cpus = sched_getaffinity(0, sizeof affinity, &affinity) == 0 ? CPU_COUNT(&affinity) : 1;
  if (const double quota = CgroupQuota(); quota > 0) {
    cpus = std::min(cpus, static_cast<int>(std::ceil(quota)));
  }
  return std::max(1, cpus);
}

}  // namespace pingti::app
