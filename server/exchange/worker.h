// What the calls of one worker share: its loop, its connections to providers, its limits and
// counters, and the configuration as it is now.
//
// Belongs to the worker's loop thread. It outlives its calls.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/admission/gate.h"
#include "server/admission/overload.h"
#include "server/base/clock.h"
#include "server/base/event_loop.h"
#include "server/base/random.h"
#include "server/billing/ledger_client.h"
#include "server/exchange/learning.h"
#include "server/exchange/runtime.h"
#include "server/exchange/view.h"
#include "server/quota/store.h"
#include "server/routing/health.h"
#include "server/telemetry/access_log.h"
#include "server/telemetry/registry.h"
#include "server/transport/http_transport.h"

namespace pingti::exchange {

class Call;

struct WorkerParts {
  int index = 0;
  base::EventLoop* loop = nullptr;
  const base::Clock* clock = nullptr;
  base::Random* random = nullptr;
  transport::HttpTransport* transport = nullptr;
  std::shared_ptr<const Runtime> runtime;  // at first
  quota::QuotaStore* quota_store = nullptr;
  telemetry::WorkerMetrics* metrics = nullptr;
  // Of all workers together.
  std::shared_ptr<Learning> learning = std::make_shared<Learning>();
  telemetry::AccessLog* access_log = nullptr;  // null: access records are off
  // Where calls hold and pay; null: nobody is charged.
  billing::LedgerStore* ledger = nullptr;
  billing::LedgerClient* accounts = nullptr;  // the same, for who asks and manages; may be null
  // Memory used, in thousandths of what may be used. Null: unknown.
  const telemetry::Gauge* memory_used = nullptr;
};

class Worker {
 public:
  explicit Worker(const WorkerParts& parts);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  base::EventLoop& loop() { return *parts_.loop; }
  const base::Clock& clock() const { return *parts_.clock; }
  base::Random& random() { return *parts_.random; }
  transport::HttpTransport& transport() { return *parts_.transport; }
  quota::QuotaStore& quota_store() { return *parts_.quota_store; }
  billing::LedgerStore* ledger() { return parts_.ledger; }
  billing::LedgerClient* accounts() { return parts_.accounts; }
  admission::Gate& gate() { return gate_; }
  telemetry::WorkerStats& stats() { return parts_.metrics->worker(); }

  // The configuration as it is now. A call copies the pointer at its start and keeps it.
  const std::shared_ptr<View>& view() const { return view_; }
  const Runtime& runtime() const { return view_->runtime(); }
  const config::Config& config() const { return view_->config(); }
  // Calls that begin from now on see `runtime`. What limits the worker itself stays.
  void SetRuntime(std::shared_ptr<const Runtime> runtime);

  // For calls without a route: refused ones, and those that only look. `tenant` may be empty.
  telemetry::CallStats& refused_series(const std::string& tenant, telemetry::Method method);

  void Record(const telemetry::AccessRecord& record);
  bool records_calls() const { return parts_.access_log != nullptr; }

  // A call has waited so long for the loop.
  void NoteLoopDelay(absl::Duration waited) { loop_delay_.Note(waited); }

  // A step of the overload controller. A timer makes one every OverloadController::kStep while
  // there are calls, or the limit is lowered.
  void CheckOverload();

  // Calls in flight, so that a drain and an overload can end them.
  void Add(Call* call);
  void Remove(Call* call);
  // Ends every call that is still running with DRAINING, and every later one at once.
  void StopAll();
  bool stopping() const { return stopping_; }

 private:
  // Ends as many calls that wait for quota, the newest of the largest tenant first.
  void ShedWaiting(int calls);

  WorkerParts parts_;  // without `runtime`, which the view has
  admission::Gate gate_;
  admission::TenantLoads loads_;
  admission::LoopDelay loop_delay_;
  admission::OverloadController overload_;
  base::Timer overload_timer_;
  bool overload_checked_ = false;  // the timer runs
  routing::HealthBook health_;
  std::shared_ptr<View> view_;  // never null
  // Bounded by the tenants of the view x methods.
  std::map<std::pair<std::string, telemetry::Method>, telemetry::CallStats*> refused_;
  Call* newest_ = nullptr;  // head of the list through Call::next_
  bool stopping_ = false;
};

}  // namespace pingti::exchange
