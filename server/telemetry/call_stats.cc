#include "server/telemetry/call_stats.h"

namespace pingti::telemetry {

std::string_view UsageSourceName(model::UsageSource source) {
  switch (source) {
    case model::UsageSource::kNone:
      return "none";
    case model::UsageSource::kMeasured:
      return "measured";
    case model::UsageSource::kCounted:
      return "counted";
    case model::UsageSource::kEstimated:
      return "estimated";
  }
  base::CheckFailed(__FILE__, __LINE__, "known source", "UsageSource out of range");
}

std::string_view MethodName(Method method) {
  switch (method) {
    case Method::kUnary:
      return "unary";
    case Method::kStream:
      return "stream";
    case Method::kCountTokens:
      return "count_tokens";
    case Method::kGetQuota:
      return "get_quota";
    case Method::kListModels:
      return "list_models";
    case Method::kCreateEmbedding:
      return "create_embedding";
    case Method::kGetBalance:
      return "get_balance";
    case Method::kTopUp:
      return "top_up";
    case Method::kAdjust:
      return "adjust";
    case Method::kListTransfers:
      return "list_transfers";
    case Method::kListUsage:
      return "list_usage";
    case Method::kListPrices:
      return "list_prices";
    case Method::kVerifyLedger:
      return "verify_ledger";
    case Method::kCreateTenant:
      return "create_tenant";
    case Method::kSuspendTenant:
      return "suspend_tenant";
    case Method::kResumeTenant:
      return "resume_tenant";
    case Method::kDeleteTenant:
      return "delete_tenant";
    case Method::kSetTier:
      return "set_tier";
    case Method::kSetIdentities:
      return "set_identities";
    case Method::kListTenants:
      return "list_tenants";
    case Method::kCreateKey:
      return "create_key";
    case Method::kRotateKey:
      return "rotate_key";
    case Method::kRevokeKey:
      return "revoke_key";
    case Method::kListKeys:
      return "list_keys";
  }
  base::CheckFailed(__FILE__, __LINE__, "known method", "Method out of range");
}

std::string_view QuotaDimensionName(int dimension) {
  constexpr std::string_view kNames[kQuotaDimensionCount] = {
      "requests_per_minute", "tokens_per_minute", "requests_per_day", "tokens_per_day",
      "calls_at_once"};
  return kNames[dimension];
}

std::string_view StoreFailureName(StoreFailure failure) {
  constexpr std::string_view kNames[kStoreFailureCount] = {"timeout", "connection", "reply"};
  return kNames[static_cast<int>(failure)];
}

}  // namespace pingti::telemetry
