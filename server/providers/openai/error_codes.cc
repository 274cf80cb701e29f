#include "server/providers/openai/error_codes.h"

#include <string>

#include "absl/strings/ascii.h"
#include "server/base/strings.h"

namespace pingti::providers::openai {
namespace {

using model::FailureClass;

struct Row {
  std::string_view word;
  FailureClass failure_class;
};

// In lower case. Numbers are Zhipu's business codes. `server_error` and its like are not here: the
// HTTP status says more.
constexpr Row kWords[] = {
    {"rate_limit_exceeded", FailureClass::kRateLimited},
    {"rate_limit_error", FailureClass::kRateLimited},
    {"rate_limit_reached_error", FailureClass::kRateLimited},
    {"too_many_requests", FailureClass::kRateLimited},
    {"toomanyrequests", FailureClass::kRateLimited},
    {"tokens", FailureClass::kRateLimited},
    {"requests", FailureClass::kRateLimited},
    {"limit_requests", FailureClass::kRateLimited},
    {"limit_burst_rate", FailureClass::kRateLimited},
    {"resource_exhausted", FailureClass::kRateLimited},
    {"1302", FailureClass::kRateLimited},
    {"1303", FailureClass::kRateLimited},

    {"insufficient_quota", FailureClass::kOutOfCredit},
    {"insufficient_user_quota", FailureClass::kOutOfCredit},
    {"insufficient_balance", FailureClass::kOutOfCredit},
    {"exceeded_current_quota_error", FailureClass::kOutOfCredit},
    {"billing_hard_limit_reached", FailureClass::kOutOfCredit},
    {"billing_not_active", FailureClass::kOutOfCredit},
    {"arrearage", FailureClass::kOutOfCredit},
    {"accountoverdueerror", FailureClass::kOutOfCredit},
    {"allocationquota.freetieronly", FailureClass::kOutOfCredit},
    {"1113", FailureClass::kOutOfCredit},
    {"1304", FailureClass::kOutOfCredit},

    {"invalid_api_key", FailureClass::kBadKey},
    {"invalidapikey", FailureClass::kBadKey},
    {"incorrect_api_key", FailureClass::kBadKey},
    {"invalid_authentication_error", FailureClass::kBadKey},
    {"incorrect_api_key_error", FailureClass::kBadKey},
    {"authentication_error", FailureClass::kBadKey},
    {"authenticationerror", FailureClass::kBadKey},
    {"account_deactivated", FailureClass::kBadKey},
    {"1000", FailureClass::kBadKey},
    {"1001", FailureClass::kBadKey},
    {"1002", FailureClass::kBadKey},
    {"1003", FailureClass::kBadKey},
    {"1004", FailureClass::kBadKey},

    {"unsupported_country_region_territory", FailureClass::kRegionBlocked},

    {"context_length_exceeded", FailureClass::kContextTooLong},
    {"1261", FailureClass::kContextTooLong},

    {"model_not_found", FailureClass::kModelNotFound},
    {"deploymentnotfound", FailureClass::kModelNotFound},
    {"modelnotopen", FailureClass::kModelNotFound},
    {"invalidendpointormodel.notfound", FailureClass::kModelNotFound},
    {"resource_not_found_error", FailureClass::kModelNotFound},
    {"1211", FailureClass::kModelNotFound},

    {"content_filter", FailureClass::kContentFiltered},
    {"content_policy_violation", FailureClass::kContentFiltered},
    {"responsibleaipolicyviolation", FailureClass::kContentFiltered},
    {"data_inspection_failed", FailureClass::kContentFiltered},
    {"datainspectionfailed", FailureClass::kContentFiltered},
    {"1301", FailureClass::kContentFiltered},

    {"overloaded_error", FailureClass::kOverloaded},
    {"overloaded", FailureClass::kOverloaded},
    {"engine_overloaded", FailureClass::kOverloaded},
    {"engine_overloaded_error", FailureClass::kOverloaded},
    {"server_overloaded", FailureClass::kOverloaded},
    {"serveroverloaded", FailureClass::kOverloaded},
    {"service_unavailable", FailureClass::kOverloaded},
    {"serviceunavailable", FailureClass::kOverloaded},
    {"1305", FailureClass::kOverloaded},
};

// Families of codes: DashScope adds the quota, Volcengine the limit, to a common beginning.
constexpr Row kBeginnings[] = {
    {"throttling", FailureClass::kRateLimited},
    {"ratelimitexceeded", FailureClass::kRateLimited},
};

constexpr Row kEndings[] = {
    {"riskdetection", FailureClass::kContentFiltered},
};

// Phrases of messages, in lower case; the first that occurs decides.
constexpr Row kPhrases[] = {
    // One request that is larger than the whole limit: OpenAI sends it as 429, but no wait helps.
    {"request too large", FailureClass::kBadRequest},
    // DashScope gives its limit of tokens per minute the code `insufficient_quota`.
    {"allocated quota exceeded", FailureClass::kRateLimited},
    {"maximum context length", FailureClass::kContextTooLong},
    {"context length", FailureClass::kContextTooLong},
    {"context window", FailureClass::kContextTooLong},
    {"exceeded model token limit", FailureClass::kContextTooLong},
    {"range of input length", FailureClass::kContextTooLong},
    {"prompt is too long", FailureClass::kContextTooLong},
    {"model not exist", FailureClass::kModelNotFound},
    {"model does not exist", FailureClass::kModelNotFound},
    {"does not exist or you do not have access", FailureClass::kModelNotFound},
    {"insufficient balance", FailureClass::kOutOfCredit},
    {"api key not valid", FailureClass::kBadKey},
    {"incorrect api key", FailureClass::kBadKey},
    {"invalid api key", FailureClass::kBadKey},
};

}  // namespace

std::optional<FailureClass> ClassOfWord(std::string_view word) {
  if (word.empty()) return std::nullopt;
  std::string lower = absl::AsciiStrToLower(base::AbslView(word));
  for (const Row& row : kWords) {
    if (lower == row.word) return row.failure_class;
  }
  for (const Row& row : kBeginnings) {
    if (lower.starts_with(row.word)) return row.failure_class;
  }
  for (const Row& row : kEndings) {
    if (lower.ends_with(row.word)) return row.failure_class;
  }
  return std::nullopt;
}

std::optional<FailureClass> ClassOfMessage(std::string_view lower) {
  for (const Row& row : kPhrases) {
    if (lower.find(row.word) != std::string_view::npos) return row.failure_class;
  }
  return std::nullopt;
}

FailureClass ClassOfBaseStatus(int64_t status) {
  switch (status) {
    case 1002:
    case 1039:
      return FailureClass::kRateLimited;
    case 1004:
    case 2049:
      return FailureClass::kBadKey;
    case 1008:
      return FailureClass::kOutOfCredit;
    case 1026:
    case 1027:
      return FailureClass::kContentFiltered;
    case 2013:
      return FailureClass::kBadRequest;
    default:
      return FailureClass::kServerError;
  }
}

FailureClass ClassOfStatus(int status) {
  switch (status) {
    case 401:
    case 403:
      return FailureClass::kBadKey;
    case 402:
      return FailureClass::kOutOfCredit;
    case 404:
      return FailureClass::kModelNotFound;
    case 408:
    case 409:
    case 425:
      return FailureClass::kServerError;  // the request may be repeated as it is
    case 429:
      return FailureClass::kRateLimited;
    case 503:
    case 529:
      return FailureClass::kOverloaded;
    default:
      return status >= 400 && status < 500 ? FailureClass::kBadRequest : FailureClass::kServerError;
  }
}

}  // namespace pingti::providers::openai
