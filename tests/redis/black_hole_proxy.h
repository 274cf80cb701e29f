// Stands between a program and its Redis on 127.0.0.1 and can become a black hole: then it takes
// what is sent and connections that are made, and nothing comes out anywhere, as when a network is
// cut. No peer is told. When it ends, what was held back goes on, as TCP would send it again.
//
// A thread of its own carries the bytes. Thread-safety: all methods may be called from any thread.
// Errors: a socket that cannot be made ends the test binary.
#pragma once

#include <atomic>
#include <string>
#include <thread>

namespace pingti::testing_redis {

class BlackHoleProxy {
 public:
  // `target` is `127.0.0.1:port`, or `unix:path`; it is asked anew for each connection.
  explicit BlackHoleProxy(const std::string& target);
  ~BlackHoleProxy();
  BlackHoleProxy(const BlackHoleProxy&) = delete;
  BlackHoleProxy& operator=(const BlackHoleProxy&) = delete;

  // As in `quota.redis.address`.
  const std::string& address() const { return address_; }

  // Nothing that is sent after Swallow() has returned arrives before Release().
  void Swallow() { SetSwallowing(true); }
  void Release() { SetSwallowing(false); }

 private:
  struct Pair;

  void Run();
  void SetSwallowing(bool swallowing);
  int ConnectToTarget() const;

  const std::string target_;
  std::string address_;
  int listener_ = -1;
  int wake_ = -1;  // eventfd: `wanted_` has changed
  enum class Mode { kForward, kSwallow, kEnd };
  std::atomic<Mode> wanted_{Mode::kForward};
  std::atomic<Mode> reached_{Mode::kForward};
  std::thread thread_;
};

}  // namespace pingti::testing_redis
