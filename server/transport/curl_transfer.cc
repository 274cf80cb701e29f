#include "server/transport/curl_transfer.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "server/base/check.h"
#include "server/base/strings.h"
#include "server/transport/egress.h"

namespace pingti::transport {
namespace {

constexpr long kReceiveBufferBytes = 16 * 1024;
// What libcurl reads from an HTTP/2 connection at a time. With a smaller buffer of ours it loses
// the end of an answer that comes in one piece with more than fits into the buffer.
constexpr long kHttp2ReceiveBufferBytes = 32 * 1024;
constexpr long kSendBufferBytes = 16 * 1024;
constexpr long kDnsCacheSeconds = 300;

TransportError ErrorOf(CURLcode code, bool connected) {
  switch (code) {
    case CURLE_OK:
      return TransportError::kNone;
    case CURLE_COULDNT_RESOLVE_HOST:
      return TransportError::kHostUnknown;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_PEER_FAILED_VERIFICATION:
      return TransportError::kConnect;
    case CURLE_OPERATION_TIMEDOUT:
      return connected ? TransportError::kCut : TransportError::kConnectTimeout;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_ABORTED_BY_CALLBACK:  // OnConnected()
    case CURLE_HTTP2_STREAM:         // RST_STREAM
    case CURLE_HTTP2:                // GOAWAY that leaves the stream out
      return TransportError::kCut;
    default:
      return TransportError::kProtocol;
  }
}

long VersionOf(const HttpRequest& request) {
  if (request.version == config::HttpVersion::kHttp1) return CURL_HTTP_VERSION_1_1;
  const bool tls = absl::StartsWithIgnoreCase(base::AbslView(request.url), "https:");
  return tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
}

}  // namespace

CurlTransfer::CurlTransfer(CurlTransport& transport, HttpRequest request, base::Signal& wake)
    : transport_(transport), request_(std::move(request)), wake_(wake) {
  easy_ = transport_.TakeEasy();
  SetUp(easy_);
}

CurlTransfer::~CurlTransfer() { transport_.Retire(this); }

void CurlTransfer::SetUpOnce(CURL* easy) {
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NETRC, long{CURL_NETRC_IGNORED});
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kSendBufferBytes);
  curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, kDnsCacheSeconds);
  // Else libcurl waits in the loop's thread, which all calls share, until a look-up that nobody
  // wants any more has had its answer. With it that look-up's thread ends by itself.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  // Asks for no compression, and still decodes it where a provider sends it all the same.
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "identity");
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &CurlTransfer::OnHeader);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &CurlTransfer::OnBody);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &CurlTransfer::OnConnected);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &CurlTransfer::OnOpenSocket);
}

void CurlTransfer::SetUp(CURL* easy) {
  curl_easy_setopt(easy, CURLOPT_URL, request_.url.c_str());
  const long version = VersionOf(request_);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
  const bool http2 = version != CURL_HTTP_VERSION_1_1;
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE,
                   http2 ? kHttp2ReceiveBufferBytes : kReceiveBufferBytes);
  // libcurl 7.88 begins HTTP/2 anew on a connection that has it already, and on one that has
  // HTTP/1.1 (curl #10634), where it was told to speak it without asking.
  const long once = version == CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE ? 1 : 0;
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, once);
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, once);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request_.headers ? request_.headers->list() : nullptr);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request_.body.data());
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                   static_cast<curl_off_t>(request_.body.size()));
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   std::max<long>(1, absl::ToInt64Milliseconds(request_.connect_timeout)));
  if (request_.ca_pem) Trust(*request_.ca_pem, easy);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, this);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
}

void CurlTransfer::Trust(const std::string& ca_pem, CURL* easy) {
  // Copied, and instead of libcurl's file. Its folder would count beside it.
  curl_blob pem = {const_cast<char*>(ca_pem.data()), ca_pem.size(), CURL_BLOB_COPY};
  curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &pem);
  curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
}

void CurlTransfer::TrustTheSystem(CURL* easy) {
  const char* folder = nullptr;  // that libcurl was built with
  curl_easy_getinfo(easy, CURLINFO_CAPATH, &folder);
  curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, nullptr);
  curl_easy_setopt(easy, CURLOPT_CAPATH, folder);
}

std::string_view CurlTransfer::header(std::string_view lower_case_name) const {
  std::string_view rest = headers_;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size() - 1);
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos ||
        !absl::EqualsIgnoreCase(base::AbslView(line.substr(0, colon)),
                                base::AbslView(lower_case_name))) {
      continue;
    }
    const auto value = absl::StripAsciiWhitespace(base::AbslView(line.substr(colon + 1)));
    return {value.data(), value.size()};
  }
  return {};
}

