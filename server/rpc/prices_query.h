// ListPrices of pingti.v1.Accounts: between the messages of the protocol and exchange/price_list.h.
#pragma once

#include "server/rpc/query.h"

namespace pingti::rpc {

base::Task<QueryError> AnswerListPrices(QueryContext context);

}  // namespace pingti::rpc
