#include "server/rpc/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include <grpc/grpc_security_constants.h>

#include "server/admission/authenticate.h"

namespace pingti::rpc {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// What is picked where gRPC knows this of the peer.
Credentials Pick(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata,
                 const grpc::AuthContext* peer) {
  return PickCredentials(metadata, [&] {
    return std::shared_ptr<const grpc::AuthContext>(peer, [](const grpc::AuthContext*) {});
  });
}

using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

constexpr char kSpiffe[] = "spiffe://company/acme";

// Of no context; nobody goes through it.
class NoProperty final : public grpc::AuthPropertyIterator {};

// What gRPC knows of a peer, property by property.
class FakeAuthContext final : public grpc::AuthContext {
 public:
  bool IsPeerAuthenticated() const override { return !identity_name_.empty(); }
  std::vector<grpc::string_ref> GetPeerIdentity() const override {
    return FindPropertyValues(identity_name_);
  }
  std::string GetPeerIdentityPropertyName() const override { return identity_name_; }
  std::vector<grpc::string_ref> FindPropertyValues(const std::string& name) const override {
    std::vector<grpc::string_ref> values;
    for (const auto& [property, value] : properties_) {
      if (property == name) values.emplace_back(value);
    }
    return values;
  }
  grpc::AuthPropertyIterator begin() const override { return NoProperty(); }
  grpc::AuthPropertyIterator end() const override { return NoProperty(); }
  void AddProperty(const std::string& key, const grpc::string_ref& value) override {
    properties_.emplace_back(key, std::string(value.data(), value.size()));
  }
  bool SetPeerIdentityPropertyName(const std::string& name) override {
    identity_name_ = name;
    return true;
  }

 private:
  std::vector<std::pair<std::string, std::string>> properties_;
  std::string identity_name_;
};

// As after a TLS handshake in which the peer has proved to have these alternative names.
FakeAuthContext Certified(const std::vector<std::string>& names) {
  FakeAuthContext peer;
  peer.AddProperty(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME, GRPC_SSL_TRANSPORT_SECURITY_TYPE);
  peer.AddProperty(GRPC_X509_SUBJECT_PROPERTY_NAME, "CN=acme");
  for (const std::string& name : names) peer.AddProperty(GRPC_X509_SAN_PROPERTY_NAME, name);
  peer.SetPeerIdentityPropertyName(GRPC_X509_SAN_PROPERTY_NAME);
  return peer;
}

TEST(CredentialsTest, ACertifiedPeerHasItsIdentities) {
  const FakeAuthContext peer = Certified({kSpiffe, "acme.company.test"});
  const Credentials credentials = Pick({}, &peer);
  EXPECT_EQ(credentials.authorization, "");
  EXPECT_THAT(credentials.peer_identities, ElementsAre("CN=acme", kSpiffe, "acme.company.test"));
}

TEST(CredentialsTest, AKeyThatIsSentWins) {
  const FakeAuthContext peer = Certified({kSpiffe});
  const Credentials credentials = Pick({{"authorization", "Bearer pt_x_y"}}, &peer);
  EXPECT_EQ(credentials.authorization, "Bearer pt_x_y");
  EXPECT_THAT(credentials.peer_identities, IsEmpty());
}

TEST(CredentialsTest, WhereAKeyIsSentThePeerIsNotAsked) {
  bool asked = false;
  const auto ask = [&] {
    asked = true;
    return std::shared_ptr<const grpc::AuthContext>();
  };
  PickCredentials({{"authorization", "x"}}, ask);
  EXPECT_FALSE(asked);
  PickCredentials({}, ask);
  EXPECT_TRUE(asked);
}

TEST(CredentialsTest, WithoutACertificateThereIsNoIdentity) {
  EXPECT_THAT(Pick({}, nullptr).peer_identities, IsEmpty());
  FakeAuthContext plain;
  plain.AddProperty(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME, "insecure");
  plain.AddProperty(GRPC_X509_SAN_PROPERTY_NAME, kSpiffe);
  EXPECT_THAT(Pick({}, &plain).peer_identities, IsEmpty());
  // TLS in which the client has shown no certificate.
  FakeAuthContext server_only;
  server_only.AddProperty(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME,
                          GRPC_SSL_TRANSPORT_SECURITY_TYPE);
  EXPECT_THAT(Pick({}, &server_only).peer_identities, IsEmpty());
  // Some other proof than a certificate.
  FakeAuthContext local;
  local.AddProperty(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME, "local");
  local.AddProperty("service_account", kSpiffe);
  local.SetPeerIdentityPropertyName("service_account");
  EXPECT_THAT(Pick({}, &local).peer_identities, IsEmpty());
}

TEST(CredentialsTest, MetadataCannotClaimAnIdentity) {
  Metadata metadata;
  for (const char* name :
       {GRPC_X509_SAN_PROPERTY_NAME, GRPC_X509_SUBJECT_PROPERTY_NAME, GRPC_X509_CN_PROPERTY_NAME,
        GRPC_PEER_SPIFFE_ID_PROPERTY_NAME, GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME,
        "x-forwarded-client-cert", "x-peer-identity", "peer_identities", "identity"}) {
    metadata.emplace(name, kSpiffe);
  }
  metadata.emplace(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME, GRPC_SSL_TRANSPORT_SECURITY_TYPE);
  FakeAuthContext plain;
  plain.AddProperty(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME, "insecure");
  EXPECT_THAT(Pick(metadata, &plain).peer_identities, IsEmpty());
  EXPECT_THAT(Pick(metadata, nullptr).peer_identities, IsEmpty());
  const FakeAuthContext other = Certified({"spiffe://company/other"});
  EXPECT_THAT(Pick(metadata, &other).peer_identities,
              ElementsAre("CN=acme", "spiffe://company/other"));
}

TEST(CredentialsTest, ACertificateWithManyNamesIsBounded) {
  std::vector<std::string> names;
  for (int i = 0; i < 1'000; ++i) names.push_back("name" + std::to_string(i));
  const FakeAuthContext peer = Certified(names);
  EXPECT_THAT(Pick({}, &peer).peer_identities, SizeIs(kPeerIdentitiesMax));
}

}  // namespace
}  // namespace pingti::rpc
