#include "server/transport/curl_transport.h"

#include <curl/curl.h>
#include <event2/event.h>

#include <algorithm>
#include <utility>

#include "server/base/check.h"
#include "server/transport/curl_transfer.h"

namespace pingti::transport {
namespace {

// Easy handles kept for reuse; each has about 20 KB of buffers of its own while in use only.
constexpr size_t kIdleEasyMax = 4096;
// A worker that had more transfers than this at once, and then none for a while, gives back their
// handles, their connections and the memory. libcurl has no way to close a part of its idle
// connections.
constexpr size_t kIdleEasyKept = 32;
constexpr absl::Duration kIdleResetAfter = absl::Seconds(10);

}  // namespace

// libevent's view on one of libcurl's sockets.
struct CurlTransport::SocketWatch {
  event* readiness;
  short mask;
  CurlTransfer* transfer;  // that it was made for, while that lasts
};

CurlTransport::CurlTransport(base::EventLoop& loop, CurlOptions options)
    : loop_(loop),
      options_(options),
      timer_(evtimer_new(loop_.base(), &CurlTransport::OnTimer, this)),
      idle_timer_(loop_, [this] { ResetAfterBurst(); }),
      notify_(event_new(
          loop_.base(), -1, 0,
          [](int, short, void* self) { static_cast<CurlTransport*>(self)->NotifyTouched(); },
          this)) {
  Open();
}

CurlTransport::~CurlTransport() {
  PINGTI_CHECK(transfers_ == 0, "calls end before their transport");
  Close();
  event_free(timer_);
  event_free(notify_);
}

void CurlTransport::Open() {
  multi_ = curl_multi_init();
  PINGTI_CHECK(multi_ != nullptr, "out of memory");
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlTransport::OnSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlTransport::OnTimeout);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  // One stream at a time on an HTTP/2 connection, too (docs/architecture.md).
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, long{CURLPIPE_NOTHING});
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, long{options_.connections_max});
}

void CurlTransport::Close() {
  for (void* easy : idle_easy_) curl_easy_cleanup(easy);
  idle_easy_.clear();
  curl_multi_cleanup(multi_);
  event_del(timer_);
}

void CurlTransport::ResetAfterBurst() {
  if (transfers_ != 0 || idle_easy_.size() <= kIdleEasyKept) return;
  Close();
  Open();
}

std::unique_ptr<HttpTransfer> CurlTransport::Start(HttpRequest request, base::Signal& wake) {
  auto transfer = std::make_unique<CurlTransfer>(*this, std::move(request), wake);
  ++transfers_;
  const CURLMcode code = curl_multi_add_handle(multi_, transfer->easy_);
  PINGTI_CHECK(code == CURLM_OK, "libcurl takes a new handle");
  return transfer;
}

void* CurlTransport::TakeEasy() {
  if (!idle_easy_.empty()) {
    void* easy = idle_easy_.back();
    idle_easy_.pop_back();
    return easy;
  }
  CURL* easy = curl_easy_init();
  PINGTI_CHECK(easy != nullptr, "out of memory");
  CurlTransfer::SetUpOnce(easy);
  return easy;
}

void CurlTransport::Retire(CurlTransfer* transfer) {
  // Takes the connection out of use: back to the pool if the exchange was complete, else closed. An
  // HTTP/2 connection would be kept, and the RST_STREAM that tells the provider of it would wait in
  // libcurl 7.88 until the connection has something else to send.
  if (!transfer->done_ && transfer->request_.version != config::HttpVersion::kHttp1) {
    curl_easy_setopt(transfer->easy_, CURLOPT_FORBID_REUSE, 1L);
  }
  // libcurl 7.88 closes a socket that is still connecting before it says so; by then its number may
  // be that of another thread's socket.
  if (!transfer->connected_) {
    for (SocketWatch* watch : transfer->watches_) event_del(watch->readiness);
  }
  curl_multi_remove_handle(multi_, transfer->easy_);
  for (SocketWatch* watch : transfer->watches_) watch->transfer = nullptr;
  if (transfer->paused_) --paused_;
  if (transfer->touched_) {
    for (CurlTransfer*& touched : touched_) {
      if (touched == transfer) touched = nullptr;
    }
  }
  if (--transfers_ == 0) idle_timer_.Arm(kIdleResetAfter);
  if (transfer->request_.ca_pem) CurlTransfer::TrustTheSystem(transfer->easy_);
  if (idle_easy_.size() < kIdleEasyMax) {
    idle_easy_.push_back(transfer->easy_);
  } else {
    curl_easy_cleanup(transfer->easy_);
  }
}

