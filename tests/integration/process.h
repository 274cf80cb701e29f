// A program under test: started, watched and ended.
//
// A thread of its own reads what the program writes, so a full pipe never blocks it and a test can
// wait for a line. Every wait is bounded; nothing sleeps.
//
// Thread-safety: all methods may be called from any thread, but start and destroy it on one that
// outlives it: the kernel kills the program when that thread ends, so that it never outlives the
// tests.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace pingti::integration {

using Millis = std::chrono::milliseconds;

// How much slower than a release build the programs may be: PINGTI_TEST_SLOWDOWN, default 1.
// Sanitizer builds set it.
double Slowdown();
Millis Scaled(Millis time);
// The same as the configuration writes it: `1500ms`.
std::string ScaledText(Millis time);

// Longest wait for something that is going to happen.
inline Millis WaitMax() { return Scaled(std::chrono::seconds(20)); }

class Process {
 public:
  using Environment = std::map<std::string, std::string>;

  // The environment of the test, with `environment` over it.
  explicit Process(std::vector<std::string> arguments, const Environment& environment = {});
  ~Process();  // kills it
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int number);

  // The exit code; minus the number of the signal that ended it; nothing: it still runs. When it
  // has ended, all that it wrote is in Output() and Errors().
  std::optional<int> Wait(Millis timeout);

  // The first line of standard output (or error) for which `matches` is true, waiting for it.
  // Nothing: the time is over, or the program has closed that stream.
  using LineTest = std::function<bool(std::string_view line)>;
  std::optional<std::string> WaitForOutput(const LineTest& matches, Millis timeout = WaitMax());
  std::optional<std::string> WaitForError(const LineTest& matches, Millis timeout = WaitMax());

  // What it has written until now.
  std::string Output() const;
  std::string Errors() const;

  // Resident memory.
  int64_t RssBytes() const;

 private:
  struct Stream {
    int fd = -1;
    std::string text;
    bool closed = false;
  };

  void ReadAll();
  void ReadSome(Stream& stream);
  std::optional<std::string> WaitForLine(const Stream& stream, const LineTest& matches,
                                         Millis timeout);

  pid_t pid_ = -1;
  std::thread reader_;
  mutable std::mutex mu_;
  std::condition_variable changed_;
  Stream output_;
  Stream errors_;
  std::optional<int> ended_;
};

// Looks again and again, until `done` is true or the time is over; what it returned last. Between
// two looks it waits a little, so as not to take the CPU from what it looks at.
bool Eventually(const std::function<bool()>& done, Millis timeout = WaitMax());

}  // namespace pingti::integration
