// `pingti tenant` and `pingti key`. A new key is all that standard output gets, so that a script
// can keep it.
//
// Thread-safety: none; the main thread's. Errors: written to standard error; the exit code says
// which kind.
#pragma once

#include <string>
#include <vector>

#include "client/command/session.h"
#include "pingti/v1/accounts_service.pb.h"

namespace pingti::command {

ExitCode RunTenants(const Session& session);

std::string TenantsTable(const std::vector<v1::Tenant>& tenants, bool color);
std::string KeysTable(const std::vector<v1::Key>& keys, bool color);

}  // namespace pingti::command
