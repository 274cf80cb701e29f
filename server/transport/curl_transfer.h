// One exchange of CurlTransport. Not used elsewhere.
#pragma once

#include <curl/curl.h>

#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "server/transport/curl_transport.h"

namespace pingti::transport {

// Header block of an answer past which the exchange ends with kTooLarge.
inline constexpr size_t kHeaderBytesMax = 64 * 1024;

class CurlTransfer final : public HttpTransfer {
 public:
  CurlTransfer(CurlTransport& transport, HttpRequest request, base::Signal& wake);
  ~CurlTransfer() override;
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  int status() const override { return status_; }
  std::string_view header(std::string_view lower_case_name) const override;
  std::string_view body() const override { return std::string_view(body_).substr(consumed_); }
  void Consume(size_t bytes) override;
  bool done() const override { return done_; }
  TransportError error() const override { return error_; }
  std::string_view error_text() const override { return error_text_; }
  bool connected() const override { return connected_; }

 private:
  friend class CurlTransport;

  // Options that stay the same for every transfer of a handle.
  static void SetUpOnce(CURL* easy);
  void SetUp(CURL* easy);
  // Whose word counts for who the host is: those of HttpRequest::ca_pem alone, or the system's.
  static void Trust(const std::string& ca_pem, CURL* easy);
  static void TrustTheSystem(CURL* easy);
  static size_t OnHeader(char* data, size_t size, size_t count, void* self);
  static size_t OnBody(char* data, size_t size, size_t count, void* self);
  static int OnConnected(void* self, char*, char*, int, int);
  static curl_socket_t OnOpenSocket(void* self, curlsocktype, curl_sockaddr* address);
  void Finish(CURLcode code);

  CurlTransport& transport_;
  HttpRequest request_;
  base::Signal& wake_;
  CURL* easy_ = nullptr;
  std::string headers_;  // the last header block, lines with their CRLF
  std::string body_;
  size_t consumed_ = 0;
  uint64_t body_bytes_ = 0;  // received in all
  int status_ = 0;
  bool connected_ = false;
  absl::InlinedVector<CurlTransport::SocketWatch*, 2> watches_;  // of its sockets
  bool paused_ = false;
  bool too_large_ = false;
  bool done_ = false;
  bool touched_ = false;
  TransportError error_ = TransportError::kNone;
  std::string error_text_;
  std::string address_refused_;  // why the last address that the host has was not connected to
};

}  // namespace pingti::transport
