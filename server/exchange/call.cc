#include "server/exchange/call.h"

#include <algorithm>
#include <utility>

#include "server/admission/authenticate.h"
#include "server/admission/validate.h"
#include "server/base/fault_point.h"
#include "server/base/money.h"
#include "server/base/request_id.h"
#include "server/base/strings.h"
#include "server/exchange/learning.h"
#include "server/exchange/queries.h"
#include "server/routing/failure_table.h"

namespace pingti::exchange {
namespace {

// A call whose deadline passes is answered this much before, so that the reason still reaches the
// caller; never more than a twentieth of the time that the call had.
constexpr absl::Duration kDeadlineReplyMargin = absl::Milliseconds(100);

base::Instant ReplyBefore(base::Instant arrival, base::Instant deadline) {
  if (deadline == base::Instant::InfiniteFuture()) return deadline;
  const absl::Duration margin = std::min(kDeadlineReplyMargin, (deadline - arrival) / 20);
  return deadline + -std::max(margin, absl::ZeroDuration());
}

}  // namespace

Call::Call(Worker& worker, ResponseSink& sink, CallInput input)
    : worker_(worker),
      view_(worker.view()),
      sink_(sink),
      input_(std::move(input)),
      timer_(worker.loop(), [this] {
        armed_until_ = base::Instant::InfiniteFuture();
        signal_.Notify();
      }) {
  input_.deadline = ReplyBefore(input_.arrival, input_.deadline);
}

Call::~Call() = default;

void Call::Stop(StopCause cause) {
  if (stop_ != StopCause::kNone) return;
  // gRPC ends a call whose deadline has passed, too, and may be faster than our timer.
  if (cause == StopCause::kCallerCancelled && worker_.clock().MonotonicNow() >= input_.deadline) {
    cause = StopCause::kDeadline;
  }
  stop_ = cause;
  signal_.Notify();
}

base::Task<void> Call::Run() {
  worker_.Add(this);
  began_ = worker_.clock().Now();
  // Made before anything can fail, so that every error names one; a valid one of the caller's
  // replaces it.
  const std::string chosen_id =
      std::exchange(input_.request.request_id, base::NewRequestId(began_, worker_.random()));
  const bool entered = worker_.gate().Enter();
  std::optional<model::CallError> error =
      entered ? Admit(chosen_id) : std::make_optional(admission::OverloadedError());
  if (error && error->reason == model::ErrorReason::kOverloaded) {
    worker_.stats().calls_overloaded.Add();
  }
  sink_.AddHeader("x-request-id", input_.request.request_id);
  Outcome outcome;
  model::Usage usage;
  if (!error) error = co_await ReserveOfTenant();
  if (!error) error = co_await HoldMoney();
  if (!error) {
    error = co_await Serve(&outcome);
    if (timers_) usage = SettledUsage(outcome);
  }
  PINGTI_FAULT_POINT("usage");
  const CallCost cost = ChargeOf(usage);
  Settle(usage, cost, error ? &*error : nullptr);
  if (error) {
    if (usage.source != model::UsageSource::kNone && cost.charged) {
      error->metadata["cost"] = base::FormatMoney(*cost.charged);
    }
    sink_.Fail(*error, input_.request.request_id);
  } else if (input_.stream) {
    SendStartedOnce();  // also where all of the answer is hidden, or empty
    sink_.FinishStream(Complete(usage, cost, outcome), std::move(outcome.ends));
  } else {
    sink_.FinishAnswer(Complete(usage, cost, outcome), std::move(outcome.answer));
  }
  PINGTI_FAULT_POINT("reply");
  if (transfer_) co_await Linger();
  transfer_.reset();
  timer_.Cancel();
  if (tenant_load_ != nullptr) worker_.gate().Release(*tenant_load_);
  if (entered) worker_.gate().Leave();
  worker_.Remove(this);
}

std::optional<model::CallError> Call::Admit(const std::string& chosen_id) {
  model::CompletionRequest& request = input_.request;
  const config::Config& config = view_->config();
  const Runtime& runtime = view_->runtime();
  if (worker_.stopping()) return ErrorOf({}, {});
  auto who = admission::Authenticate({input_.authorization, input_.peer_identities},
                                     runtime.directory(), config, began_);
  if (auto* refused = std::get_if<model::CallError>(&who)) return std::move(*refused);
  identity_ = std::get<tenancy::Identity>(who);
  if (auto refused = admission::CheckRight(*identity_, config::KeyRight::kComplete)) {
    return refused;
  }
  admission::TenantLoad& load = view_->load(identity_->tenant);
  if (!worker_.gate().Admit(load)) return admission::OverloadedError();
  tenant_load_ = &load;
  if (identity_->use != nullptr) identity_->use->Note(began_);
  if (input_.unreadable) return std::move(input_.unreadable);

  std::string made_id = std::exchange(request.request_id, chosen_id);
  auto invalid = admission::ValidateRequest(request, config.limits);
  named_by_caller_ = admission::IsRequestId(request.request_id);
  if (!named_by_caller_) request.request_id = std::move(made_id);
  if (invalid) return invalid;
  if (auto refused = admission::CheckModelAllowed(config, *identity_, request.model)) {
    return refused;
  }
  route_ = runtime.routes().Find(request.model);
  if (route_ == nullptr) return runtime.routes().Unknown(request.model);
  series_ = &view_->series(identity_->tenant, *route_);
  if (auto unfit = PlanTargets()) return unfit;
  max_queue_wait_ = request.max_queue_wait;
  if (input_.deadline <= worker_.clock().MonotonicNow()) {
    stop_ = StopCause::kDeadline;
    return ErrorOf({}, {});
  }
  return std::nullopt;
}

}  // namespace pingti::exchange
