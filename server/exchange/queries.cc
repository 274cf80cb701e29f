#include "server/exchange/queries.h"

#include <utility>

#include "server/admission/authenticate.h"
#include "server/admission/validate.h"
#include "server/base/signal.h"
#include "server/base/strings.h"
#include "server/exchange/learning.h"
#include "server/exchange/rate_limit_headers.h"

namespace pingti::exchange {
namespace {

// What a caller is told to wait where the shared store is down.
constexpr absl::Duration kStoreDownRetry = absl::Seconds(1);

std::variant<const routing::Route*, model::CallError> FindRoute(const View& view,
                                                                const tenancy::Identity& who,
                                                                const std::string& model) {
  if (auto refused = admission::CheckModelAllowed(view.config(), who, model)) {
    return *std::move(refused);
  }
  const routing::Route* route = view.runtime().routes().Find(model);
  if (route == nullptr) return view.runtime().routes().Unknown(model);
  return route;
}

// A scope to report, and how.
struct Scope {
  std::string model_class;
  quota::BucketSet* set = nullptr;
};

std::vector<Scope> ScopesOf(const View& view, const tenancy::Identity& who,
                            const routing::Route* route) {
  const quota::QuotaBook& quotas = view.runtime().quotas();
  std::vector<Scope> scopes;
  if (route != nullptr) {
    scopes.push_back({route->model_class, quotas.Find(who.tenant, route->model_class)});
  } else {
    for (const auto& [model_class, set] : quotas.ByClass(who.tenant)) {
      scopes.push_back({model_class, set.get()});
    }
  }
  scopes.push_back({"", quotas.FindKey(who.tenant, who.key_id)});
  std::erase_if(scopes, [](const Scope& scope) { return scope.set == nullptr; });
  return scopes;
}

void AppendReports(const base::Clock& clock, const Scope& scope, const quota::ScopeStates& states,
                   std::vector<BucketReport>* out) {
  for (int i = 0; i < quota::kDimensionCount; ++i) {
    if (!states[i]) continue;
    BucketReport report;
    report.dimension = static_cast<quota::Dimension>(i);
    report.name = base::StrCat(scope.set->subject(), "/", quota::DimensionName(report.dimension));
    report.model_class = scope.model_class;
    report.state = *states[i];
    const auto& limit = scope.set->limit(report.dimension);
    report.shadow = limit && limit->shadow;
    report.full_at = clock.Now() + states[i]->full_in;
    out->push_back(std::move(report));
  }
}

}  // namespace

std::variant<tenancy::Identity, model::CallError> Identify(
    const View& view, const admission::Credentials& credentials, absl::Time now) {
  return admission::Authenticate(credentials, view.runtime().directory(), view.config(), now);
}

std::variant<tenancy::KeyOwner, model::CallError> IdentifyOwner(
    const View& view, const admission::Credentials& credentials, absl::Time now,
    const Permission& permission) {
  tenancy::KeyOwner owner;
  if (permission.for_admins) {
    auto found =
        admission::AuthenticateOwner(credentials, view.runtime().directory(), view.config(), now);
    if (auto* error = std::get_if<model::CallError>(&found)) return std::move(*error);
    owner = std::get<tenancy::KeyOwner>(found);
  } else {
    auto found = Identify(view, credentials, now);
    if (auto* error = std::get_if<model::CallError>(&found)) return std::move(*error);
    owner = tenancy::KeyOwner::Of(std::get<tenancy::Identity>(found));
  }
  if (!owner.is_admin && permission.right) {
    auto refused = admission::CheckRight(owner.identity(), *permission.right);
    if (refused) return *std::move(refused);
  }
  if (owner.use != nullptr) owner.use->Note(now);
  return owner;
}

std::optional<model::CallError> CheckPreferredProvider(const model::CompletionRequest& request,
                                                       const routing::Route& route) {
  const std::string& wanted = request.routing.preferred_provider;
  std::string others;
  for (const routing::Target& target : route.targets) {
    const std::string& name = target.provider->name;
    if (wanted.empty() || wanted == name) return std::nullopt;
    if (others.find(name) != std::string::npos) continue;
    base::StrAppend(&others, others.empty() ? "" : ", ", name);
  }
  return model::InvalidField(
      "spec.routing.preferred_provider",
      base::StrCat("\"", wanted, "\" does not serve model ", route.name, "; ", others,
                   others.find(',') == std::string::npos ? " does" : " do"));
}

std::variant<TokenCount, model::CallError> CountTokens(View& view, const tenancy::Identity& who,
                                                       const model::CompletionRequest& request) {
  if (auto invalid = admission::ValidateRequest(request, view.config().limits)) {
    return *std::move(invalid);
  }
  auto found = FindRoute(view, who, request.model);
  if (auto* error = std::get_if<model::CallError>(&found)) return std::move(*error);
  TokenCount count;
  count.route = std::get<const routing::Route*>(found);
  if (auto refused = CheckPreferredProvider(request, *count.route)) return *std::move(refused);
  count.estimate = quota::EstimateRequest(
      request, EstimateContextOf(view.config(), view.runtime().quotas().policy(who.tenant),
                                 count.route->first(),
                                 view.series(who.tenant, *count.route).first().learned));
  return count;
}

base::Task<QuotaReports> ReadQuotas(Worker& worker, const View& view, const tenancy::Identity& who,
                                    const std::string& model) {
  const routing::Route* route = nullptr;
  if (!model.empty()) {
    auto found = FindRoute(view, who, model);
    if (auto* error = std::get_if<model::CallError>(&found)) co_return std::move(*error);
    route = std::get<const routing::Route*>(found);
  }
  std::vector<BucketReport> reports;
  base::Signal signal;
  for (const Scope& scope : ScopesOf(view, who, route)) {
    quota::ReadReply reply;
    worker.quota_store().Read({&scope.set, 1}, worker.clock().MonotonicNow(), &reply, &signal);
    while (!reply.ready) co_await signal.Wait();
    if (reply.store_down) {
      quota::Refusal refusal;
      refusal.scope = scope.set;
      refusal.store_down = true;
      refusal.wait = kStoreDownRetry;
      co_return QuotaError(refusal, /*place=*/0);
    }
    AppendReports(worker.clock(), scope, reply.states[0], &reports);
  }
  co_return reports;
}

std::vector<const routing::Route*> UsableModels(const View& view, const tenancy::Identity& who) {
  const quota::QuotaBook& quotas = view.runtime().quotas();
  std::vector<const routing::Route*> usable;
  for (const routing::Route& route : view.runtime().routes().routes()) {
    if (admission::CheckModelAllowed(view.config(), who, route.name)) continue;
    const quota::BucketSet* set = quotas.Find(who.tenant, route.model_class);
    if (view.config().features.quota && set != nullptr && set->closed()) continue;
    usable.push_back(&route);
  }
  return usable;
}

void RecordQuery(Worker& worker, const View& view, telemetry::Method method,
                 std::string_view request_id, const tenancy::KeyOwner* who,
                 const model::CallError* error, base::Instant arrival, const std::string& peer) {
  const absl::Duration took = worker.clock().MonotonicNow() - arrival;
  const std::string tenant = who && !who->is_admin ? view.config().tenants[who->index].name : "";
  const int result = error ? telemetry::ResultOf(error->reason) : telemetry::kResultOk;
  if (view.config().features.metrics) {
    worker.refused_series(tenant, method).RecordEnd(result, absl::ToDoubleSeconds(took));
  }
  if (!worker.records_calls()) return;
  telemetry::AccessRecord record;
  record.time = worker.clock().Now();
  record.request_id = std::string(request_id);
  record.tenant = tenant;
  if (who) record.key_public_id = std::string(who->key_id);
  record.method = method;
  record.result = result;
  record.total = took;
  record.peer = peer;
  worker.Record(record);
}

}  // namespace pingti::exchange
