#include "server/transport/egress.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/transport/transport_fixture.h"

namespace pingti::transport {
namespace {

using testing::Connection;
using ::testing::HasSubstr;

// REQUIRES: `text` is an address.
sockaddr_storage Address(const std::string& text) {
  sockaddr_storage storage = {};
  sockaddr_in ip4 = {};
  sockaddr_in6 ip6 = {};
  if (inet_pton(AF_INET, text.c_str(), &ip4.sin_addr) == 1) {
    ip4.sin_family = AF_INET;
    std::memcpy(&storage, &ip4, sizeof(ip4));
  } else if (inet_pton(AF_INET6, text.c_str(), &ip6.sin6_addr) == 1) {
    ip6.sin6_family = AF_INET6;
    std::memcpy(&storage, &ip6, sizeof(ip6));
  } else {
    ADD_FAILURE() << text << " is no address";
  }
  return storage;
}

AddressKind Kind(const std::string& text) {
  const sockaddr_storage storage = Address(text);
  const auto& address = reinterpret_cast<const sockaddr&>(storage);
  EXPECT_EQ(AddressText(address), text);
  return KindOf(address);
}

TEST(EgressTest, KnowsTheNetworksThatAreNotTheInternet) {
  for (const char* text :
       {"8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255",
        "172.32.0.0", "192.167.255.255", "223.255.255.255", "2001:4860:4860::8888",
        "2606:4700::1111", "2002:808:808::1", "64:ff9b::808:808", "::ffff:8.8.8.8"}) {
    EXPECT_EQ(Kind(text), AddressKind::kPublic) << text;
  }
  for (const char* text :
       {"127.0.0.1", "127.255.255.254", "10.0.0.1", "10.255.255.255", "172.16.0.1",
        "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255", "198.18.0.1", "::1",
        "fc00::1", "fdff::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1",
        "2002:a00:1::1"}) {
    EXPECT_EQ(Kind(text), AddressKind::kPrivate) << text;
  }
  for (const char* text :
       {"169.254.169.254", "169.254.0.1", "100.100.100.200", "192.0.0.192", "0.0.0.0", "0.1.2.3",
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "fe80::1", "ff02::1", "::", "fd00:ec2::254",
        "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fec0::1"}) {
    EXPECT_EQ(Kind(text), AddressKind::kForbidden) << text;
  }
}

TEST(EgressTest, WhatIsNoInternetAddressIsForbidden) {
  sockaddr address = {};
  address.sa_family = AF_UNIX;
  EXPECT_EQ(KindOf(address), AddressKind::kForbidden);
  EXPECT_EQ(AddressText(address), "no IP address");
}

class EgressTransportTest : public testing::TransportFixture {};

TEST_F(EgressTransportTest, ANameThatLeadsIntoOurOwnNetworkIsNotConnectedTo) {
  HttpRequest request = Request();
  request.private_network = false;
  auto exchange = Start(std::move(request));
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kConnect);
  EXPECT_FALSE(exchange->transfer->connected());
  EXPECT_THAT(std::string(exchange->transfer->error_text()),
              HasSubstr("127.0.0.1 is in a private network"));
  EXPECT_TRUE(server_.connections().empty());
  Drop(std::move(exchange));
}

TEST_F(EgressTransportTest, ANameThatMayLeadThereDoes) {
  HttpRequest request = Request();
  // libcurl knows without a resolver that such a name is this machine (RFC 6761).
  const std::string port = request.url.substr(request.url.rfind(':'));
  request.url = "http://provider.localhost" + port;
  auto exchange = Start(std::move(request));
  Connection& peer = server_.WaitForRequest();
  EXPECT_THAT(peer.received(), HasSubstr("Host: provider.localhost"));
  Drop(std::move(exchange));

  request = Request();
  request.url = "http://provider.localhost" + port;
  request.private_network = false;
  exchange = Start(std::move(request));
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kConnect);
  EXPECT_EQ(server_.connections().size(), 1u);
  Drop(std::move(exchange));
}

TEST_F(EgressTransportTest, NothingLeadsToLinkLocalAddresses) {
  HttpRequest request = Request();
  request.url = "http://169.254.169.254/latest";
  request.private_network = true;
  auto exchange = Start(std::move(request));
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kConnect);
  EXPECT_THAT(std::string(exchange->transfer->error_text()),
              HasSubstr("169.254.169.254 may never be connected to"));
  Drop(std::move(exchange));
}

}  // namespace
}  // namespace pingti::transport
