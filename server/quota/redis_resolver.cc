#include "server/quota/redis_resolver.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <netdb.h>
#include <netinet/in.h>

#include <utility>

#include "server/base/check.h"

namespace pingti::quota {
namespace {

std::string NumericAddress(const addrinfo& found) {
  char text[INET6_ADDRSTRLEN] = "";
  if (found.ai_family == AF_INET) {
    const auto* address = reinterpret_cast<const sockaddr_in*>(found.ai_addr);
    inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
  } else if (found.ai_family == AF_INET6) {
    const auto* address = reinterpret_cast<const sockaddr_in6*>(found.ai_addr);
    inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof text);
  }
  return text;
}

}  // namespace

RedisResolver::~RedisResolver() {
  if (dns_ != nullptr) evdns_base_free(dns_, 0);
}

void RedisResolver::Start(const std::string& host, Done done) {
  PINGTI_CHECK(!done_, "one question at a time");
  if (dns_ != nullptr) evdns_base_free(dns_, 0);
  dns_ = evdns_base_new(loop_.base(), 0);
  if (dns_ == nullptr) return done({}, "no DNS client");
  // What these files lack it fills up by itself: the server is 127.0.0.1 then.
  evdns_base_resolv_conf_parse(dns_, DNS_OPTIONS_ALL, "/etc/resolv.conf");
  evdns_base_set_option(dns_, "timeout:", "1");
  evdns_base_set_option(dns_, "attempts:", "2");
  done_ = std::move(done);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_protocol = IPPROTO_TCP;
  evdns_getaddrinfo(dns_, host.c_str(), nullptr, &hints, &RedisResolver::OnDone, this);
}

void RedisResolver::OnDone(int error, addrinfo* found, void* self) {
  auto* resolver = static_cast<RedisResolver*>(self);
  std::vector<std::string> addresses;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    std::string address = NumericAddress(*each);
    if (!address.empty() && addresses.size() < kAddressesMax) {
      addresses.push_back(std::move(address));
    }
  }
  if (found != nullptr) evutil_freeaddrinfo(found);
  std::string problem;
  if (addresses.empty()) {
    problem = error == 0 ? "the name has no address" : evutil_gai_strerror(error);
  }
  std::exchange(resolver->done_, nullptr)(std::move(addresses), std::move(problem));
}

}  // namespace pingti::quota
