#include "server/telemetry/access_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "server/base/clock.h"

namespace pingti::telemetry {
namespace {

struct Pipe {
  Pipe() { EXPECT_EQ(pipe2(fds.data(), O_CLOEXEC), 0); }
  ~Pipe() {
    CloseReader();
    CloseWriter();
  }
  void CloseReader() {
    if (fds[0] >= 0) close(std::exchange(fds[0], -1));
  }
  void CloseWriter() {
    if (fds[1] >= 0) close(std::exchange(fds[1], -1));
  }
  int reader() const { return fds[0]; }
  int writer() const { return fds[1]; }
  std::array<int, 2> fds{-1, -1};
};

// Reads until the writers are gone.
std::string ReadAll(int fd) {
  std::string all;
  std::array<char, 65536> bytes;
  for (ssize_t n; (n = read(fd, bytes.data(), bytes.size())) > 0;) all.append(bytes.data(), n);
  return all;
}

AccessRecord Record(const std::string& id) {
  AccessRecord record;
  record.request_id = id;
  return record;
}

TEST(AccessLog, WritesWhileTheProcessRuns) {
  Pipe pipe;
  Registry registry(1);
  AccessLog log(registry, pipe.writer());
  log.Write(0, Record("first"));
  std::array<char, 4096> bytes;
  const ssize_t n = read(pipe.reader(), bytes.data(), bytes.size());  // no flush, no end: by itself
  ASSERT_GT(n, 0);
  EXPECT_TRUE(absl::StrContains(std::string(bytes.data(), n), R"("request_id":"first")"));
  EXPECT_EQ(registry.worker(0).worker().access_records.value(), 1);
}

TEST(AccessLog, KeepsEveryLineWholeAndInOrderOfItsWorker) {
  constexpr int kWorkers = 3;
  constexpr int kRecords = 2000;
  Pipe pipe;
  Registry registry(kWorkers);
  auto text = std::async(std::launch::async, [&] { return ReadAll(pipe.reader()); });
  {
    AccessLog log(registry, pipe.writer());
    std::vector<std::thread> workers;
    for (int w = 0; w < kWorkers; ++w) {
      workers.emplace_back([&log, w] {
        for (int i = 0; i < kRecords; ++i) {
          log.Write(w, Record(std::to_string(w) + "-" + std::to_string(i)));
        }
      });
    }
    for (std::thread& worker : workers) worker.join();
  }
  pipe.CloseWriter();
  std::array<int, kWorkers> next = {};
  const std::string all = text.get();
  for (const auto& line : absl::StrSplit(all, '\n', absl::SkipEmpty())) {
    ASSERT_TRUE(absl::StartsWith(line, "{") && absl::EndsWith(line, "}")) << line;
    const size_t at = line.find(R"("request_id":")") + 14;
    const std::string id(line.substr(at, line.find('"', at) - at));
    const int worker = id[0] - '0';
    EXPECT_EQ(id, std::to_string(worker) + "-" + std::to_string(next[worker]++));
  }
  for (int n : next) EXPECT_EQ(n, kRecords);
}

// Nobody reads: records are dropped and counted, no worker waits, and the end comes in time.
TEST(AccessLog, DropsAndCountsWhenNobodyReads) {
  Pipe pipe;
  Registry registry(1);
  const WorkerStats& stats = registry.worker(0).worker();
  const base::Clock& clock = base::SystemClock();
  auto log = std::make_unique<AccessLog>(registry, pipe.writer());
  int written = 0;
  while (stats.access_records_lost.value() == 0) {
    log->Write(0, Record(std::string(200, 'x')));
    ASSERT_LT(++written, 100'000) << "the ring has no bound";
  }
  EXPECT_EQ(stats.access_records.value() + stats.access_records_lost.value(), written);
  EXPECT_GT(stats.access_records.value(), 1000);
  const base::Instant begin = clock.MonotonicNow();
  log.reset();
  EXPECT_LT(clock.MonotonicNow() - begin, AccessLog::kFinalFlushMax + absl::Seconds(3));
}

// The reader is gone: no SIGPIPE ends the process, and what got lost is counted.
TEST(AccessLog, SurvivesAReaderThatWentAway) {
  Pipe pipe;
  Registry registry(1);
  pipe.CloseReader();
  {
    AccessLog log(registry, pipe.writer());
    for (int i = 0; i < 10; ++i) log.Write(0, Record("lost"));
  }
  EXPECT_EQ(registry.process().access_records_unwritten.value(), 10);
}

// A reader that is slow and then reads gets everything once: nothing twice, nothing torn.
TEST(AccessLog, FinishesForASlowReader) {
  Pipe pipe;
  Registry registry(1);
  constexpr int kRecords = 2000;  // several times what a pipe holds
  auto log = std::make_unique<AccessLog>(registry, pipe.writer());
  for (int i = 0; i < kRecords; ++i) log->Write(0, Record(std::string(100, 'y')));
  std::thread end([&] {
    log.reset();
    pipe.CloseWriter();
  });
  const std::string all = ReadAll(pipe.reader());
  end.join();
  const std::vector<std::string> lines = absl::StrSplit(all, '\n', absl::SkipEmpty());
  EXPECT_EQ(lines.size(), static_cast<size_t>(kRecords));
  for (const std::string& line : lines) ASSERT_EQ(line, lines.front());
}

TEST(ByteRing, TakesWholeRecordsOnly) {
  ByteRing ring(8);
  char out[8];
  EXPECT_TRUE(ring.Push("12345"));
  EXPECT_FALSE(ring.Push("6789"));
  EXPECT_TRUE(ring.Push("678"));
  EXPECT_EQ(ring.Peek(out, 3), 3u);
  EXPECT_EQ(std::string(out, 3), "123");
  ring.Pop(6);
  EXPECT_TRUE(ring.Push("abcdef"));  // over the end
  EXPECT_EQ(ring.Peek(out, sizeof out), 8u);
  EXPECT_EQ(std::string(out, 8), "78abcdef");
  ring.Pop(8);
  EXPECT_EQ(ring.Peek(out, sizeof out), 0u);
  EXPECT_FALSE(ring.Push("123456789"));
}

}  // namespace
}  // namespace pingti::telemetry
