// What is counted about calls and a worker, and by the headers included here about providers,
// quotas and their store: plain structs that the code on the path of a call writes to directly.
//
// Each object belongs to one worker and is written by its loop thread only (counter.h). Resolve an
// object once with WorkerMetrics (registry.h) and keep the reference: it stays valid until the
// Registry dies. docs/metrics.md says how each member is exposed.
//
// Label values come from the configuration (tenants, providers, models), never from a caller's
// bytes: a model nobody knows is the empty string. Empty values mean "not applicable".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "server/base/money.h"
#include "server/model/failure.h"
#include "server/model/usage.h"
#include "server/telemetry/buckets.h"
#include "server/telemetry/counter.h"
#include "server/telemetry/provider_stats.h"
#include "server/telemetry/quota_stats.h"
#include "server/telemetry/store_stats.h"

namespace pingti::telemetry {

// How a call ended: 0 is OK, every other number is that of a model::ErrorReason.
inline constexpr int kResultOk = 0;
inline constexpr int kResultCount = model::kErrorReasonCount;
inline constexpr int ResultOf(model::ErrorReason reason) { return static_cast<int>(reason); }

inline constexpr int kUsageSourceCount = static_cast<int>(model::UsageSource::kEstimated) + 1;
// Label: `none`, `measured`, `counted`, `estimated`.
std::string_view UsageSourceName(model::UsageSource source);

enum class Method {
  kUnary,
  kStream,
  kCountTokens,
  kGetQuota,
  kListModels,
  kCreateEmbedding,
  kGetBalance,
  kTopUp,
  kAdjust,
  kListTransfers,
  kListUsage,
  kListPrices,
  kVerifyLedger,
  kCreateTenant,
  kSuspendTenant,
  kResumeTenant,
  kDeleteTenant,
  kSetTier,
  kSetIdentities,
  kListTenants,
  kCreateKey,
  kRotateKey,
  kRevokeKey,
  kListKeys,
};
// Label: `unary`, `stream`, `count_tokens`, `get_quota` and so on: the method's name in small.
std::string_view MethodName(Method method);

// The histograms all tenants share, because theirs would be too many: one object for a provider,
// the model that was asked for and the model there that serves it.
struct ModelLabels {
  std::string provider;
  std::string model;
  std::string upstream_model;
  static ModelLabels Other() { return {"other", "other", "other"}; }
  friend bool operator==(const ModelLabels&, const ModelLabels&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ModelLabels& l) {
    return H::combine(std::move(h), l.provider, l.model, l.upstream_model);
  }
};

struct ModelStats {
  Gauge in_flight;
  Counter chunks;
  // By result; a call that failed is in the histogram of its ErrorReason.
  std::array<Histogram, kResultCount> request_duration = [] {
    return []<size_t... kI>(std::index_sequence<kI...>) {
      return std::array<Histogram, kResultCount>{((void)kI, Histogram(kRequestSeconds))...};
    }(std::make_index_sequence<kResultCount>());
  }();
  Histogram time_to_first_token{kFirstTokenSeconds};
  Histogram time_per_output_token{kOutputTokenSeconds};
  Histogram input_tokens{kTokens};
  Histogram output_tokens{kTokens};
};

// One tenant x requested model x provider x upstream model x method. Provider and upstream model
// are those that served, or were to serve, in the end; empty for a call that never got so far.
struct CallLabels {
  std::string tenant;
  std::string model;
  std::string provider;
  std::string upstream_model;
  Method method = Method::kUnary;
  static CallLabels Other() { return {"other", "other", "other", "other", Method::kUnary}; }
  friend bool operator==(const CallLabels&, const CallLabels&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const CallLabels& l) {
    return H::combine(std::move(h), l.tenant, l.model, l.provider, l.upstream_model, l.method);
  }
};

struct CallStats {
  CallStats(ModelStats& model_stats, Method method)
      : is_completion(method == Method::kUnary || method == Method::kStream),
        of_model(model_stats) {}

