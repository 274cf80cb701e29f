// Addresses of a host name, without stopping the loop: libevent's own DNS client asks the servers
// of /etc/resolv.conf, after /etc/hosts. Both files are read anew for each question.
//
// Belongs to one loop thread and dies before its loop.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "server/base/event_loop.h"

struct evdns_base;
struct addrinfo;

namespace pingti::quota {

// More addresses than that are not tried.
inline constexpr size_t kAddressesMax = 16;

class RedisResolver {
 public:
  // Numeric addresses; none: `problem` says why.
  using Done = std::function<void(std::vector<std::string> addresses, std::string problem)>;

  explicit RedisResolver(base::EventLoop& loop) : loop_(loop) {}
  ~RedisResolver();
  RedisResolver(const RedisResolver&) = delete;
  RedisResolver& operator=(const RedisResolver&) = delete;

  // Calls `done` once, maybe before it returns. It ends by itself after some seconds at most.
  // REQUIRES: no other question is on its way.
  void Start(const std::string& host, Done done);

 private:
  static void OnDone(int error, addrinfo* found, void* self);

  base::EventLoop& loop_;
  evdns_base* dns_ = nullptr;
  Done done_;
};

}  // namespace pingti::quota
