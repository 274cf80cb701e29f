#include "tests/upstream/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "tests/upstream/clock.h"
#include "tests/upstream/http2_connection.h"

namespace pingti::upstream {

void Connection::Open(LoopContext& loop, evutil_socket_t fd) {
  auto* connection = new Connection(loop, fd);
  if (!connection->MakeEvents()) delete connection;
}

void Connection::CloseAll(LoopContext& loop) {
  while (!loop.connections.empty()) delete loop.connections.front();
}

Connection::Connection(LoopContext& loop, evutil_socket_t fd) : loop_(loop), fd_(fd) {
  place_ = loop_.connections.insert(loop_.connections.end(), this);
  loop_.service->ledger().ConnectionOpened();
}

Connection::~Connection() {
  for (event* each : {readable_, writable_, timer_}) {
    if (each != nullptr) event_free(each);
  }
  loop_.connections.erase(place_);
  if (fd_ < 0) return;
  close(fd_);
  loop_.service->ledger().ConnectionClosed();
}

bool Connection::MakeEvents() {
  int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  readable_ = event_new(
      loop_.base, fd_, EV_READ | EV_PERSIST,
      [](evutil_socket_t, short, void* self) { static_cast<Connection*>(self)->OnReadable(); },
      this);
  writable_ = event_new(
      loop_.base, fd_, EV_WRITE,
      [](evutil_socket_t, short, void* self) { static_cast<Connection*>(self)->Resume(); }, this);
  timer_ = event_new(
      loop_.base, -1, 0,
      [](evutil_socket_t, short, void* self) { static_cast<Connection*>(self)->Resume(); }, this);
  return readable_ != nullptr && writable_ != nullptr && timer_ != nullptr &&
         event_add(readable_, nullptr) == 0;
}

void Connection::OnReadable() {
  ssize_t size = recv(fd_, loop_.read_buffer.get(), kReadBufferBytes, 0);
  if (size == 0) return PeerGone();
  if (size < 0) {
    if (errno != EAGAIN && errno != EINTR) PeerGone();
    return;
  }
  std::string_view bytes(loop_.read_buffer.get(), static_cast<size_t>(size));
  if (discarding_) return;
  if (answering_) {
    pipelined_.append(bytes);
    if (pipelined_.size() > kPipelinedBytesMax) PeerGone();
    return;
  }
  if (is_http1_) return Process(bytes);
  if (TakePreface(bytes)) return;
  is_http1_ = true;
  std::string begun = std::exchange(preface_, {});
  Process(begun.append(bytes));
}

bool Connection::TakePreface(std::string_view bytes) {
  const size_t compared = std::min(bytes.size(), kHttp2Preface.size() - preface_.size());
  if (bytes.substr(0, compared) != kHttp2Preface.substr(preface_.size(), compared)) return false;
  preface_.append(bytes);
  if (preface_.size() < kHttp2Preface.size()) return true;
  const std::string begun = std::move(preface_);
  LoopContext& loop = loop_;
  const evutil_socket_t fd = std::exchange(fd_, -1);
  delete this;
  Http2Connection::Open(loop, fd, begun);
  return true;
}

void Connection::PeerGone() {
  if (answering_) {
    int64_t now_ns = MonotonicNs();
    EndExchange(Ended::kClientClosed, now_ns, now_ns);
  }
  delete this;
}

void Connection::Process(std::string_view bytes) {
  std::string pipelined;
  while (true) {
    size_t used = parser_.Feed(bytes);
    if (parser_.TakeExpectation() && !parser_.complete() && !parser_.bad()) {
      constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      if (SendBytes(kContinue.data(), kContinue.size()) != Next::kGoOn) return PeerGone();
    }
    if (!parser_.complete() && !parser_.bad()) return;
    pipelined_.assign(bytes.substr(used));
    int64_t now_ns = MonotonicNs();
    if (parser_.bad()) {
      exchange_ = {.script = Service::BadRequest(parser_.bad_status())};
      discarding_ = true;
    } else {
      exchange_ = loop_.service->Handle(parser_.request(), now_ns);
      parser_.Reset();
    }
    answering_ = true;
    step_ = sent_of_step_ = 0;
    due_ns_ = now_ns;
    due_known_ = false;
    content_bytes_ = chunks_ = 0;
    sends_left_ = kSendsPerTurn;
    if (Play() != Next::kGoOn || pipelined_.empty()) return;
    pipelined.swap(pipelined_);
    pipelined_.clear();
    bytes = pipelined;
  }
}

void Connection::Resume() {
  sends_left_ = kSendsPerTurn;
  if (Play() != Next::kGoOn || pipelined_.empty()) return;
  std::string bytes = std::move(pipelined_);
  pipelined_.clear();
  Process(bytes);
}

// Sends what is due. kGoOn: the answer has ended and the connection is ready for the next request.
Connection::Next Connection::Play() {
  const Script& script = *exchange_.script;
  int64_t now_ns = due_ns_;
  while (step_ < script.steps.size()) {
    const Step& step = script.steps[step_];
    if (!due_known_) {
      due_ns_ += step.delay_ns;
      due_known_ = true;
    }
    if (due_ns_ > now_ns) now_ns = MonotonicNs();
    if (due_ns_ > now_ns) {
      WaitUntil(due_ns_, now_ns);
      return Next::kWait;
    }
    if (Next next = SendStep(step, now_ns); next != Next::kGoOn) return next;
    content_bytes_ += step.content_bytes;
    chunks_ += step.content_chunks;
    if (step.content_chunks > 0) loop_.service->ledger().CountChunks(step.content_chunks);
    ++step_;
    sent_of_step_ = 0;
    due_known_ = false;
  }
  if (script.ending == Ending::kHang) return Next::kWait;
  if (script.end_delay_ns > 0) {
    if (!due_known_) {
      due_ns_ += script.end_delay_ns;
      due_known_ = true;
    }
    now_ns = MonotonicNs();
    if (due_ns_ > now_ns) {
      WaitUntil(due_ns_, now_ns);
      return Next::kWait;
    }
  }
  return Finish();
}

Connection::Next Connection::SendStep(const Step& step, int64_t now_ns) {
  const char* bytes = exchange_.script->bytes.data() + step.begin;
  if (step.stamp_at >= 0) {
    if (sent_of_step_ == 0) {
      stamped_.assign(bytes, step.size);
      now_ns = MonotonicNs();
      WriteStamp(now_ns, stamped_.data() + step.stamp_at);
    }
    bytes = stamped_.data();
  }
  if (--sends_left_ < 0) {  // the others' turn; this one goes on in the next round of the loop
    WaitUntil(now_ns, now_ns);
    return Next::kWait;
  }
  return SendBytes(bytes + sent_of_step_, step.size - sent_of_step_);
}

Connection::Next Connection::SendBytes(const char* bytes, size_t size) {
  ssize_t sent = send(fd_, bytes, size, MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(size)) return Next::kGoOn;
  if (sent < 0 && errno != EAGAIN && errno != EINTR) {
    if (!answering_) return Next::kGone;
    PeerGone();
    return Next::kGone;
  }
  if (!answering_) return Next::kGone;  // not even an interim reply fits
  sent_of_step_ += static_cast<size_t>(std::max<ssize_t>(sent, 0));
  event_add(writable_, nullptr);
  return Next::kWait;
}

Connection::Next Connection::Finish() {
  const Script& script = *exchange_.script;
  Ending ending = script.ending;
  EndExchange(script.faulty ? Ended::kFault : Ended::kCompleted, MonotonicNs(), 0);
  if (ending == Ending::kKeepAlive) return Next::kGoOn;
  if (ending == Ending::kReset) Reset();
  // Bytes that were received and not read would turn the close into a reset, so they are read.
  if (ending == Ending::kClose) {
    shutdown(fd_, SHUT_WR);
    while (recv(fd_, loop_.read_buffer.get(), kReadBufferBytes, MSG_DONTWAIT) > 0) {
    }
  }
  delete this;
  return Next::kGone;
}

void Connection::EndExchange(Ended ended, int64_t now_ns, int64_t disconnect_ns) {
  if (exchange_.booked) {
    loop_.service->End(exchange_, ended, now_ns, disconnect_ns, content_bytes_, chunks_);
  }
  exchange_.script = nullptr;
  exchange_.booked = false;
  answering_ = false;
}

void Connection::WaitUntil(int64_t due_ns, int64_t now_ns) {
  int64_t us = (due_ns - now_ns + 999) / 1000;
  timeval wait{.tv_sec = static_cast<time_t>(us / 1'000'000),
               .tv_usec = static_cast<suseconds_t>(us % 1'000'000)};
  event_add(timer_, &wait);
}

// Makes close() send RST.
void Connection::Reset() {
  linger abort{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
}

}  // namespace pingti::upstream
