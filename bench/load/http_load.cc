#include "bench/load/http_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "bench/load/clock.h"
#include "bench/load/workload.h"

namespace pingti::bench {
namespace {

constexpr int kEventsMax = 256;
constexpr int kPhaseCheckMs = 5;  // how late the end of a phase may be noticed
constexpr size_t kReadBytes = 64 * 1024;

}  // namespace

HttpLoad::HttpLoad(const Options& options)
    : options_(options),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      buffer_(kReadBytes) {
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL,
        0UL);  // wake at the scheduled time, not up to 50 us later
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, timer_, &event);
}

HttpLoad::~HttpLoad() {
  for (const auto& connection : connections_) Close(*connection);
  close(timer_);
  close(epoll_);
}

bool HttpLoad::ParseUrl(std::string* error) {
  std::string_view rest = options_.http_url;
  constexpr std::string_view kScheme = "http://";
  int port = 0;
  const bool plain = rest.substr(0, kScheme.size()) == kScheme;
  if (plain) rest.remove_prefix(kScheme.size());
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string host_and_port(rest.substr(0, slash));
  path_ = slash < rest.size() ? std::string(rest.substr(slash)) : "/";
  const size_t colon = host_and_port.find(':');
  address_.sin_family = AF_INET;
  if (!plain || colon == std::string::npos ||
      !absl::SimpleAtoi(host_and_port.substr(colon + 1), &port) || port < 1 || port > 65535 ||
      inet_pton(AF_INET, host_and_port.substr(0, colon).c_str(), &address_.sin_addr) != 1) {
    *error = "the URL must be http://IPv4:port/path: " + options_.http_url;
    return false;
  }
  address_.sin_port = htons(static_cast<uint16_t>(port));
  host_ = host_and_port;
  return true;
}

void HttpLoad::BuildRequest() {
  const std::string body = MakeHttpBody(options_);
  request_ =
      absl::StrCat("POST ", path_, " HTTP/1.1\r\nhost: ", host_,
                   "\r\ncontent-type: application/json\r\ncontent-length: ", body.size(), "\r\n");
  if (!options_.key.empty())
    absl::StrAppend(&request_, "authorization: Bearer ", options_.key, "\r\n");
  for (const auto& [name, value] : options_.headers)
    absl::StrAppend(&request_, name, ": ", value, "\r\n");
  absl::StrAppend(&request_, "\r\n", body);
}

bool HttpLoad::Open(Connection& connection) {
  connection.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connection.fd < 0) return false;
  const int on = 1;
  setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const int result =
      connect(connection.fd, reinterpret_cast<sockaddr*>(&address_), sizeof address_);
  if (result != 0 && errno != EINPROGRESS) {
    close(std::exchange(connection.fd, -1));
    return false;
  }
  connection.connecting = result != 0;
  connection.waits_to_write = connection.connecting;
  const uint32_t events = connection.connecting ? EPOLLIN | EPOLLOUT : EPOLLIN;
  epoll_event event{.events = events, .data = {.ptr = &connection}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
  return true;
}

void HttpLoad::Close(Connection& connection) {
  if (connection.fd >= 0) close(std::exchange(connection.fd, -1));
  connection.connecting = false;
  connection.waits_to_write = false;
}

std::string HttpLoad::Run(std::string* error) {
  if (!ParseUrl(error)) return "";
  BuildRequest();
  const int wanted = std::max(options_.connections, options_.in_flight);
  for (int i = 0; i < wanted; ++i) {
    connections_.push_back(std::make_unique<Connection>());
    idle_.push_back(connections_.back().get());
    if (!Open(*connections_.back())) {
      *error = "cannot connect to " + host_;
      return "";
    }
  }
  started_ns_ = NowNs();
  next_due_ns_ = started_ns_;
  measurement_ = std::make_unique<Measurement>(options_, started_ns_);

  epoll_event events[kEventsMax];
  while (true) {
    const int64_t now_ns = NowNs();
    const Measurement::Phase phase = measurement_->Advance(now_ns);
    if (phase == Measurement::Phase::kOver) break;
    if (phase == Measurement::Phase::kDrain && in_flight_ == 0) break;
    StartDueCalls(now_ns);
    measurement_->SetInFlight(in_flight_);
    ArmTimer(now_ns);
    const int ready = epoll_wait(epoll_, events, kEventsMax, kPhaseCheckMs);
    for (int i = 0; i < ready; ++i) {
      if (events[i].data.ptr == nullptr) {
        uint64_t expirations;
        if (read(timer_, &expirations, sizeof expirations) < 0) continue;
      } else {
        Handle(*static_cast<Connection*>(events[i].data.ptr), events[i].events);
      }
    }
  }
  for (const auto& connection : connections_) {
    if (connection->busy) measurement_->CallUnfinished(connection->call);
  }
  return measurement_->Json();
}

void HttpLoad::StartDueCalls(int64_t now_ns) {
  if (now_ns >= measurement_->stop_ns()) return;
  if (options_.open_loop()) {
    StartOpenLoop(now_ns);
  } else {
    StartClosedLoop(now_ns);
  }
}

void HttpLoad::StartClosedLoop(int64_t now_ns) {
  while (started_calls_ < options_.in_flight) {
    const int64_t due_ns =
        started_ns_ + SecondsToNs(options_.ramp_s) * started_calls_ / options_.in_flight;
    if (now_ns < due_ns) break;
    ++started_calls_;
  }
  // A fixed number: a connection that is refused at once ends its call within StartCall.
  for (int missing = started_calls_ - in_flight_; missing > 0; --missing) StartCall(NowNs());
}

