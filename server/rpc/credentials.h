// What a call shows of who makes it: its API key, and what gRPC knows of the
// peer.
//
// The identities come from the certificate that the peer's TLS handshake has proved, and from
// nowhere else: nothing that a caller writes into metadata can be one. So a listener that asks for
// certificates has to verify them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <grpcpp/security/auth_context.h>
#include <grpcpp/server_context.h>

#include "absl/functional/function_ref.h"

namespace pingti::rpc {

// Of a certificate's names so many are looked at.
inline constexpr size_t kPeerIdentitiesMax = 16;

struct Credentials {
  std::string_view authorization;            // lives as long as the call; empty: none was sent
  std::vector<std::string> peer_identities;  // only where none was sent
};

Credentials CredentialsOf(const grpc::ServerContext& context);

// The same of its parts. `peer` is asked only where no key was sent: making what it returns costs
// something. It may return null: nothing is known.
using AskPeer = absl::FunctionRef<std::shared_ptr<const grpc::AuthContext>()>;
Credentials PickCredentials(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata,
                            AskPeer peer);

}  // namespace pingti::rpc
