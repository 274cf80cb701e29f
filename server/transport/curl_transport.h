// HttpTransport on libcurl's multi interface, driven by the worker's event loop.
//
// One per worker; belongs to its loop thread. HTTP/1.1 or HTTP/2, one exchange at a time on each
// connection of a kept-alive pool; no redirects, no proxy from the environment, peer and host
// verified, gzip decoded (asked for or not) and counted after decoding. Easy handles are pooled.
//
// libcurl must not be called from its own callbacks, so these only record what happened; transfers
// notify their Signal when libcurl has returned.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/base/event_loop.h"
#include "server/transport/http_transport.h"

namespace pingti::transport {

struct CurlOptions {
  int connections_max = 2048;  // kept in the pool of this worker; from 1
};

class CurlTransfer;

class CurlTransport final : public HttpTransport {
 public:
  CurlTransport(base::EventLoop& loop, CurlOptions options);
  // REQUIRES: no transfer is left.
  ~CurlTransport() override;
  CurlTransport(const CurlTransport&) = delete;
  CurlTransport& operator=(const CurlTransport&) = delete;

  std::unique_ptr<HttpTransfer> Start(HttpRequest request, base::Signal& wake) override;

  // Transfers that are under way, and those of them that wait for their reader.
  int transfers() const { return transfers_; }
  int paused() const { return paused_; }

 private:
  friend class CurlTransfer;
  struct SocketWatch;

  // Callbacks of libcurl and libevent.
  static int OnSocket(void* easy, int socket, int what, void* self, void* watch);
  static int OnTimeout(void* multi, long milliseconds, void* self);
  static void OnSocketReady(int socket, short what, void* self);
  static void OnTimer(int socket, short what, void* self);

  // Makes and frees the multi handle, with the pool of connections that hangs on it.
  void Open();
  void Close();
  // Gives back what a burst has left behind, once nothing was under way for kIdleResetAfter.
  void ResetAfterBurst();
  void* TakeEasy();
  void Retire(CurlTransfer* transfer);
  // Something that a transfer shows has changed; its Signal is notified by NotifyTouched().
  void Touch(CurlTransfer* transfer);
  // Runs libcurl for a socket, or for its timer, and notifies the transfers that it touched.
  void Act(int socket, int mask);
  void CollectFinished();
  void NotifyTouched();

  base::EventLoop& loop_;
  const CurlOptions options_;
  void* multi_ = nullptr;
  event* timer_;
  base::Timer idle_timer_;
  event* notify_;                       // for transfers that were touched outside of Act()
  std::vector<void*> idle_easy_;        // at most kIdleEasyMax
  std::vector<CurlTransfer*> touched_;  // null: destroyed since; bounded by the transfers
  bool acting_ = false;  // touched transfers are notified before we return to the loop
  int transfers_ = 0;
  int paused_ = 0;
};

// Call once before threads start, and once after they have ended.
void InitialiseCurl();
void CleanUpCurl();

}  // namespace pingti::transport
