#include "tests/integration/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "tests/upstream/clock.h"

namespace pingti::integration {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int kLookAgainMs = 2;
// For reading what a program wrote before it ended. A child that it left behind may keep the
// streams open for longer.
constexpr Millis kLastWordsMax(2000);

int64_t DeadlineNs(Millis timeout) { return upstream::MonotonicNs() + timeout.count() * kNsPerMs; }

std::vector<std::string> MergedEnvironment(const Process::Environment& over) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!over.contains(text.substr(0, text.find('=')))) merged.push_back(text);
  }
  for (const auto& [name, value] : over) merged.push_back(name + "=" + value);
  return merged;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::optional<std::string> FindLine(const std::string& text, const Process::LineTest& matches,
                                    size_t* from) {
  while (true) {
    const size_t end = text.find('\n', *from);
    if (end == std::string::npos) return std::nullopt;
    const std::string_view line(text.data() + *from, end - *from);
    *from = end + 1;
    if (matches(line)) return std::string(line);
  }
}

}  // namespace

double Slowdown() {
  const char* text = std::getenv("PINGTI_TEST_SLOWDOWN");
  return text == nullptr ? 1 : std::max(1.0, std::strtod(text, nullptr));
}

Millis Scaled(Millis time) {
  return Millis(static_cast<int64_t>(static_cast<double>(time.count()) * Slowdown()));
}

std::string ScaledText(Millis time) { return std::to_string(Scaled(time).count()) + "ms"; }

Process::Process(std::vector<std::string> arguments, const Environment& environment) {
  int output[2];
  int errors[2];
  if (pipe2(output, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0) std::abort();
  std::vector<std::string> variables = MergedEnvironment(environment);
  const std::vector<char*> argv = Pointers(arguments);
  const std::vector<char*> envp = Pointers(variables);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(output[1], STDOUT_FILENO);
    dup2(errors[1], STDERR_FILENO);
    execve(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  close(output[1]);
  close(errors[1]);
  output_.fd = output[0];
  errors_.fd = errors[0];
  reader_ = std::thread([this] { ReadAll(); });
}

Process::~Process() {
  Signal(SIGKILL);
  Wait(std::chrono::seconds(60));
  reader_.join();
  close(output_.fd);
  close(errors_.fd);
}

void Process::Signal(int number) {
  const std::lock_guard<std::mutex> lock(mu_);
  // Not after it was waited for: its number may be another process's by then.
  if (!ended_ && pid_ > 0) kill(pid_, number);
}

std::optional<int> Process::Wait(Millis timeout) {
  const int64_t deadline = DeadlineNs(timeout);
  const int ended = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (ended >= 0) {
    pollfd wait{.fd = ended, .events = POLLIN, .revents = 0};
    const int64_t left_ms = (deadline - upstream::MonotonicNs()) / kNsPerMs;
    poll(&wait, 1, static_cast<int>(std::max<int64_t>(0, left_ms)));
    close(ended);
  }
  std::unique_lock<std::mutex> lock(mu_);
  if (ended_) return ended_;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  ended_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  changed_.wait_until(lock, std::chrono::steady_clock::now() + Scaled(kLastWordsMax),
                      [this] { return output_.closed && errors_.closed; });
  return ended_;
}

void Process::ReadAll() {
  while (true) {
    pollfd waits[2] = {{.fd = output_.closed ? -1 : output_.fd, .events = POLLIN, .revents = 0},
                       {.fd = errors_.closed ? -1 : errors_.fd, .events = POLLIN, .revents = 0}};
    if (output_.closed && errors_.closed) return;
    if (poll(waits, 2, -1) < 0) continue;
    if (waits[0].revents != 0) ReadSome(output_);
    if (waits[1].revents != 0) ReadSome(errors_);
  }
}

void Process::ReadSome(Stream& stream) {
  char buffer[64 * 1024];
  const ssize_t size = read(stream.fd, buffer, sizeof buffer);
  const std::lock_guard<std::mutex> lock(mu_);
  if (size > 0) {
    stream.text.append(buffer, static_cast<size_t>(size));
  } else {
    stream.closed = true;
  }
  changed_.notify_all();
}

std::optional<std::string> Process::WaitForLine(const Stream& stream, const LineTest& matches,
                                                Millis timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  std::unique_lock<std::mutex> lock(mu_);
  size_t from = 0;
  while (true) {
    if (auto line = FindLine(stream.text, matches, &from)) return line;
    if (stream.closed) return std::nullopt;
    if (changed_.wait_until(lock, deadline) == std::cv_status::timeout) {
      return FindLine(stream.text, matches, &from);
    }
  }
}

std::optional<std::string> Process::WaitForOutput(const LineTest& matches, Millis timeout) {
  return WaitForLine(output_, matches, timeout);
}

std::optional<std::string> Process::WaitForError(const LineTest& matches, Millis timeout) {
  return WaitForLine(errors_, matches, timeout);
}

std::string Process::Output() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return output_.text;
}

std::string Process::Errors() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return errors_.text;
}

int64_t Process::RssBytes() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
  int64_t size = 0;
  int64_t resident = 0;
  file >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

bool Eventually(const std::function<bool()>& done, Millis timeout) {
  const int64_t deadline = DeadlineNs(timeout);
  while (true) {
    if (done()) return true;
    if (upstream::MonotonicNs() >= deadline) return false;
    poll(nullptr, 0, kLookAgainMs);
  }
}

}  // namespace pingti::integration
