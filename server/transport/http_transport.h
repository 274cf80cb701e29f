// The way to a provider: one HTTP exchange at a time, without any knowledge of what is in it.
//
// `HttpTransport` is the seam between a call and the network. The real one is CurlTransport
// (curl_transport.h); tests use a scripted one. Thread-safety: none; a transport and its transfers
// belong to one worker's loop thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "server/base/signal.h"
#include "server/config/targets.h"
#include "server/transport/header_list.h"

namespace pingti::transport {

// How an exchange ended below HTTP. Only kNone says that the peer's message framing was complete;
// whether the answer is complete is for the dialect to say. (An HTTP/2 stream that the peer resets
// with NO_ERROR ends with kNone, too, where its answer has no content-length: libcurl 7.88.)
enum class TransportError {
  kNone,
  kHostUnknown,     // the name of the host has no address
  kConnect,         // could not connect, or the TLS handshake failed
  kConnectTimeout,  // none of it within HttpRequest::connect_timeout
  kCut,             // reset, refused by an HTTP/2 peer, or the body ended early
  kTooLarge,        // header or body over its limit
  kProtocol,        // not HTTP
};

inline constexpr uint64_t kBodyBufferBytesMax = 64 * 1024;

struct HttpRequest {
  std::string url;
  config::HttpVersion version = config::HttpVersion::kHttp1;
  std::shared_ptr<const HeaderList> headers;
  std::string body;  // sent by POST
  absl::Duration connect_timeout;
  // Whether the host may be in a private network; otherwise such an address ends the exchange with
  // kConnect before a byte is sent (egress.h).
  bool private_network = false;
  // Certificates of the authorities that may vouch for the host, PEM. Null: the system's.
  std::shared_ptr<const std::string> ca_pem;
  // Most bytes of the decoded answer body; past it the exchange ends with kTooLarge.
  uint64_t answer_bytes_max = 0;
  // Unconsumed body past which the transfer stops reading from its connection. For an answer that
  // is read whole: answer_bytes_max.
  uint64_t buffer_bytes_max = kBodyBufferBytesMax;
};

// An exchange under way. Destroying it aborts it at once and closes its connection if it was not
// complete.
class HttpTransfer {
 public:
  virtual ~HttpTransfer() = default;

  // HTTP status of the answer; 0 until its header has arrived whole.
  virtual int status() const = 0;

  // Value of an answer header, by name in lower case; empty where there is none. Valid until
  // destruction.
  virtual std::string_view header(std::string_view lower_case_name) const = 0;

  // Bytes of the body that have arrived and were not consumed. Valid until Consume() or the next
  // return to the loop.
  virtual std::string_view body() const = 0;

  // Forgets the first `bytes` of body(). A transfer whose unconsumed body reaches
  // `buffer_bytes_max` stops reading from its connection until half of it is consumed: that is how
  // back-pressure reaches the provider.
  virtual void Consume(size_t bytes) = 0;

  // True when nothing more will arrive; body() may still have bytes.
  virtual bool done() const = 0;

  // Valid when done().
  virtual TransportError error() const = 0;

  // In words, for Failure::upstream_text; valid when done() with an error. No secrets.
  virtual std::string_view error_text() const = 0;

  // The connection to the provider stands (a new one, or one from the pool).
  virtual bool connected() const = 0;
};

class HttpTransport {
 public:
  virtual ~HttpTransport() = default;

  // Starts an exchange. `wake` is notified, never from within this call, after anything that the
  // transfer shows has changed; it must outlive the transfer.
  virtual std::unique_ptr<HttpTransfer> Start(HttpRequest request, base::Signal& wake) = 0;
};

}  // namespace pingti::transport
