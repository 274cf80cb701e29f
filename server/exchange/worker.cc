#include "server/exchange/worker.h"

#include <utility>

#include "server/exchange/call.h"

namespace pingti::exchange {

Worker::Worker(const WorkerParts& parts)
    : parts_(parts), gate_(parts.runtime->config().server.calls_in_flight_max) {
  SetRuntime(std::move(parts_.runtime));  // only the view holds it, so that a reload frees it
}

void Worker::SetRuntime(std::shared_ptr<const Runtime> runtime) {
  view_ = std::make_shared<View>(std::move(runtime), *parts_.metrics, *parts_.learning, health_);
  health_.Prune();
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

}  // namespace pingti::exchange
