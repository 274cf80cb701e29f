// Fields of ListUsage: what to sum up, by what, and where the next page goes on.
#pragma once

#include <string>

#include "pingti/v1/accounts_service.pb.h"
#include "server/billing/ledger_types.h"
#include "server/rpc/query.h"

namespace pingti::rpc {

// `model`, `key_id`, `labels`, `label`, `group_by` and `page_token` into `filter`. FIELD_INVALID.
QueryError ReadUsageFilter(const v1::ListUsageRequest& request, billing::UsageFilter* filter);

// Token of the page behind `row`, which came with `filter`. It is good for the same grouping only.
std::string UsageToken(const v1::UsageRow& row, const billing::UsageFilter& filter);

}  // namespace pingti::rpc