  // The end of a call: counts it, and observes how long a completion took. Once per call, on every
  // exit. `result`: kResultOk or ResultOf(reason).
  void RecordEnd(int result, double seconds) {
    calls[result].Add();
    if (is_completion) of_model.request_duration[result].Observe(seconds);
  }
  // The usage that was settled; once per call. Does nothing where there is none.
  void RecordUsage(const model::Usage& usage) {
    if (usage.source == model::UsageSource::kNone) return;
    input_tokens[static_cast<int>(usage.source)].Add(usage.input_tokens);
    output_tokens[static_cast<int>(usage.source)].Add(usage.output_tokens);
    of_model.input_tokens.Observe(static_cast<double>(usage.input_tokens));
    of_model.output_tokens.Observe(static_cast<double>(usage.output_tokens));
  }

  // What a call that used something cost its tenant, and what it would have cost where the model
  // that was asked for had served it; once per call. Nothing: no price.
  void RecordCost(const std::optional<base::Money>& charged,
                  const std::optional<base::Money>& requested_model) {
    if (charged) {
      charged_nano[static_cast<int>(charged->currency)].Add(charged->nano);
    } else {
      unpriced.Add();
    }
    if (requested_model) {
      requested_model_nano[static_cast<int>(requested_model->currency)].Add(requested_model->nano);
    }
  }

  const bool is_completion;
  std::array<Counter, kResultCount> calls;
  std::array<Counter, kUsageSourceCount> input_tokens;
  std::array<Counter, kUsageSourceCount> output_tokens;

  // By currency, in nano-units.
  std::array<Counter, base::kCurrencyCount> charged_nano;
  std::array<Counter, base::kCurrencyCount> requested_model_nano;
  Counter unpriced;

  // Shared by the tenants of this worker.
  ModelStats& of_model;
  Gauge& in_flight = of_model.in_flight;
  Counter& chunks = of_model.chunks;  // content messages that went out on streams
  // Seconds from the arrival of the call to the first content sent; streams only.
  Histogram& time_to_first_token = of_model.time_to_first_token;
  // Seconds per output token after the first; calls that ended OK with 2 tokens or more.
  Histogram& time_per_output_token = of_model.time_per_output_token;
};

// What concerns a worker as a whole.
struct WorkerStats {
  Gauge calls_in_flight;
  Counter loop_posts;           // messages from other threads that the loop has run
  Gauge calls_limit;            // in flight: what the overload controller allows
  Counter calls_overloaded;     // refused: too many in flight
  Counter calls_shed;           // ended while they waited: too many in flight
  Counter calls_cancelled;      // by the caller or its deadline
  Gauge transfers_in_flight;    // HTTP exchanges with providers
  Gauge transfers_paused;       // those that wait for a slow caller
  Counter stream_buffer_full;   // times a slow caller stopped the reading from a provider
  Counter access_records;       // written by AccessLog
  Counter access_records_lost;  // dropped by AccessLog: its buffer was full
  Gauge reservations_open;
  Counter reservations_dropped;  // never settled: a bug; everything counted as used
  Counter holds_dropped;         // never ended: a bug; charged as far as was delivered
  Histogram quota_wait{kWaitSeconds};
  StoreStats store;
  Counter bugs;  // doubtful states that were logged and survived
};

// What concerns the process as a whole. Each member has one writer.
struct ProcessStats {
  // Access records lost because standard error could not be written; AccessLog's thread.
  Counter access_records_unwritten;
  // Memory used, in thousandths of what the process may use; the main thread.
  Gauge memory_used;
  // Tenants of the configuration and of the database, as they are now; the main thread, as what
  // follows.
  Gauge tenants_configured;
  Gauge tenants_stored;
  // Of tenants and keys in the database, that are in force here.
  Counter tenant_changes;
};

}  // namespace pingti::telemetry
