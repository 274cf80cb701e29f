// A redis-server of the test's own: empty, in memory only, on a unix socket or a free port, and
// gone with the test.
//
// Thread-safety: Ask(), Number() and NowUs() from one thread at a time; the rest as Process.
// Errors: a server that does not start, or a command that it refuses, ends the test binary with
// what was said.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/process.h"

struct redisContext;

namespace pingti::testing_redis {

class RedisServer {
 public:
  struct Options {
    bool tcp = false;                    // on 127.0.0.1; else a unix socket
    std::vector<std::string> arguments;  // for redis-server
    // With which Ask() logs in, if any.
    std::string password;
  };

  RedisServer() : RedisServer(Options()) {}
  explicit RedisServer(Options options);
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  // As in `quota.redis.address`.
  const std::string& address() const { return address_; }

  // SIGKILL. It stays away until Start(), which brings it back empty on the same address.
  void Kill();
  void Start();
  // SIGSTOP and SIGCONT.
  void Pause();
  void Resume();

  // The answer, with arrays flattened; numbers are in decimal, nil is "(nil)". Waits for it.
  std::vector<std::string> Ask(const std::vector<std::string>& words);
  int64_t Number(const std::vector<std::string>& words);
  // Its clock, in microseconds.
  int64_t NowUs();

 private:
  bool TryStart();
  void Disconnect();
  redisContext* Connect() const;

  const Options options_;
  std::string folder_;
  std::string socket_;
  int port_ = 0;
  std::string address_;
  std::unique_ptr<integration::Process> process_;
  redisContext* context_ = nullptr;
};

}  // namespace pingti::testing_redis
