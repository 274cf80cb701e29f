// The life of one completion, from its arrival to its settlement. docs/life_of_a_completion.md
// tells it in prose.
//
// An edge makes a Call with the request and a sink, detaches Run(), and keeps the Call alive until
// Run() has ended. Everything happens on the worker's loop thread. Whatever happens, Run() ends
// with exactly one FinishAnswer, FinishStream or Fail at the sink, after quota, metrics and access
// record were settled exactly once.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "server/base/clock.h"
#include "server/base/signal.h"
#include "server/base/task.h"
#include "server/exchange/attempt_timers.h"
#include "server/exchange/call_cost.h"
#include "server/exchange/quota_wait.h"
#include "server/exchange/response_sink.h"
#include "server/exchange/rival.h"
#include "server/exchange/worker.h"
#include "server/model/completion.h"
#include "server/quota/estimator.h"
#include "server/quota/reservation.h"
#include "server/routing/choose.h"
#include "server/routing/failure_table.h"
#include "server/telemetry/access_record.h"

namespace pingti::exchange {

struct CallInput {
  model::CompletionRequest request;
  bool stream = false;
  bool include_reasoning = false;
  // The edge could not read the request; it fails with this, after authentication.
  std::optional<model::CallError> unreadable;
  std::string_view authorization;              // outlives the call
  std::vector<std::string> peer_identities{};  // proved by the peer; empty where a key was sent
  std::string peer;
  int64_t bytes = 0;  // size of the request on the wire
  base::Instant arrival;
  base::Instant deadline = base::Instant::InfiniteFuture();
};

// Why a call is ended from outside.
enum class StopCause { kNone, kCallerCancelled, kDeadline, kDraining, kOverloaded, kMoney };

class Call {
 public:
  // `worker` and `sink` outlive the call.
  Call(Worker& worker, ResponseSink& sink, CallInput input);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  base::Task<void> Run();

  // Ends the call soon; the provider's exchange is aborted before this returns. Later calls change
  // nothing.
  void Stop(StopCause cause);

  // The sink has room again, or the transport has something.
  base::Signal& signal() { return signal_; }

 private:
  friend class Worker;

  // What is known when an attempt has ended.
  struct Outcome {
    std::optional<model::Failure> failure;
    model::AnswerInfo info;
    model::Answer answer;                // unary
    std::vector<model::ChoiceEnd> ends;  // stream
    int status = 0;
  };

  // In line for quota, and nothing was sent to a provider yet.
  bool waits_for_quota() const { return in_line_ && attempts_ == 0 && stop_ == StopCause::kNone; }

  // Everything before the first byte to a provider. An error: the call ends with it, nothing was
  // taken.
  std::optional<model::CallError> Admit(const std::string& chosen_id);

  // Where it can be served, in which order (plan_step.cc). An error: nowhere.
  std::optional<model::CallError> PlanTargets();
  int64_t InputTokensAt(const TargetSeries& at) const;
  std::optional<model::CallError> CheckFits(const TargetSeries& at) const;
  // Chooses the target and key of the next attempt, and how long to pause before it. False: there
  // is none.
  bool PickTarget(absl::Duration* pause);
  bool TakeChoice(const routing::Choice& choice, base::Instant now);
  bool IsTooLate(const TargetSeries& at, const KeySeries& key, base::Instant now) const;
  // What is done after a failed attempt; excludes what must not be tried again.
  routing::Next Judge(const model::Failure& failure);
  model::CallError NoTargetError() const;
  // Attempts until one succeeds or nothing is left to try. An error: the call ends with it.
  base::Task<std::optional<model::CallError>> Serve(Outcome* outcome);
  base::Task<void> Pause(absl::Duration pause);
  void ForgetAttempt();

  // Taking quota (quota_step.cc). An error: the call ends with it, nothing was taken.
  base::Task<std::optional<model::CallError>> ReserveOfTenant();
  base::Task<std::optional<model::CallError>> ReserveAtProvider();
  // Asks for `wanted`, and waits for it as long as the caller allows.
  base::Task<void> Take(const Wanted& wanted, Taken* taken);
  base::Task<void> Ask(const Wanted& wanted, Taken* taken);
  // Where others wait already: whether this call would have to, and how long.
  base::Task<void> LookBehind(const Wanted& wanted, Taken* taken);
  // What the provider says of its own buckets corrects ours.
  void NoteProviderLimits(const transport::HttpTransfer& transfer);
  void NoteRateLimited(const model::Failure& failure);

  // Money (money_step.cc). An error: the call ends with it, nothing is held.
  base::Task<std::optional<model::CallError>> HoldMoney();
  int64_t LikelyCost() const;
  // Costs more already than the ledger has granted: it was asked, and goes on with the answer.
  bool AwaitsGrowth() const { return hold_.open() && hold_.awaits(cost_so_far_); }
  base::Task<void> WaitForGrowth(Outcome* outcome);
  bool AwaitsHold() const { return hold_.open() && hold_.state() != billing::HoldState::kHeld; }
  base::Task<void> WaitForHold(Outcome* outcome);
  void NoteAvailable();
  void FollowCost(base::Instant now);  // of a stream
  model::CallError MoneyError() const;
  billing::CallEnd EndOf(const model::Usage& usage, const CallCost& cost) const;
  void EndHold(const model::Usage& usage, const CallCost& cost, const model::CallError* error);