void CurlTransport::Touch(CurlTransfer* transfer) {
  if (transfer->touched_) return;
  transfer->touched_ = true;
  touched_.push_back(transfer);
  if (!acting_) event_active(notify_, 0, 0);  // bytes that arrived in Consume()
}

int CurlTransport::OnSocket(void* easy, int socket, int what, void* self, void* watch_data) {
  auto* transport = static_cast<CurlTransport*>(self);
  auto* watch = static_cast<SocketWatch*>(watch_data);
  if (what == CURL_POLL_REMOVE) {
    if (watch != nullptr) {
      if (watch->transfer != nullptr) {
        auto& watches = watch->transfer->watches_;
        watches.erase(std::find(watches.begin(), watches.end(), watch));
      }
      event_free(watch->readiness);
      delete watch;
      curl_multi_assign(transport->multi_, socket, nullptr);
    }
    return 0;
  }
  short mask = EV_PERSIST;
  if (what & CURL_POLL_IN) mask |= EV_READ;
  if (what & CURL_POLL_OUT) mask |= EV_WRITE;
  if (watch == nullptr) {
    watch = new SocketWatch{nullptr, 0, nullptr};
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &watch->transfer);
    if (watch->transfer != nullptr) watch->transfer->watches_.push_back(watch);
    watch->readiness =
        event_new(transport->loop_.base(), socket, mask, &CurlTransport::OnSocketReady, transport);
    curl_multi_assign(transport->multi_, socket, watch);
  } else if (watch->mask == mask) {
    return 0;
  } else {
    event_del(watch->readiness);
    event_assign(watch->readiness, transport->loop_.base(), socket, mask,
                 &CurlTransport::OnSocketReady, transport);
  }
  watch->mask = mask;
  event_add(watch->readiness, nullptr);
  return 0;
}

int CurlTransport::OnTimeout(void* /*multi*/, long milliseconds, void* self) {
  auto* transport = static_cast<CurlTransport*>(self);
  if (milliseconds < 0) {
    event_del(transport->timer_);
  } else if (milliseconds == 0) {
    // Saves the timer's way through the heap and the clock: it runs in this turn of the loop.
    event_active(transport->timer_, EV_TIMEOUT, 0);
  } else {
    const timeval time{milliseconds / 1000, (milliseconds % 1000) * 1000};
    event_add(transport->timer_, &time);
  }
  return 0;
}

void CurlTransport::OnSocketReady(int socket, short what, void* self) {
  int mask = 0;
  if (what & EV_READ) mask |= CURL_CSELECT_IN;
  if (what & EV_WRITE) mask |= CURL_CSELECT_OUT;
  static_cast<CurlTransport*>(self)->Act(socket, mask);
}

void CurlTransport::OnTimer(int /*socket*/, short /*what*/, void* self) {
  static_cast<CurlTransport*>(self)->Act(CURL_SOCKET_TIMEOUT, 0);
}

void CurlTransport::Act(int socket, int mask) {
  acting_ = true;
  int running = 0;
  curl_multi_socket_action(multi_, socket, mask, &running);
  CollectFinished();
  NotifyTouched();
}

void CurlTransport::CollectFinished() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CurlTransfer* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    transfer->Finish(message->data.result);
    Touch(transfer);
  }
}

void CurlTransport::NotifyTouched() {
  acting_ = true;
  // A notified call may start, consume and destroy transfers, also those that are still to be
  // notified here.
  for (size_t i = 0; i < touched_.size(); ++i) {
    CurlTransfer* transfer = touched_[i];
    if (transfer == nullptr) continue;
    touched_[i] = nullptr;
    transfer->touched_ = false;
    transfer->wake_.Notify();
  }
  touched_.clear();
  acting_ = false;
}

void InitialiseCurl() {
  PINGTI_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, "libcurl starts");
}

void CleanUpCurl() { curl_global_cleanup(); }

}  // namespace pingti::transport
