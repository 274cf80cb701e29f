// API keys as messages of pingti.v1.Accounts.
#pragma once

#include <vector>

#include "pingti/v1/accounts_service.pb.h"
#include "server/exchange/tenant_admin.h"
#include "server/rpc/query.h"

namespace pingti::rpc {

// `currency`: of the ledger.
void WriteKey(const tenancy::StoredKey& from, base::Currency currency, v1::Key* to);

// FIELD_INVALID of what cannot be a time; the rest is checked by exchange::CreateKey.
QueryError ReadKeyRequest(const v1::CreateKeyRequest& from, exchange::KeyRequest* to);

// FIELD_INVALID where it is below 0 or none at all.
QueryError ReadDuration(const char* field, const google::protobuf::Duration& from,
                        absl::Duration* to);

}  // namespace pingti::rpc
