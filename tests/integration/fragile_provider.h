// A simulated provider that is killed and started again on its port, and that remembers over all
// its lives which requests have reached it.
//
// Its answers are words that name it: `<name>/<user>/<n>`. Thread-safety: none.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/programs.h"

namespace pingti::integration {

// A port that nobody else gets, and on which who asks for it by number can listen all the same.
class KeptPort {
 public:
  KeptPort();
  ~KeptPort();
  KeptPort(const KeptPort&) = delete;
  KeptPort& operator=(const KeptPort&) = delete;
  int port() const { return port_; }

 private:
  int fd_;
  int port_ = 0;
};

class FragileProvider {
 public:
  explicit FragileProvider(std::string name);

  const std::string& name() const { return name_; }
  std::string base_url() const;
  bool alive() const { return provider_ != nullptr; }

  // SIGKILL.
  void Kill();
  // REQUIRES: it is not alive.
  void Start();
  // Of every answer of this life; `{}` ends it. REQUIRES: it is alive.
  void SetDefaults(const std::string& json) const { provider_->SetDefaults(json); }
  // REQUIRES: it is alive.
  int64_t Stat(const char* name) const { return provider_->Stat(name); }

  struct Request {
    int64_t arrival_ns = 0;  // CLOCK_MONOTONIC
    std::string user;
  };
  // Of all lives.
  std::vector<Request> Requests() const;

  // The first `bytes` bytes of what it says to `user`.
  static std::string Answer(const std::string& name, const std::string& user, size_t bytes);

 private:
  const std::string name_;
  const KeptPort port_;
  std::unique_ptr<Provider> provider_;  // null: not alive
  std::string log_;                     // of earlier lives
};

}  // namespace pingti::integration
