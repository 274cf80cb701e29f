// The methods of pingti.v1.Accounts: between the messages of the protocol and exchange/accounts.h.
#pragma once

#include "server/rpc/query.h"

namespace pingti::rpc {

base::Task<QueryError> AnswerGetBalance(QueryContext context);
base::Task<QueryError> AnswerTopUp(QueryContext context);
base::Task<QueryError> AnswerAdjust(QueryContext context);
base::Task<QueryError> AnswerListTransfers(QueryContext context);
base::Task<QueryError> AnswerListUsage(QueryContext context);
base::Task<QueryError> AnswerVerifyLedger(QueryContext context);

}  // namespace pingti::rpc
