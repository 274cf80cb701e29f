// Settings of a Client and of one call.
//
// Thread-safety: values. Errors: Client::Create() names the setting that cannot be.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

namespace pingti::client {

struct ClientOptions {
  // Where the server is: `host:port`, `[::1]:50051`, `dns:///name:port`, `unix:/path`, or a URL
  // `https://host[:port]` (TLS, port 443 unless given) or `http://host[:port]` (plain, port 80).
  std::string target = "127.0.0.1:50051";

  // The API key, `pt_...`; sent as `authorization: Bearer <key>`. Empty: none is sent. Without TLS
  // it crosses the network in the clear: that is for loopback and trusted networks.
  std::string api_key;

  // Use TLS although the target is not an `https://` URL.
  bool tls = false;

  // PEM of the authorities to trust; empty: those of the system. Only with TLS.
  std::string root_certificates_pem;

  // For calls that do not say. Never unlimited: a call without a deadline can hang for ever.
  std::chrono::milliseconds default_deadline = std::chrono::seconds(120);

  // Largest message in either direction, in bytes. Answers with many log probabilities are large;
  // the server has its own, smaller limit for requests.
  int message_bytes_max = 64 << 20;

  // While a call runs, a connection that is silent for `keepalive_time` is asked whether it is
  // alive, and given up when it does not say so in time. Servers refuse clients that ask more often
  // than every 10 s.
  std::chrono::milliseconds keepalive_time = std::chrono::seconds(30);
  std::chrono::milliseconds keepalive_timeout = std::chrono::seconds(10);

  // Put before gRPC's own in `user-agent`; printable ASCII.
  std::string user_agent = "pingti-client/" PINGTI_VERSION;
};

struct CallOptions {
  // The whole call, from now; not set: the client's default. Zero or less has already passed and
  // ends the call with DEADLINE_EXCEEDED.
  std::optional<std::chrono::milliseconds> deadline;

  // Ends the call with CANCELLED as soon as a stop is requested, from any thread. Default: never.
  std::stop_token cancel;
};

struct StreamOptions : CallOptions {
  // Deliver the model's reasoning, too, as it arrives.
  bool include_reasoning = false;
};

}  // namespace pingti::client