void CurlTransfer::Consume(size_t bytes) {
  consumed_ += bytes;
  PINGTI_CHECK(consumed_ <= body_.size(), "only what is there can be consumed");
  if (consumed_ == body_.size()) {
    body_.clear();
    consumed_ = 0;
  } else if (consumed_ > body_.size() / 2) {
    body_.erase(0, consumed_);
    consumed_ = 0;
  }
  if (paused_ && body_.size() - consumed_ <= request_.buffer_bytes_max / 2) {
    paused_ = false;
    --transport_.paused_;
    // May call OnBody() at once with what libcurl had kept back.
    curl_easy_pause(easy_, CURLPAUSE_CONT);
  }
}

size_t CurlTransfer::OnHeader(char* data, size_t size, size_t count, void* self) {
  auto* transfer = static_cast<CurlTransfer*>(self);
  const std::string_view line(data, size * count);
  if (transfer->status_ != 0) return line.size();             // trailers
  if (line.starts_with("HTTP/")) transfer->headers_.clear();  // after a 1xx
  if (transfer->headers_.size() + line.size() > kHeaderBytesMax) {
    transfer->too_large_ = true;
    return 0;
  }
  transfer->headers_.append(line);
  if (line == "\r\n" || line == "\n") {
    long status = 0;
    curl_easy_getinfo(transfer->easy_, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200) {
      transfer->status_ = static_cast<int>(status);
      transfer->transport_.Touch(transfer);
    }
  }
  return line.size();
}

size_t CurlTransfer::OnBody(char* data, size_t size, size_t count, void* self) {
  auto* transfer = static_cast<CurlTransfer*>(self);
  const size_t bytes = size * count;
  if (transfer->body_.size() - transfer->consumed_ >= transfer->request_.buffer_bytes_max) {
    if (!transfer->paused_) ++transfer->transport_.paused_;
    transfer->paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  transfer->body_bytes_ += bytes;
  if (transfer->body_bytes_ > transfer->request_.answer_bytes_max) {
    transfer->too_large_ = true;
    return 0;
  }
  transfer->body_.append(data, bytes);
  transfer->transport_.Touch(transfer);
  return bytes;
}

// libcurl sends a request by itself once more where a connection from the pool has ended before any
// of the answer came, and where an HTTP/2 provider has refused the stream. The provider may have
// worked on it, so that would be an attempt that nobody counts: whether there is another one is for
// the call to decide.
int CurlTransfer::OnConnected(void* self, char*, char*, int, int) {
  auto* transfer = static_cast<CurlTransfer*>(self);
  if (transfer->connected_) return CURL_PREREQFUNC_ABORT;
  transfer->connected_ = true;
  return CURL_PREREQFUNC_OK;
}

// Called for each address that libcurl is about to try.
curl_socket_t CurlTransfer::OnOpenSocket(void* self, curlsocktype, curl_sockaddr* address) {
  auto* transfer = static_cast<CurlTransfer*>(self);
  if (transfer->connected_) return CURL_SOCKET_BAD;  // for what OnConnected() would not allow
  const AddressKind kind = KindOf(address->addr);
  if (kind == AddressKind::kForbidden) {
    transfer->address_refused_ =
        base::StrCat(AddressText(address->addr), " may never be connected to");
    return CURL_SOCKET_BAD;
  }
  if (kind == AddressKind::kPrivate && !transfer->request_.private_network) {
    transfer->address_refused_ =
        base::StrCat(AddressText(address->addr),
                     " is in a private network, which this provider's host may not be in "
                     "(private_network)");
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

void CurlTransfer::Finish(CURLcode code) {
  done_ = true;
  error_ = too_large_ ? TransportError::kTooLarge : ErrorOf(code, connected_);
  const bool was_about_to_repeat =
      connected_ && (code == CURLE_ABORTED_BY_CALLBACK || error_ == TransportError::kConnect ||
                     error_ == TransportError::kHostUnknown);
  if (error_ == TransportError::kTooLarge) {
    error_text_ = "answer over the limit";
  } else if (was_about_to_repeat) {
    error_ = TransportError::kCut;
    error_text_ = "the connection ended before the answer began";
  } else if (error_ != TransportError::kNone) {
    error_text_ = error_ == TransportError::kConnect && !address_refused_.empty()
                      ? address_refused_
                      : curl_easy_strerror(code);
  }
}

}  // namespace pingti::transport
