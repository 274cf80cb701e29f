#include "client/channel.h"

#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <utility>

namespace pingti::client {
namespace {

constexpr std::size_t kTargetBytesMax = 1024;

Error Invalid(std::string message) {
  return LocalError(grpc::StatusCode::INVALID_ARGUMENT, std::move(message));
}

bool IsPrintableAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

// Whether `host` (of a URL) says its port: the last colon stands behind the bracket of an IPv6
// address, if there is one.
bool HasPort(std::string_view host) {
  const auto colon = host.rfind(':');
  if (colon == std::string_view::npos) return false;
  const auto bracket = host.rfind(']');
  return bracket == std::string_view::npos || colon > bracket;
}

Result<ChannelTarget> FromUrl(std::string_view host, bool tls, std::string_view default_port) {
  if (host.ends_with('/')) host.remove_suffix(1);
  if (host.empty()) return Invalid("the target has no host");
  if (host.find_first_of("/?#@") != std::string_view::npos) {
    return Invalid("the target may have a host and a port, nothing else: '" + std::string(host) +
                   "'");
  }
  std::string address(host);
  if (!HasPort(host)) address.append(":").append(default_port);
  return ChannelTarget{"dns:///" + address, tls};
}

}  // namespace

Result<ChannelTarget> ResolveTarget(std::string_view target, bool tls) {
  if (target.empty()) return Invalid("the target is empty");
  if (target.size() > kTargetBytesMax) return Invalid("the target is too long");
  if (!IsPrintableAscii(target) || target.find(' ') != std::string_view::npos) {
    return Invalid("the target holds a space or a character that is not printable ASCII");
  }
  constexpr std::string_view kHttps = "https://";
  constexpr std::string_view kHttp = "http://";
  if (target.starts_with(kHttps)) return FromUrl(target.substr(kHttps.size()), true, "443");
  if (target.starts_with(kHttp)) {
    if (tls) return Invalid("an http:// target has no TLS; write https://");
    return FromUrl(target.substr(kHttp.size()), false, "80");
  }
  return ChannelTarget{std::string(target), tls};
}

Result<std::shared_ptr<grpc::Channel>> MakeChannel(const ClientOptions& options) {
  if (!IsPrintableAscii(options.user_agent)) {
    return Invalid("the user agent holds a character that is not printable ASCII");
  }
  if (options.message_bytes_max <= 0) return Invalid("message_bytes_max must be above 0");
  if (options.keepalive_time.count() <= 0 || options.keepalive_timeout.count() <= 0) {
    return Invalid("the keep-alive times must be above 0");
  }
  Result<ChannelTarget> target = ResolveTarget(options.target, options.tls);
  if (!target.ok()) return target.error();

  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetMaxReceiveMessageSize(options.message_bytes_max);
  arguments.SetMaxSendMessageSize(options.message_bytes_max);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(options.keepalive_time.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                   static_cast<int>(options.keepalive_timeout.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);
  arguments.SetUserAgentPrefix(options.user_agent);

  std::shared_ptr<grpc::ChannelCredentials> credentials;
  if (target->tls) {
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = options.root_certificates_pem;
    credentials = grpc::SslCredentials(ssl);
  } else {
    credentials = grpc::InsecureChannelCredentials();
  }
  return grpc::CreateCustomChannel(target->address, credentials, arguments);
}

}  // namespace pingti::client
