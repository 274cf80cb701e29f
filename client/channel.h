// How a target becomes a gRPC channel.
//
// Thread-safety: pure functions. Errors: INVALID_ARGUMENT, naming what is wrong.
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <string_view>

#include "client/options.h"
#include "client/result.h"

namespace pingti::client {

// A target in gRPC's own words.
struct ChannelTarget {
  std::string address;
  bool tls = false;
};

// `https://host` -> {host:443, TLS}, `http://host` -> {host:80, plain}; everything else is left to
// gRPC's resolvers and uses TLS when `tls` says so. A URL with a path, a query or a user name is
// refused: gRPC has no use for them, and dropping them in silence would hide a mistake.
Result<ChannelTarget> ResolveTarget(std::string_view target, bool tls);

// A lazily connecting channel: it opens its connection with the first call. Retries are off, so
// that a call is sent once and the decision to repeat it stays with the caller.
Result<std::shared_ptr<grpc::Channel>> MakeChannel(const ClientOptions& options);

}  // namespace pingti::client
