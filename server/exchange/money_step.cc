// The part of a Call that holds money before it serves, and pays what it has used. docs/billing.md
// has the rules.
//
// The hold is asked for when the call is admitted and answered while the provider works. Before
// anything reaches the caller, the call waits for the answer; it comes with the next commit.
#include <algorithm>
#include <utility>

#include "server/base/money.h"
#include "server/base/strings.h"
#include "server/billing/fingerprint.h"
#include "server/billing/key_budget.h"
#include "server/exchange/call.h"
#include "server/exchange/ledger_access.h"
#include "server/telemetry/access_record.h"

namespace pingti::exchange {
namespace {

// A stream's cost is looked at each time that its output has grown by so much.
constexpr int64_t kCheckTokens = 64;
// The hold is for so much more output than there is, or half as much again if that is more.
constexpr int64_t kLookAheadTokens = 256;
// What has been delivered is noted in the ledger when a stream has run for the first of these, and
// then as often as the second says: what a crash may lose.
constexpr absl::Duration kFirstNote = absl::Seconds(1);
constexpr absl::Duration kNextNotes = absl::Seconds(5);

// So long a stream waits for its hold to grow; a ledger that does not answer counts as one that
// cannot be written.
constexpr absl::Duration kGrowthWaitMax = absl::Seconds(10);

model::CallError NotWritable() {
  return LedgerUnavailable(
      "the ledger cannot be written now, and nothing that costs money is begun");
}

model::CallError IdError(const billing::HoldReply& reply, base::Currency currency) {
  model::CallError error;
  error.reason = model::ErrorReason::kRequestIdInUse;
  if (reply.verdict == billing::HoldVerdict::kIdOfOther) {
    error.message = "another call of this tenant had this request id; give each call its own";
    error.metadata["cause"] = "other_body";
  } else if (reply.charged > 0) {
    const std::string charged = base::FormatMoney({reply.charged, currency});
    error.message = base::StrCat("the call with this request id was charged ", charged,
                                 " already; it is not served twice");
    error.metadata["cause"] = "charged";
    error.metadata["charged"] = charged;
  } else {
    error.message = "a call with this request id runs, or has ended; it is not served twice";
    error.metadata["cause"] = "running";
  }
  return error;
}

// REQUIRES: the key has a budget, and the reply says what was used of it.
model::CallError BudgetError(const billing::HoldReply& reply, const tenancy::Identity& who,
                             base::Money price, absl::Time began) {
  const config::KeyBudget& budget = *who.budget;
  const auto shown = [&](int64_t nano) { return base::FormatMoney({nano, price.currency}); };
  const std::string_view period = config::BudgetPeriodName(budget.period);
  const std::string resets_at = absl::FormatTime(
      "%Y-%m-%dT%H:%M:%SZ", billing::PeriodEnd(budget.period, began), absl::UTCTimeZone());
  model::CallError error = model::Refuse(
      model::ErrorReason::kKeyBudgetExhausted,
      base::StrCat("the budget of API key ", who.key_id, " for this ", period, " is ",
                   shown(budget.nano), ", of which ", shown(reply.budget->spent), " is spent and ",
                   shown(reply.budget->held), " held by calls that run; the call may cost ",
                   shown(price.nano), ", and the next ", period, " begins at ", resets_at));
  error.metadata["price"] = shown(price.nano);
  error.metadata["budget"] = shown(budget.nano);
  error.metadata["spent"] = shown(reply.budget->spent);
  error.metadata["held"] = shown(reply.budget->held);
  error.metadata["period"] = std::string(period);
  error.metadata["resets_at"] = resets_at;
  return error;
}

}  // namespace

int64_t Call::LikelyCost() const {
  model::Usage usage;
  usage.input_tokens = estimate_.input_tokens;
  usage.output_tokens = estimate_.output_tokens;
  usage.source = model::UsageSource::kEstimated;
  int64_t most = 0;
  for (size_t i = 0; i < options_.size(); ++i) {
    if (options_[i].excluded) continue;
    const CallCost cost = CostOf(series_->targets[i].prices, nullptr, usage, began_);
    if (cost.charged) most = std::max(most, cost.charged->nano);
  }
  return most;
}

base::Task<std::optional<model::CallError>> Call::HoldMoney() {
  billing::LedgerStore* ledger = worker_.ledger();
  if (ledger == nullptr) co_return std::nullopt;
  if (!ledger->writable()) co_return NotWritable();
  billing::HoldRequest request;
  request.tenant = view_->config().tenants[identity_->tenant].name;
  request.request_id = input_.request.request_id;
  request.token = worker_.random().Next();
  if (named_by_caller_) request.fingerprint = billing::FingerprintOf(input_.request);
  request.key_id = identity_->key_id;
  request.model = route_->name;
  request.nano = LikelyCost();
  request.at = began_;
  const config::KeyBudget* budget = identity_->budget;
  if (budget != nullptr) {
    request.budget = {budget->nano, billing::PeriodOf(budget->period, began_)};
  }
  hold_ = billing::Hold(*ledger, std::move(request), worker_.loop(), signal_,
                        worker_.stats().holds_dropped);
  // A tenant or key that had too little when it was last looked at sends nothing before it is
  // known.
  const bool fits = hold_.nano() <= view_->available(identity_->tenant);
  const bool in_budget = budget == nullptr || hold_.nano() <= view_->budget_left(identity_->key_id);
  if (fits && in_budget) co_return std::nullopt;
  while (stop_ == StopCause::kNone && hold_.state() == billing::HoldState::kPending) {
    ArmTimer(input_.deadline);
    co_await signal_.Wait();
    if (worker_.clock().MonotonicNow() >= input_.deadline) Stop(StopCause::kDeadline);
  }
  NoteAvailable();
  if (stop_ != StopCause::kNone) co_return ErrorOf({}, {});
  if (hold_.stops_call()) co_return MoneyError();
  co_return std::nullopt;
}

void Call::NoteAvailable() {
  // What is old was noted before, and others may have noted later news since.
  if (!hold_.TakeNews()) return;
  if (hold_.state() != billing::HoldState::kHeld && hold_.state() != billing::HoldState::kRefused) {
    return;
  }
  view_->available(identity_->tenant) = hold_.reply().balance.available();
  if (const auto& use = hold_.reply().budget) {
    view_->budget_left(identity_->key_id) = identity_->budget->nano - use->spent - use->held;
  }
}

base::Task<void> Call::WaitForHold(Outcome* outcome) {
  auto failure = std::exchange(outcome->failure, std::nullopt);
  timers_->Hold();
  bool go_on = true;
  while (go_on && hold_.state() == billing::HoldState::kPending) {
    go_on = co_await WaitForChange(outcome);
  }
  timers_->Release(worker_.clock().MonotonicNow());
  NoteAvailable();
  if (go_on && hold_.stops_call()) {
    stop_ = StopCause::kMoney;
    outcome->failure =
        model::LocalFailure(model::FailureClass::kCancelled, "the call is not paid for");
  }
  if (!outcome->failure) outcome->failure = std::move(failure);
}

model::CallError Call::MoneyError() const {
  const base::Currency currency = view_->config().billing.currency;
  const billing::HoldReply& reply = hold_.reply();
  if (hold_.state() == billing::HoldState::kFailed) return NotWritable();
  if (hold_.state() == billing::HoldState::kUnknown) return NotWritable();
  const bool of_id = reply.verdict == billing::HoldVerdict::kIdInUse ||
                     reply.verdict == billing::HoldVerdict::kIdOfOther;
  if (of_id) return IdError(reply, currency);
  if (reply.verdict == billing::HoldVerdict::kNoAccount) {
    return LedgerUnavailable("the tenant's account is not open yet");
  }
  if (reply.verdict == billing::HoldVerdict::kKeyBudgetExhausted) {
    return BudgetError(reply, *identity_, {hold_.nano(), currency}, began_);
  }
  model::CallError error;
  error.reason = model::ErrorReason::kBalanceTooLow;
  const std::string balance = base::FormatMoney({reply.balance.available(), currency});
  const std::string price = base::FormatMoney({hold_.nano(), currency});
  error.message = hold_.growth_refused()
                      ? base::StrCat("the balance has run out: the answer would cost more than ",
                                     price, ", which is not there; top the account up")
                      : base::StrCat("the call is likely to cost ", price, " and ", balance,
                                     " is available; top the account up");
  if (!hold_.growth_refused()) error.metadata["balance"] = balance;
  error.metadata["price"] = price;
  return error;
}

billing::CallEnd Call::EndOf(const model::Usage& usage, const CallCost& cost) const {
  billing::CallEnd end;
  end.post = usage.source != model::UsageSource::kNone;
  if (cost.charged) end.cost = cost.charged->nano;
  if (cost.requested_model) end.would_have_cost = cost.requested_model->nano;
  if (cost.price != nullptr) end.price = cost.price->version;
  if (target_ != nullptr) {
    end.provider = target_->provider->name;
    end.upstream_model = target_->upstream_model;
  }
  end.usage = usage;
  if (!input_.request.labels.empty()) end.labels = telemetry::LabelsJson(input_.request.labels);
  end.at = worker_.clock().Now();
  return end;
}

base::Task<void> Call::WaitForGrowth(Outcome* outcome) {
  const base::Instant until = worker_.clock().MonotonicNow() + kGrowthWaitMax;
  timers_->Hold();
  bool go_on = true;
  while (go_on && AwaitsGrowth()) {
    if (worker_.clock().MonotonicNow() >= until) hold_.StopAwaiting();
    ArmTimer(until);
    if (AwaitsGrowth()) go_on = co_await WaitForChange(outcome);
  }
  timers_->Release(worker_.clock().MonotonicNow());
  NoteAvailable();
}

void Call::FollowCost(base::Instant now) {
  NoteAvailable();
  const int64_t tokens = counted_.tokens();
  if (tokens >= paid_tokens_ + kCheckTokens) {
    paid_tokens_ = tokens;
    // Before the output has outgrown it, and in steps that become larger.
    const auto cost_of = [&](int64_t output) {
      const model::Usage ahead{.input_tokens = estimate_.input_tokens,
                               .output_tokens = output,
                               .source = model::UsageSource::kCounted};
      return CostOf(at_->prices, nullptr, ahead, began_).charged;
    };
    cost_so_far_ = cost_of(tokens).value_or(base::Money()).nano;
    const auto soon = cost_of(tokens + kCheckTokens);
    if (soon && soon->nano > hold_.nano()) {
      const auto next = cost_of(tokens + std::max(kLookAheadTokens, tokens / 2));
      if (next) hold_.Grow(next->nano);
    }
  }
  if (now < note_at_) return;
  const bool is_first = note_at_ == base::Instant();
  note_at_ = now + (is_first ? kFirstNote : kNextNotes);
  if (is_first) return;
  model::Usage so_far;
  so_far.input_tokens = estimate_.input_tokens;
  so_far.output_tokens = tokens;
  so_far.source = model::UsageSource::kCounted;
  hold_.NoteDelivered(EndOf(so_far, ChargeOf(so_far)));
}

void Call::EndHold(const model::Usage& usage, const CallCost& cost, const model::CallError* error) {
  if (!hold_.open()) return;
  NoteAvailable();
  billing::CallEnd end = EndOf(usage, cost);
  end.result = error ? std::string(model::ErrorReasonName(error->reason)) : "OK";
  hold_.End(std::move(end));
}

}  // namespace pingti::exchange
