// The methods of pingti.v1.Accounts about tenants and keys: between the messages of the protocol
// and exchange/tenant_admin.h.
#pragma once

#include "server/rpc/query.h"

namespace pingti::rpc {

base::Task<QueryError> AnswerCreateTenant(QueryContext context);
base::Task<QueryError> AnswerSuspendTenant(QueryContext context);
base::Task<QueryError> AnswerResumeTenant(QueryContext context);
base::Task<QueryError> AnswerDeleteTenant(QueryContext context);
base::Task<QueryError> AnswerSetTier(QueryContext context);
base::Task<QueryError> AnswerSetIdentities(QueryContext context);
base::Task<QueryError> AnswerListTenants(QueryContext context);
base::Task<QueryError> AnswerCreateKey(QueryContext context);
base::Task<QueryError> AnswerRotateKey(QueryContext context);
base::Task<QueryError> AnswerRevokeKey(QueryContext context);
base::Task<QueryError> AnswerListKeys(QueryContext context);

}  // namespace pingti::rpc
