// The calls that only look: counting tokens, quotas, models. Same admission as completions; they
// take no quota and call no provider.
//
// On the worker's loop thread; only ReadQuotas may have to wait, for the store of the quotas.
// `view` is the worker's when the call came.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "server/admission/authenticate.h"
#include "server/base/task.h"
#include "server/exchange/worker.h"
#include "server/model/completion.h"
#include "server/model/failure.h"
#include "server/quota/estimator.h"
#include "server/quota/store.h"

namespace pingti::exchange {

// Errors: those of admission::Authenticate. Queries are answered during a drain, too.
std::variant<tenancy::Identity, model::CallError> Identify(
    const View& view, const admission::Credentials& credentials, absl::Time now);

// Who may ask for a method.
struct Permission {
  bool for_admins = false;                  // administrators, too
  std::optional<config::KeyRight> right{};  // that a tenant's key needs
};

// The same, of administrators' keys, too, where they may ask. RIGHT_MISSING.
std::variant<tenancy::KeyOwner, model::CallError> IdentifyOwner(
    const View& view, const admission::Credentials& credentials, absl::Time now,
    const Permission& permission);

// FIELD_INVALID where the caller prefers a provider that does not serve `route`.
std::optional<model::CallError> CheckPreferredProvider(const model::CompletionRequest& request,
                                                       const routing::Route& route);

struct TokenCount {
  quota::Estimate estimate;
  const routing::Route* route = nullptr;
};

// Errors: as for a completion of the same request, but for quota and for what depends on the model:
// a prompt that does not fit it is counted, so that the caller learns by how much.
std::variant<TokenCount, model::CallError> CountTokens(View& view, const tenancy::Identity& who,
                                                       const model::CompletionRequest& request);

struct BucketReport {
  std::string name;
  std::string model_class;  // empty: all, the limits of an API key
  quota::Dimension dimension = quota::Dimension::kRequestsPerMinute;
  quota::Bucket::State state;
  absl::Time full_at;
  bool shadow = false;  // counted, but not enforced
};

using QuotaReports = std::variant<std::vector<BucketReport>, model::CallError>;

// The caller's limits, by class and dimension, then those of its API key; `model` empty: all of
// them. Errors: MODEL_UNKNOWN, MODEL_NOT_ALLOWED, QUOTA_UNAVAILABLE.
base::Task<QuotaReports> ReadQuotas(Worker& worker, const View& view, const tenancy::Identity& who,
                                    const std::string& model);

// The names that the caller may use, ordered; without those that its tier closes.
std::vector<const routing::Route*> UsableModels(const View& view, const tenancy::Identity& who);

// Counts and writes down a query that has ended.
void RecordQuery(Worker& worker, const View& view, telemetry::Method method,
                 std::string_view request_id, const tenancy::KeyOwner* who,
                 const model::CallError* error, base::Instant arrival, const std::string& peer);

}  // namespace pingti::exchange
