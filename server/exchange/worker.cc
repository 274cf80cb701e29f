#include "server/exchange/worker.h"

#include <algorithm>
#include <utility>

#include "server/base/log.h"
#include "server/base/strings.h"
#include "server/exchange/call.h"

namespace pingti::exchange {
namespace {

// Calls that one step of the overload controller ends.
constexpr int kShedMax = 256;

admission::OverloadOptions OverloadOptionsOf(const config::Server& server) {
  constexpr int kThousandthsOfPercent = 10;
  admission::OverloadOptions options;
  options.calls_max = server.calls_in_flight_max;
  options.delay_max = server.overload_delay;
  options.memory_low = server.memory_low_watermark * kThousandthsOfPercent;
  options.memory_high = server.memory_high_watermark * kThousandthsOfPercent;
  return options;
}

}  // namespace

Worker::Worker(const WorkerParts& parts)
    : parts_(parts),
      gate_(parts.runtime->config().server.calls_in_flight_max),
      overload_(OverloadOptionsOf(parts.runtime->config().server)),
      overload_timer_(*parts.loop, [this] { CheckOverload(); }) {
  stats().calls_limit.Set(overload_.limit());
  SetRuntime(std::move(parts_.runtime));  // only the view holds it, so that a reload frees it
}

void Worker::SetRuntime(std::shared_ptr<const Runtime> runtime) {
  view_ = std::make_shared<View>(std::move(runtime), *parts_.metrics, *parts_.learning, health_,
                                 loads_);
  health_.Prune();
  loads_.Prune();
  refused_.clear();  // of tenants that may be gone
}

telemetry::CallStats& Worker::refused_series(const std::string& tenant, telemetry::Method method) {
  telemetry::CallStats*& stats = refused_[{tenant, method}];
  if (stats == nullptr) {
    stats = &parts_.metrics->Calls({tenant, "", "", "", method});
  }
  return *stats;
}

void Worker::Record(const telemetry::AccessRecord& record) {
  parts_.access_log->Write(parts_.index, record);
}

void Worker::Add(Call* call) {
  call->next_ = newest_;
  if (newest_ != nullptr) newest_->previous_ = call;
  newest_ = call;
  stats().calls_in_flight.Add();
  if (std::exchange(overload_checked_, true)) return;
  overload_timer_.Arm(admission::OverloadController::kStep);
}

void Worker::Remove(Call* call) {
  if (call->next_ != nullptr) call->next_->previous_ = call->previous_;
  (call->previous_ != nullptr ? call->previous_->next_ : newest_) = call->next_;
  stats().calls_in_flight.Sub();
}

void Worker::StopAll() {
  stopping_ = true;
  // Stopping a call may end and remove it, and its neighbours never.
  for (Call* call = newest_; call != nullptr;) {
    Call* next = call->next_;
    call->Stop(StopCause::kDraining);
    call = next;
  }
}

void Worker::CheckOverload() {
  admission::OverloadController::Sample sample;
  sample.calls = gate_.calls();
  sample.delay = loop_delay_.Take();
  sample.memory = parts_.memory_used == nullptr ? 0 : static_cast<int>(parts_.memory_used->value());
  const bool was_lowered = overload_.lowered();
  gate_.set_limit(overload_.Update(sample));
  stats().calls_limit.Set(gate_.limit());
  if (overload_.lowered() != was_lowered) {
    base::Log(was_lowered ? base::LogLevel::kInfo : base::LogLevel::kWarning,
              was_lowered ? "worker is no longer overloaded" : "worker is overloaded",
              {{"worker", base::StrCat(parts_.index)},
               {"calls", base::StrCat(sample.calls)},
               {"limit", base::StrCat(gate_.limit())},
               {"loop_delay", absl::FormatDuration(sample.delay)},
               {"memory_used", base::StrCat(sample.memory / 10, "%")}});
  }
  ShedWaiting(gate_.excess());
  overload_checked_ = newest_ != nullptr || overload_.lowered();
  if (overload_checked_) overload_timer_.Arm(admission::OverloadController::kStep);
}

void Worker::ShedWaiting(int calls) {
  if (calls == 0) return;
  // Of each tenant, the newest last.
  std::map<const admission::TenantLoad*, std::vector<Call*>> waiting;
  for (Call* call = newest_; call != nullptr; call = call->next_) {
    if (call->waits_for_quota()) waiting[call->tenant_load_].push_back(call);
  }
  for (auto& [load, of_tenant] : waiting) std::reverse(of_tenant.begin(), of_tenant.end());
  for (int i = 0; i < std::min(calls, kShedMax) && !waiting.empty(); ++i) {
    const auto largest = std::max_element(
        waiting.begin(), waiting.end(),
        [](const auto& a, const auto& b) { return a.first->calls < b.first->calls; });
    Call* call = largest->second.back();
    largest->second.pop_back();
    if (largest->second.empty()) waiting.erase(largest);
    stats().calls_shed.Add();
    call->Stop(StopCause::kOverloaded);
  }
}

}  // namespace pingti::exchange