  // One attempt at the target that was chosen (attempt.cc).
  void NoteResult(const Outcome& outcome);
  void NoteChange(const routing::HealthChange& change);
  routing::Place PlaceOf() const {
    return {at_->provider_health.get(), key_->key_health.get(), key_->health.get()};
  }
  void ForwardOutputCap();
  void GrowReservations();
  base::Task<Outcome> Attempt();
  void BeginAttempt();
  void EndAttempt(Outcome* outcome);
  base::Task<void> ReadWhole(transport::HttpTransfer& transfer, Outcome* outcome);
  base::Task<void> ReadStream(transport::HttpTransfer& transfer, Outcome* outcome);
  std::unique_ptr<providers::StreamDecoder> NewDecoder() const;
  base::Task<void> WaitForHeader(transport::HttpTransfer& transfer, Outcome* outcome);
  base::Task<void> WaitForRoom(Outcome* outcome);
  bool MayLinger(base::Instant until) const;
  base::Task<void> Linger();
  void Deliver(model::StreamEvents* events, Outcome* outcome);
  void DeliverDelta(model::ContentDelta delta);
  void SendStartedOnce();
  void NoteContent(base::Instant now);
  void CountAnswer(const model::Answer& answer);
  model::Failure FailureOf(const transport::HttpTransfer& transfer) const;
  // Of one that is no answer to what was asked for, or none at all.
  model::Failure ClassifyAnswer(transport::HttpTransfer& transfer);

  // A second attempt beside a late one (hedge.cc).
  enum class Sign { kNothing, kContent, kFailed };
  // When this attempt is late. Nothing: it stays alone.
  std::optional<base::Instant> HedgeAt() const;
  // Until the attempt at hand is the one that serves, or has failed, or the call is over.
  base::Task<void> Race(base::Instant late_at);
  base::Task<void> StartRival();
  bool ChooseRival(base::Instant now);
  Sign LookForContent(base::Instant now, Outcome* outcome);
  void SwapWithRival();
  void DropRival(Outcome outcome);

  // Waits for the signal, a timer of the attempt, or the deadline. False: the attempt is over,
  // `outcome` says why.
  base::Task<bool> WaitForChange(Outcome* outcome);
  void ArmTimer(base::Instant next);

  // The end (settlement.cc).
  model::Usage SettledUsage(const Outcome& outcome) const;
  model::CallError ErrorOf(const Outcome& outcome, const model::Usage& usage) const;
  std::string_view Stage() const;
  std::string Tried() const;
  telemetry::Method method() const {
    return input_.stream ? telemetry::Method::kStream : telemetry::Method::kUnary;
  }
  // What is charged for `usage`: the one place that says so.
  CallCost ChargeOf(const model::Usage& usage) const;
  void Settle(const model::Usage& usage, const CallCost& cost, const model::CallError* error);
  void CountCost(const model::Usage& usage, const CallCost& cost, telemetry::CallStats* stats);
  void SettleAtProvider(model::Usage usage, base::Instant now);
  void GiveBackAtProvider();  // of an attempt that was not made
  void RecordAttempt(const Outcome& outcome, std::string_view next);
  void WriteRecord(const model::Usage& usage, const CallCost& cost, const model::CallError* error);
  Completed Complete(const model::Usage& usage, const CallCost& cost, const Outcome& outcome);

  Worker& worker_;
  const std::shared_ptr<View> view_;  // as it was when the call came, also after a reload
  ResponseSink& sink_;
  CallInput input_;
  base::Signal signal_;
  base::Timer timer_;
  base::Instant armed_until_ = base::Instant::InfiniteFuture();
  absl::Time began_;  // its prices are those of this moment
  StopCause stop_ = StopCause::kNone;
  Call* next_ = nullptr;
  Call* previous_ = nullptr;

  // Known once admitted.
  std::optional<tenancy::Identity> identity_;
  admission::TenantLoad* tenant_load_ = nullptr;  // counts this call; null: not admitted
  const routing::Route* route_ = nullptr;
  const Series* series_ = nullptr;
  quota::Estimate estimate_;
  bool strict_ = false;  // the tier's policy: the output cap is enforced
  absl::Duration max_queue_wait_, queued_;
  bool in_line_ = false;  // for quota
  quota::Reservation reservation_;
  bool named_by_caller_ = false;  // the request id
  billing::Hold hold_;
  int64_t paid_tokens_ = 0, cost_so_far_ = 0;  // of the output, when the hold was last looked at
  base::Instant note_at_;                      // when the ledger is next told what was delivered

  // The targets of the route, and what has been tried of them.
  absl::InlinedVector<routing::TargetOption, 2> options_;
  uint32_t may_come_back_ = 0;      // a bit for each target that may be tried again after a pause
  bool was_short_ = false;          // our own limits at a provider were in the way
  bool waits_at_provider_ = false;  // they are everywhere: the call waits for them
  bool was_too_late_ = false;       // a target was left out because the deadline is too near
  int attempts_ = 0, pauses_ = 0;
  std::optional<absl::Duration> asked_to_wait_;  // by what failed last
  std::vector<const config::Provider*> tried_;   // providers; at most one for each attempt
  std::vector<telemetry::AccessAttempt> past_;   // attempts; at most routing.attempts_max

  // Of the attempt. Before the first: of the target that is most likely to serve.
  const TargetSeries* at_ = nullptr;
  const routing::Target* target_ = nullptr;
  const KeySeries* key_ = nullptr;
  bool probe_ = false;  // of a breaker, and without a result yet
  quota::Reservation provider_reservation_;
  std::unique_ptr<transport::HttpTransfer> transfer_;  // null: none, or aborted
  std::optional<AttemptTimers> timers_;
  base::Instant attempt_started_, attempt_ended_;
  std::optional<base::Instant> first_content_;
  bool started_sent_ = false;
  bool reached_upstream_ = false;
  int64_t bytes_in_ = 0;
  quota::TokenCounter counted_;
  std::vector<providers::Adaptation> adaptations_;
  std::optional<Rival> rival_;  // runs beside it
};

}  // namespace pingti::exchange
