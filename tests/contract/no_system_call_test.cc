// A decision in memory makes no system call: a child process decides under seccomp's strict mode,
// in which the kernel kills whoever calls anything but read, write, exit and sigreturn.
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "gtest/gtest.h"
#include "server/quota/memory_store.h"
#include "server/quota/reservation.h"
#include "tests/contract/store_harness.h"
#include "tests/fakes/fake_clock.h"

// The runtimes of the sanitizers make system calls of their own.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PINGTI_ASAN 1
#endif
#endif
#if defined(PINGTI_TSAN) || defined(__SANITIZE_ADDRESS__) || defined(PINGTI_ASAN)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

namespace pingti::quota {
namespace {

constexpr int kDecisions = 10'000;
constexpr int kAsExpected = 0;
constexpr int kNotAsExpected = 1;
constexpr int kNoStrictMode = 2;

// exit_group(), which _exit() calls, is not allowed.
[[noreturn]] void Exit(int code) {
  syscall(SYS_exit, code);
  std::abort();
}

// What became of a child that runs `act` in strict mode and exits with what it gives.
template <typename Act>
int StatusOfStrictChild(Act act) {
  const pid_t child = fork();
  if (child == 0) {
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) Exit(kNoStrictMode);
    Exit(act());
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

class NoSystemCallTest : public testing::Test {
 protected:
  void SetUp() override {
    if (kSanitized) GTEST_SKIP() << "a sanitizer makes system calls";
    const int status = StatusOfStrictChild([] { return kAsExpected; });
    ASSERT_TRUE(WIFEXITED(status)) << "status " << status;
    if (WEXITSTATUS(status) == kNoStrictMode)
      GTEST_SKIP() << "seccomp's strict mode cannot be entered here";
    ASSERT_EQ(WEXITSTATUS(status), kAsExpected);
  }

  static config::ClassLimits AllFive() {
    config::ClassLimits limits;
    limits.requests_per_minute = 1'000'000;
    limits.tokens_per_minute = 1'000'000'000;
    limits.requests_per_day = 1'000'000;
    limits.tokens_per_day = 1'000'000'000;
    limits.calls_at_once = 10;
    return limits;
  }

  const std::unique_ptr<BucketSet> tenant_ = MakeSet("class:a", AllFive());
  const std::unique_ptr<BucketSet> key_ = MakeSet("key:a", AllFive());
  MemoryStore store_;
  fakes::FakeClock clock_;
  telemetry::Counter dropped_;
  base::Signal signal_;
};

TEST_F(NoSystemCallTest, TheModeKillsWhoeverMakesOne) {
  const int status =
      StatusOfStrictChild([] { return syscall(SYS_getpid) > 0 ? kAsExpected : kNotAsExpected; });
  ASSERT_TRUE(WIFSIGNALED(status)) << "status " << status;
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

TEST_F(NoSystemCallTest, ReservingGrowingAndSettlingMakeNone) {
  const base::Instant start = clock_.MonotonicNow();
  const int status = StatusOfStrictChild([&] {
    model::Usage usage;
    usage.input_tokens = 700;
    for (int i = 0; i < kDecisions; ++i) {
      const base::Instant now = start + absl::Microseconds(i);
      const Demand demand = DemandOf(500, *tenant_, key_.get());
      ReserveReply reply;
      store_.Reserve(demand, now, &reply, &signal_);
      if (reply.state != ReserveReply::State::kGranted) return kNotAsExpected;
      Reservation reservation(store_, demand, reply, clock_, dropped_);
      reservation.Grow(600, now);
      reservation.Settle(usage, true, now);
    }
    return dropped_.value() == 0 ? kAsExpected : kNotAsExpected;
  });
  ASSERT_TRUE(WIFEXITED(status)) << "a system call ended it; status " << status;
  EXPECT_EQ(WEXITSTATUS(status), kAsExpected);
}

TEST_F(NoSystemCallTest, RefusingMakesNone) {
  const base::Instant now = clock_.MonotonicNow();
  ReserveReply all;
  store_.Reserve(DemandOf(1'000'000'000, *tenant_, key_.get()), now, &all, &signal_);
  ASSERT_EQ(all.state, ReserveReply::State::kGranted);
  const int status = StatusOfStrictChild([&] {
    for (int i = 0; i < kDecisions; ++i) {
      const Demand demand = DemandOf(500, *tenant_, key_.get());
      ReserveReply reply;
      store_.Reserve(demand, now, &reply, &signal_);
      if (reply.state != ReserveReply::State::kRefused) return kNotAsExpected;
    }
    return kAsExpected;
  });
  ASSERT_TRUE(WIFEXITED(status)) << "a system call ended it; status " << status;
  EXPECT_EQ(WEXITSTATUS(status), kAsExpected);
}

}  // namespace
}  // namespace pingti::quota
