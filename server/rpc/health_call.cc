#include "server/rpc/health_call.h"

#include <algorithm>
#include <string_view>

namespace pingti::rpc {
namespace {

using grpc::health::v1::HealthCheckResponse;

constexpr std::string_view kServices[] = {"", "pingti.v1.Completion", "pingti.v1.Models",
                                          "pingti.v1.Embedding"};

bool IsKnown(const std::string& service) {
  return std::find(std::begin(kServices), std::end(kServices), service) != std::end(kServices);
}

HealthCheckResponse::ServingStatus StateOf(const Services& services, const std::string& service) {
  if (!IsKnown(service)) return HealthCheckResponse::SERVICE_UNKNOWN;
  return services.serving.load(std::memory_order_relaxed) ? HealthCheckResponse::SERVING
                                                          : HealthCheckResponse::NOT_SERVING;
}

}  // namespace

HealthCheckCall::HealthCheckCall(const Listener& listener) : listener_(listener) {
  listener_.services->health.RequestCheck(&context_, &request_, &writer_, listener_.queue,
                                          listener_.queue, accepted_tag_.ForOperation());
}

void HealthCheckCall::OnAccepted(bool ok) {
  if (!ok) {  // the server shuts down
    delete this;
    return;
  }
  live_ = listener_.live_calls->Enter();
  Wait(listener_);
  HealthCheckResponse response;
  response.set_status(StateOf(*listener_.services, request_.service()));
  if (response.status() == HealthCheckResponse::SERVICE_UNKNOWN) {
    writer_.FinishWithError(
        grpc::Status(grpc::StatusCode::NOT_FOUND, "this server has no service of that name"),
        finished_tag_.ForOperation());
  } else {
    writer_.Finish(response, grpc::Status::OK, finished_tag_.ForOperation());
  }
}

void HealthCheckCall::OnFinished(bool /*ok*/) { delete this; }

HealthWatchCall::HealthWatchCall(const Listener& listener) : listener_(listener) {
  context_.AsyncNotifyWhenDone(done_tag_.ForOperation());
  listener_.services->health.RequestWatch(&context_, &request_, &writer_, listener_.queue,
                                          listener_.queue, accepted_tag_.ForOperation());
}

void HealthWatchCall::OnAccepted(bool ok) {
  if (!ok) {  // the server shuts down
    delete this;
    return;
  }
  live_ = listener_.live_calls->Enter();
  Wait(listener_);
  listener_.worker->loop().Post(&start_task_);
}

void HealthWatchCall::Start() {
  if (listener_.watchers->size() >= kWatchersMax) {
    end_ = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many calls of Watch");
    ending_ = true;
  } else {
    listener_.watchers->insert(this);
  }
  PumpAndHold();
}

void HealthWatchCall::Update(bool last) {
  ending_ = ending_ || last;
  PumpAndHold();
}

void HealthWatchCall::Pump() {
  if (writing_ || ended_) return;
  HealthCheckResponse response;
  response.set_status(StateOf(*listener_.services, request_.service()));
  if (!context_.IsCancelled() && sent_ != response.status() &&
      end_.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED) {
    sent_ = response.status();
    writing_ = true;
    writer_.Write(response, written_tag_.ForOperation());
  } else if (ending_) {
    ended_ = true;
    listener_.watchers->erase(this);
    writer_.Finish(end_, finished_tag_.ForOperation());
  }
}

void HealthWatchCall::PumpAndHold() {
  parties_.fetch_add(1, std::memory_order_relaxed);
  Pump();
  Release();
}

void HealthWatchCall::OnWritten(bool /*ok*/) { listener_.worker->loop().Post(&written_task_); }

void HealthWatchCall::AfterWrite() {
  writing_ = false;
  PumpAndHold();
}

void HealthWatchCall::OnDone(bool /*ok*/) {
  if (context_.IsCancelled()) {
    listener_.worker->loop().Post(&cancel_task_);
  } else {
    Release();
  }
}

void HealthWatchCall::Cancel() {
  ending_ = true;
  Pump();
  Release();
}

void HealthWatchCall::OnFinished(bool /*ok*/) { Release(); }

void HealthWatchCall::Release() {
  if (parties_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

}  // namespace pingti::rpc
