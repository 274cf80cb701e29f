// Which addresses a provider's host may resolve to. Who answers for a name may change what it
// resolves to, and our API keys are sent to whatever that is: so a name on the Internet never leads
// to our own networks, and nothing leads to where cloud providers hand out credentials.
#pragma once

#include <sys/socket.h>

#include <string>

namespace pingti::transport {

enum class AddressKind {
  kPublic,
  kPrivate,    // loopback, private use (RFC 1918, RFC 4193), shared by carriers (RFC 6598)
  kForbidden,  // link-local, metadata services of clouds, multicast, reserved, no IP at all
};

// By the special-purpose registries of IANA. An IPv4 address inside of an IPv6 address (mapped,
// NAT64, 6to4) counts as what it is inside. REQUIRES: `address` has the size of its family.
AddressKind KindOf(const sockaddr& address);

// "10.0.0.1"; for messages.
std::string AddressText(const sockaddr& address);

}  // namespace pingti::transport