void HttpLoad::StartOpenLoop(int64_t now_ns) {
  while (next_due_ns_ <= now_ns && next_due_ns_ < measurement_->stop_ns()) {
    if (in_flight_ < kCallsInFlightMax) {
      StartCall(next_due_ns_);
    } else {
      measurement_->CallNotSent(1);
    }
    next_due_ns_ += static_cast<int64_t>(kNanosPerSecond / options_.rate);
  }
}

// Wakes us at the next scheduled call; epoll's own timeout is too coarse for that.
void HttpLoad::ArmTimer(int64_t now_ns) {
  int64_t due_ns = next_due_ns_;
  if (!options_.open_loop()) {
    if (started_calls_ >= options_.in_flight) return;
    due_ns = started_ns_ + SecondsToNs(options_.ramp_s) * started_calls_ / options_.in_flight;
  }
  if (due_ns == timer_armed_for_ns_ || due_ns >= measurement_->stop_ns()) return;
  timer_armed_for_ns_ = due_ns;
  const itimerspec when{.it_interval = {}, .it_value = ToTimespec(std::max(due_ns, now_ns + 1))};
  timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
}

void HttpLoad::StartCall(int64_t scheduled_ns) {
  if (idle_.empty()) {
    connections_.push_back(std::make_unique<Connection>());
    idle_.push_back(connections_.back().get());
  }
  Connection& connection = *idle_.front();
  idle_.pop_front();
  connection.busy = true;
  connection.done_seen = false;
  connection.sent = 0;
  connection.call = CallRecord{.scheduled_ns = scheduled_ns, .chunks = 0};
  connection.reply.Reset(options_.stream);
  ++in_flight_;
  if (connection.fd < 0 && !Open(connection)) {
    EndCall(connection, "connect", NowNs());
    return;
  }
  if (!connection.connecting) Write(connection);
}

void HttpLoad::Handle(Connection& connection, uint32_t events) {
  if (connection.fd < 0) return;  // closed while an earlier event of this batch was handled
  if (connection.connecting && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
    int problem = 0;
    socklen_t size = sizeof problem;
    getsockopt(connection.fd, SOL_SOCKET, SO_ERROR, &problem, &size);
    connection.connecting = false;
    if (problem != 0) {
      Close(connection);
      if (connection.busy) EndCall(connection, "connect", NowNs());
      return;
    }
  }
  if ((events & EPOLLOUT) != 0) Write(connection);
  if (connection.fd >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) Read(connection);
}

void HttpLoad::Write(Connection& connection) {
  while (connection.busy && connection.sent < request_.size()) {
    const ssize_t size = send(connection.fd, request_.data() + connection.sent,
                              request_.size() - connection.sent, MSG_NOSIGNAL);
    if (size < 0 && errno == EAGAIN) break;
    if (size < 0) {
      Close(connection);
      EndCall(connection, "send", NowNs());
      return;
    }
    connection.sent += static_cast<size_t>(size);
  }
  const bool blocked = connection.busy && connection.sent < request_.size();
  if (blocked == connection.waits_to_write) return;
  connection.waits_to_write = blocked;
  const uint32_t events = blocked ? EPOLLIN | EPOLLOUT : EPOLLIN;
  epoll_event event{.events = events, .data = {.ptr = &connection}};
  epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
}

void HttpLoad::Read(Connection& connection) {
  const ssize_t size = recv(connection.fd, buffer_.data(), buffer_.size(), 0);
  if (size < 0 && errno == EAGAIN) return;
  const int64_t now_ns = NowNs();
  if (size <= 0) {
    Close(connection);
    if (!connection.busy) return;
    const bool ended = size == 0 && connection.reply.EndOfConnection();
    EndCall(connection, ended ? "" : "closed", now_ns);
    return;
  }
  if (!connection.busy || !connection.reply.Feed({buffer_.data(), static_cast<size_t>(size)})) {
    Close(connection);
    if (connection.busy) EndCall(connection, "bad_answer", now_ns);
    return;
  }
  if (options_.stream) TakeLines(connection, now_ns);
  if (connection.reply.complete()) EndCall(connection, "", now_ns);
}

void HttpLoad::TakeLines(Connection& connection, int64_t now_ns) {
  std::string_view line;
  while (connection.reply.NextLine(&line)) {
    if (line == "data: [DONE]") {
      connection.done_seen = true;
    } else if (!line.empty()) {
      measurement_->TextArrived(connection.call, line, now_ns);
    }
  }
}

// The answer is there (`error` empty) or will not come; the connection is free again.
void HttpLoad::EndCall(Connection& connection, std::string_view error, int64_t now_ns) {
  std::string kind(error);
  if (kind.empty() && connection.reply.status() != 200) {
    kind = absl::StrCat("http_", connection.reply.status());
  } else if (kind.empty() && options_.stream && !connection.done_seen) {
    kind = "stream_cut";
  } else if (kind.empty() && connection.reply.body_bytes() == 0) {
    kind = "empty_answer";
  }
  measurement_->CallEnded(connection.call, kind, now_ns);
  if (!connection.reply.keep_alive()) Close(connection);
  connection.busy = false;
  --in_flight_;
  idle_.push_back(&connection);
}

}  // namespace pingti::bench
