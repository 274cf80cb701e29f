#include "server/app/memory_use.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace pingti::app {
namespace {

namespace fs = std::filesystem;

// A folder that looks like the root of a machine.
class MemoryUseTest : public ::testing::Test {
 protected:
  MemoryUseTest() : root_(::testing::TempDir() + "/memory_use_" + std::to_string(getpid())) {}
  ~MemoryUseTest() override { fs::remove_all(root_); }

  void Put(const std::string& path, const std::string& text) {
    const fs::path file = root_ + path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  const std::string root_;
};

TEST_F(MemoryUseTest, TheCgroupLimitsWhatThereIs) {
  Put("/sys/fs/cgroup/memory.max", "1073741824\n");
  Put("/proc/meminfo", "MemTotal:        8388608 kB\nMemFree: 1 kB\n");
  EXPECT_EQ(MemoryUse(root_).limit(), 1'073'741'824);
}

TEST_F(MemoryUseTest, WithoutALimitItIsTheMachines) {
  Put("/sys/fs/cgroup/memory.max", "max\n");
  Put("/proc/meminfo", "MemTotal:        8388608 kB\n");
  EXPECT_EQ(MemoryUse(root_).limit(), 8'589'934'592);
}

TEST_F(MemoryUseTest, ALimitAboveTheMachineIsNone) {
  Put("/sys/fs/cgroup/memory.max", "9223372036854771712\n");
  Put("/proc/meminfo", "MemTotal:        1024 kB\n");
  EXPECT_EQ(MemoryUse(root_).limit(), 1'048'576);
}

TEST_F(MemoryUseTest, TellsTheResidentShare) {
  const int64_t page = sysconf(_SC_PAGESIZE);
  Put("/sys/fs/cgroup/memory.max", std::to_string(1'000 * page));
  Put("/proc/self/statm", "5000 853 100 1 0 1 0\n");
  EXPECT_EQ(MemoryUse(root_).Thousandths(), 853);
}

TEST_F(MemoryUseTest, IsNothingWhereItIsUnknown) {
  EXPECT_EQ(MemoryUse(root_).Thousandths(), 0);
  Put("/sys/fs/cgroup/memory.max", "1000000");
  EXPECT_EQ(MemoryUse(root_).Thousandths(), 0);
}

TEST(MemoryUseHereTest, IsRealOnThisMachine) {
  const MemoryUse here;
  EXPECT_GT(here.limit(), 64 * 1024 * 1024);
  EXPECT_LT(here.Thousandths(), 1'000);
}

}  // namespace
}  // namespace pingti::app
