#include "server/rpc/credentials.h"

#include <grpc/grpc_security_constants.h>

namespace pingti::rpc {
namespace {

using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

std::string_view AuthorizationOf(const Metadata& metadata) {
  const auto found = metadata.find("authorization");
  if (found == metadata.end()) return {};
  return {found->second.data(), found->second.size()};
}

// Other ways to prove who one is (a connection on the same machine) name nobody that a tenant's
// configuration could mean.
bool HasCertificate(const grpc::AuthContext& peer) {
  if (!peer.IsPeerAuthenticated()) return false;
  const auto types = peer.FindPropertyValues(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);
  return types.size() == 1 && (types[0] == GRPC_SSL_TRANSPORT_SECURITY_TYPE ||
                               types[0] == GRPC_TLS_TRANSPORT_SECURITY_TYPE);
}

// The alternative names of the certificate, or its common name where it has none; its subject.
std::vector<std::string> IdentitiesOf(const grpc::AuthContext& peer) {
  std::vector<std::string> identities;
  if (!HasCertificate(peer)) return identities;
  const auto add = [&](const std::vector<grpc::string_ref>& values) {
    for (const grpc::string_ref& value : values) {
      if (identities.size() == kPeerIdentitiesMax) return;
      identities.emplace_back(value.data(), value.size());
    }
  };
  add(peer.FindPropertyValues(GRPC_X509_SUBJECT_PROPERTY_NAME));
  add(peer.GetPeerIdentity());
  return identities;
}

}  // namespace

Credentials PickCredentials(const Metadata& metadata, AskPeer peer) {
  Credentials credentials;
  credentials.authorization = AuthorizationOf(metadata);
  if (!credentials.authorization.empty()) return credentials;
  const std::shared_ptr<const grpc::AuthContext> known = peer();
  if (known != nullptr) credentials.peer_identities = IdentitiesOf(*known);
  return credentials;
}

Credentials CredentialsOf(const grpc::ServerContext& context) {
  return PickCredentials(context.client_metadata(), [&] { return context.auth_context(); });
}

}  // namespace pingti::rpc
