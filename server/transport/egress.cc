#include "server/transport/egress.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace pingti::transport {
namespace {

struct Block4 {
  uint32_t address;
  int bits;
  AddressKind kind;
};

constexpr uint32_t Ip4(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

// The first that holds the address decides. IANA, IPv4 Special-Purpose Address Registry.
constexpr Block4 kBlocks4[] = {
    {Ip4(100, 100, 100, 200), 32, AddressKind::kForbidden},  // metadata service of Alibaba Cloud
    {Ip4(0, 0, 0, 0), 8, AddressKind::kForbidden},           // this network
    {Ip4(10, 0, 0, 0), 8, AddressKind::kPrivate},
    {Ip4(100, 64, 0, 0), 10, AddressKind::kPrivate},
    {Ip4(127, 0, 0, 0), 8, AddressKind::kPrivate},
    {Ip4(169, 254, 0, 0), 16, AddressKind::kForbidden},  // link-local, with most metadata services
    {Ip4(172, 16, 0, 0), 12, AddressKind::kPrivate},
    {Ip4(192, 0, 0, 0), 24, AddressKind::kForbidden},  // protocol assignments; Oracle's metadata
    {Ip4(192, 168, 0, 0), 16, AddressKind::kPrivate},
    {Ip4(198, 18, 0, 0), 15, AddressKind::kPrivate},  // benchmarks of networks
    {Ip4(224, 0, 0, 0), 3, AddressKind::kForbidden},  // multicast, reserved, broadcast
};

AddressKind KindOf4(uint32_t address) {
  for (const Block4& block : kBlocks4) {
    if ((address ^ block.address) >> (32 - block.bits) == 0) return block.kind;
  }
  return AddressKind::kPublic;
}

using Bytes6 = std::array<uint8_t, 16>;

uint32_t Inner4(const Bytes6& bytes, size_t at) {
  return Ip4(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
}

bool Begins(const Bytes6& bytes, std::initializer_list<uint8_t> with) {
  return std::equal(with.begin(), with.end(), bytes.begin());
}

// IANA, IPv6 Special-Purpose Address Registry.
AddressKind KindOf6(const Bytes6& bytes) {
  constexpr Bytes6 kLoopback = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  constexpr Bytes6 kAmazonMetadata = {0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0,    0,
                                      0,    0,    0,    0,    0, 0, 0x02, 0x54};
  if (bytes == kLoopback) return AddressKind::kPrivate;
  if (bytes == kAmazonMetadata) return AddressKind::kForbidden;
  if (Begins(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}) ||
      Begins(bytes, {0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) {
    return KindOf4(Inner4(bytes, 12));
  }
  if (Begins(bytes, {0x20, 0x02})) return KindOf4(Inner4(bytes, 2));
  if ((bytes[0] & 0xfe) == 0xfc) return AddressKind::kPrivate;
  // Global unicast is 2000::/3; the rest is link-local, multicast, or means nothing here.
  return (bytes[0] & 0xe0) == 0x20 ? AddressKind::kPublic : AddressKind::kForbidden;
}

}  // namespace

AddressKind KindOf(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in ip4;
    std::memcpy(&ip4, &address, sizeof(ip4));
    return KindOf4(ntohl(ip4.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 ip6;
    std::memcpy(&ip6, &address, sizeof(ip6));
    Bytes6 bytes;
    std::memcpy(bytes.data(), &ip6.sin6_addr, bytes.size());
    return KindOf6(bytes);
  }
  return AddressKind::kForbidden;
}

std::string AddressText(const sockaddr& address) {
  char text[INET6_ADDRSTRLEN] = "no IP address";
  if (address.sa_family == AF_INET) {
    sockaddr_in ip4;
    std::memcpy(&ip4, &address, sizeof(ip4));
    inet_ntop(AF_INET, &ip4.sin_addr, text, sizeof(text));
  } else if (address.sa_family == AF_INET6) {
    sockaddr_in6 ip6;
    std::memcpy(&ip6, &address, sizeof(ip6));
    inet_ntop(AF_INET6, &ip6.sin6_addr, text, sizeof(text));
  }
  return text;
}

}  // namespace pingti::transport
