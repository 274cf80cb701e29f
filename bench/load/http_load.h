// Drives an OpenAI chat endpoint over HTTP/1.1: one thread, epoll, keep-alive connections, one call
// on each at a time.
//
// Kept lean on purpose: it shares two cores with the provider and the gateway that it measures.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "bench/load/http_reply.h"
#include "bench/load/measurement.h"
#include "bench/load/options.h"

namespace pingti::bench {

class HttpLoad {
 public:
  explicit HttpLoad(const Options& options);
  ~HttpLoad();
  HttpLoad(const HttpLoad&) = delete;
  HttpLoad& operator=(const HttpLoad&) = delete;

  // Runs the whole load and returns its JSON. On an address that cannot be used: a message in
  // `error`, empty result.
  std::string Run(std::string* error);

 private:
  struct Connection {
    int fd = -1;
    bool busy = false;
    bool connecting = false;
    bool waits_to_write = false;  // epoll tells us when it can be written
    bool done_seen = false;       // the stream's `data: [DONE]`
    size_t sent = 0;
    CallRecord call;
    HttpReply reply;
  };

  bool ParseUrl(std::string* error);
  void BuildRequest();
  bool Open(Connection& connection);
  void Close(Connection& connection);
  void StartDueCalls(int64_t now_ns);
  void StartClosedLoop(int64_t now_ns);
  void StartOpenLoop(int64_t now_ns);
  void StartCall(int64_t scheduled_ns);
  void ArmTimer(int64_t now_ns);
  void Handle(Connection& connection, uint32_t events);
  void Write(Connection& connection);
  void Read(Connection& connection);
  void TakeLines(Connection& connection, int64_t now_ns);
  void EndCall(Connection& connection, std::string_view error, int64_t now_ns);

  const Options& options_;
  sockaddr_in address_{};
  std::string host_;
  std::string path_;
  std::string request_;
  int epoll_ = -1;
  int timer_ = -1;
  std::unique_ptr<Measurement> measurement_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::deque<Connection*>
      idle_;  // the one that was idle longest comes first, so that all of them are used
  std::vector<char> buffer_;
  int64_t started_ns_ = 0;
  int64_t next_due_ns_ = 0;  // open loop
  int64_t timer_armed_for_ns_ = 0;
  int started_calls_ = 0;  // closed loop: slots of the ramp that have begun
  int in_flight_ = 0;
};

}  // namespace pingti::bench
