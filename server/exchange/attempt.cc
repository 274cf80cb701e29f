// One attempt at a target: the part of a Call that speaks with a provider.
#include <algorithm>
#include <iterator>
#include <utility>

#include "server/base/fault_point.h"
#include "server/base/log.h"
#include "server/base/strings.h"
#include "server/exchange/call.h"
#include "server/exchange/transfer_state.h"

namespace pingti::exchange {
namespace {

using model::Failure;
using model::FailureClass;

// How long a finished stream waits for the end of the provider's answer, so that its connection can
// be used again.
constexpr absl::Duration kLingerMax = absl::Milliseconds(250);
// A stream that has passed its reservation takes so much more at a time.
constexpr int64_t kGrowthStepTokens = 64;

providers::TargetTraits TraitsOf(const routing::Target& target) {
  const config::Model& model = *target.model;
  providers::TargetTraits traits;
  traits.upstream_model = target.upstream_model;
  traits.unsupported_fields = model.unsupported_fields;
  traits.unsupported_fields.insert(traits.unsupported_fields.end(),
                                   target.provider->unsupported_fields.begin(),
                                   target.provider->unsupported_fields.end());
  traits.developer_role = model.developer_role;
  traits.system_messages = model.system_messages;
  traits.max_tokens_field = model.max_tokens_field;
  return traits;
}

// How many choices must end before an answer without its terminator counts as complete.
size_t ChoicesOf(const model::CompletionRequest& request,
                 const std::vector<providers::Adaptation>& adaptations) {
  const bool adapted =
      std::any_of(adaptations.begin(), adaptations.end(),
                  [](const providers::Adaptation& a) { return a.field == "sampling.n"; });
  return adapted ? 1 : static_cast<size_t>(request.sampling.n.value_or(1));
}

std::string_view TextOf(const model::ContentDelta& delta) {
  struct Visitor {
    std::string_view operator()(const model::TextDelta& d) const { return d.text; }
    std::string_view operator()(const model::ReasoningDelta& d) const { return d.text; }
    std::string_view operator()(const model::RefusalDelta& d) const { return d.text; }
    std::string_view operator()(const model::ToolCallDelta& d) const { return d.arguments_json; }
    std::string_view operator()(const model::CitationDelta&) const { return {}; }
  };
  return std::visit(Visitor(), delta);
}

}  // namespace

// The provider then stops where the reservation ends.
void Call::ForwardOutputCap() {
  if (!strict_ && (estimate_.caller_set_cap || !target_->model->forward_output_cap)) return;
  auto& sent = input_.request.sampling.max_output_tokens;
  const int64_t reserved = estimate_.choice_tokens;
  if (estimate_.caller_set_cap && *sent <= reserved) return;
  if (estimate_.caller_set_cap) {
    adaptations_.push_back(
        {"sampling.max_output_tokens", providers::Adaptation::Action::kClamped,
         base::StrCat("the tier reserves what is sent, and model ", target_->model->name,
                      " writes at most ", reserved, " tokens")});
  }
  sent = reserved;
}

// In steps: in a shared store each is an operation. Settlement takes the rest.
void Call::GrowReservations() {
  const int64_t tokens = estimate_.input_tokens + counted_.tokens();
  const base::Instant now = worker_.clock().MonotonicNow();
  for (quota::Reservation* reservation : {&reservation_, &provider_reservation_}) {
    if (!reservation->open() || tokens < reservation->tokens() + kGrowthStepTokens) continue;
    reservation->Grow(tokens, now);
  }
}

void Call::BeginAttempt() {
  const config::Provider& provider = *target_->provider;
  const config::Limits& limits = view_->config().limits;
  attempt_started_ = worker_.clock().MonotonicNow();
  timers_.emplace(target_->timeouts, attempt_started_, input_.stream);
  at_->attempts->attempts.Add();
  if (++attempts_ > 1) at_->attempts->retries.Add();
  probe_ = routing::NoteStart(PlaceOf(), attempt_started_);
  if (std::exchange(key_->key_health->bench.shown, false)) at_->provider->keys_benched.Sub();
  if (std::exchange(at_->provider_health->out.shown, false)) at_->provider->out.Set(0);
  (input_.stream ? at_->stream : at_->unary)->in_flight.Add();

  ForwardOutputCap();
  providers::WireRequest wire =
      view_->dialect(provider).Encode(input_.request, TraitsOf(*target_), input_.stream);
  std::move(wire.adaptations.begin(), wire.adaptations.end(), std::back_inserter(adaptations_));
  transport::HttpRequest http;
  http.url = provider.base_url + wire.path;
  http.version = provider.http_version;
  http.headers = key_->key->headers;
  http.body = std::move(wire.body);
  http.connect_timeout = target_->timeouts.connect;
  http.private_network = provider.private_network;
  http.ca_pem = provider.ca_pem;
  http.answer_bytes_max = static_cast<uint64_t>(limits.answer_bytes_max);
  if (!input_.stream) http.buffer_bytes_max = http.answer_bytes_max;
  transfer_ = worker_.transport().Start(std::move(http), signal_);
  worker_.stats().transfers_in_flight.Add();
  PINGTI_FAULT_POINT("sent");
}

base::Task<Call::Outcome> Call::Attempt() {
  BeginAttempt();
  if (const auto late_at = HedgeAt()) co_await Race(*late_at);
  Outcome outcome;
  if (input_.stream) {
    co_await ReadStream(*transfer_, &outcome);
  } else {
    co_await ReadWhole(*transfer_, &outcome);
  }
  EndAttempt(&outcome);
  co_return outcome;
}

void Call::EndAttempt(Outcome* outcome) {
  outcome->status = transfer_->status();
  reached_upstream_ |= transfer_->connected();
  attempt_ended_ = worker_.clock().MonotonicNow();
  if (outcome->failure) {
    at_->attempts->failures[static_cast<int>(outcome->failure->failure_class)].Add();
  }
  at_->attempts->duration.Observe(absl::ToDoubleSeconds(attempt_ended_ - attempt_started_));
  at_->attempts->bytes_in.Add(bytes_in_);
  NoteResult(*outcome);
  std::sort(outcome->ends.begin(), outcome->ends.end(),
            [](const auto& a, const auto& b) { return a.index < b.index; });
  (input_.stream ? at_->stream : at_->unary)->in_flight.Sub();
  if (outcome->failure) transfer_.reset();  // aborts what is not complete
  worker_.stats().transfers_in_flight.Sub();
}

void Call::NoteResult(const Outcome& outcome) {
  const routing::Place place = PlaceOf();
  const base::Instant now = worker_.clock().MonotonicNow();
  routing::NoteEnd(place);
  if (!outcome.failure) {
    // A stream's success was its first content.
    if (first_content_) return;
    NoteChange(routing::NoteSuccess(place, std::exchange(probe_, false), /*stream=*/false,
                                    attempt_ended_ - attempt_started_, now));
  } else if (outcome.failure->failure_class == FailureClass::kCancelled) {
    routing::NoteAbandoned(place, std::exchange(probe_, false));
  } else {
    NoteRateLimited(*outcome.failure);
    NoteChange(routing::NoteFailure(place, std::exchange(probe_, false), *outcome.failure,
                                    view_->config().routing, now));
  }
}

void Call::NoteChange(const routing::HealthChange& change) {
  if (change.breaker_opened) {
    at_->attempts->breaker_opened.Add();
    at_->attempts->breaker_open.Add();
  }
  if (change.breaker_closed) at_->attempts->breaker_open.Sub();
  if (change.key_benched && !std::exchange(key_->key_health->bench.shown, true)) {
    at_->provider->keys_benched.Add();
  }
  if (!change.provider_out) return;
  at_->provider->outs.Add();
  at_->provider->out.Set(1);
  at_->provider_health->out.shown = true;
  base::Log(base::LogLevel::kWarning, "provider is out, its substitutes serve",
            {{"provider", target_->provider->name},
             {"cause", std::string(model::FailureClassName(at_->provider_health->out.cause))},
             {"for", absl::FormatDuration(view_->config().routing.lost_provider_for)}});
}

base::Task<void> Call::ReadWhole(transport::HttpTransfer& transfer, Outcome* outcome) {
  while (!transfer.done()) {
    const bool go_on = co_await WaitForChange(outcome);
    if (!go_on) co_return;
  }
  bytes_in_ = static_cast<int64_t>(transfer.body().size());
  NoteProviderLimits(transfer);
  if (transfer.error() != transport::TransportError::kNone) {
    outcome->failure = FailureOf(transfer);
    co_return;
  }
  if (transfer.status() != 200) {
    outcome->failure = ClassifyAnswer(transfer);
    co_return;
  }
  auto decoded = view_->dialect(*target_->provider)
                     .DecodeAnswer(transfer.header("content-type"), transfer.body());
  if (auto* failure = std::get_if<Failure>(&decoded)) {
    outcome->failure = std::move(*failure);
    outcome->failure->upstream_status = 200;
    co_return;
  }
  outcome->answer = std::get<model::Answer>(std::move(decoded));
  outcome->info = outcome->answer.info;
  CountAnswer(outcome->answer);
  if (AwaitsHold()) co_await WaitForHold(outcome);
}

base::Task<void> Call::WaitForHeader(transport::HttpTransfer& transfer, Outcome* outcome) {
  bool go_on = true;
  while (go_on && AwaitsHeader(transfer)) go_on = co_await WaitForChange(outcome);
  NoteProviderLimits(transfer);
  if (!go_on || IsEventStream(transfer)) co_return;
  // An error, or no stream: read what fits into the buffer and classify it.
  while (go_on && AwaitsErrorBody(transfer)) go_on = co_await WaitForChange(outcome);
  if (!go_on) co_return;
  bytes_in_ = static_cast<int64_t>(transfer.body().size());
  outcome->failure = ClassifyAnswer(transfer);
}

std::unique_ptr<providers::StreamDecoder> Call::NewDecoder() const {
  providers::DecoderLimits limits;
  limits.line_bytes_max = static_cast<size_t>(view_->config().limits.line_bytes_max);
  return view_->dialect(*target_->provider).NewStreamDecoder(limits);
}

base::Task<void> Call::ReadStream(transport::HttpTransfer& transfer, Outcome* outcome) {
  co_await WaitForHeader(transfer, outcome);
  if (outcome->failure) co_return;
  auto decoder = NewDecoder();
  model::StreamEvents events;
  while (!decoder->terminated()) {
    const bool done = transfer.done();
    const std::string_view body = transfer.body();
    if (!body.empty()) {
      timers_->OnBytes(worker_.clock().MonotonicNow());
      bytes_in_ += static_cast<int64_t>(body.size());
      outcome->failure = decoder->Feed(body, &events);
      transfer.Consume(body.size());
    } else if (done) {
      outcome->failure = transfer.error() == transport::TransportError::kTooLarge
                             ? std::make_optional(FailureOf(transfer))
                             : decoder->End(&events);
    }
    if (AwaitsHold() && !events.empty()) {
      co_await WaitForHold(outcome);
      if (stop_ != StopCause::kNone || AwaitsHold()) co_return;
    }
    Deliver(&events, outcome);
    outcome->info = decoder->info();
    if (outcome->failure) co_return;
    if (body.empty() && done) {
      // The decoder knows of the choices that have begun only.
      const size_t choices = ChoicesOf(input_.request, adaptations_);
      if (!decoder->terminated() && outcome->ends.size() < choices) {
        outcome->failure = model::LocalFailure(FailureClass::kCut, "the connection broke off");
      }
      co_return;
    }
    if (AwaitsGrowth() && !decoder->terminated()) co_await WaitForGrowth(outcome);
    if (sink_.full() && !outcome->failure) co_await WaitForRoom(outcome);
    if (outcome->failure) co_return;
    if (!body.empty() && (!transfer.body().empty() || transfer.done())) continue;
    if (decoder->terminated()) break;
    const bool go_on = co_await WaitForChange(outcome);
    if (!go_on) co_return;
  }
  outcome->failure = decoder->End(&events);
  if (AwaitsHold()) {  // no content has come before
    co_await WaitForHold(outcome);
    if (stop_ != StopCause::kNone || AwaitsHold()) co_return;
  }
  Deliver(&events, outcome);
  outcome->info = decoder->info();
}

bool Call::MayLinger(base::Instant until) const {
  return !transfer_->done() && stop_ == StopCause::kNone && worker_.clock().MonotonicNow() < until;
}

base::Task<void> Call::Linger() {
  const base::Instant until = worker_.clock().MonotonicNow() + kLingerMax;
  while (MayLinger(until)) {
    transfer_->Consume(transfer_->body().size());
    ArmTimer(until);
    co_await signal_.Wait();
  }
}

base::Task<void> Call::WaitForRoom(Outcome* outcome) {
  worker_.stats().stream_buffer_full.Add();
  worker_.stats().transfers_paused.Add();
  timers_->Hold();
  bool go_on = true;
  while (go_on && sink_.full()) go_on = co_await WaitForChange(outcome);
  timers_->Release(worker_.clock().MonotonicNow());
  worker_.stats().transfers_paused.Sub();
}

base::Task<bool> Call::WaitForChange(Outcome* outcome) {
  if (stop_ == StopCause::kNone) {
    ArmTimer(std::min(timers_->Next(), input_.deadline));
    co_await signal_.Wait();
  }
  const base::Instant now = worker_.clock().MonotonicNow();
  if (stop_ == StopCause::kNone && now >= input_.deadline) stop_ = StopCause::kDeadline;
  if (hold_.open()) NoteAvailable();
  if (stop_ == StopCause::kNone && hold_.open() && hold_.stops_call()) stop_ = StopCause::kMoney;
  if (stop_ != StopCause::kNone) {
    outcome->failure =
        model::LocalFailure(FailureClass::kCancelled, "the call was ended from outside");
  } else {
    outcome->failure = timers_->Check(now);
  }
  co_return !outcome->failure;
}

void Call::NoteRateLimited(const Failure& failure) {
  quota::BucketSet* limits = key_->limits;
  if (limits == nullptr || failure.failure_class != FailureClass::kRateLimited) return;
  if (!failure.retry_after) return;
  // One call may go then. Where that is at once, nothing is known of the other limits.
  const bool at_once = *failure.retry_after <= absl::ZeroDuration();
  const auto dimension =
      at_once ? quota::Dimension::kRequestsPerMinute : limits->HoldingDimension();
  if (!dimension) return;
  worker_.quota_store().Correct(*limits, *dimension, 1, *failure.retry_after,
                                worker_.clock().MonotonicNow());
}

void Call::ArmTimer(base::Instant next) {
  // A timer that fires too early only looks again, so it is moved only when it would fire too late.
  if (next >= armed_until_) return;
  armed_until_ = next;
  timer_.Arm(next - worker_.clock().MonotonicNow());
}

void Call::Deliver(model::StreamEvents* events, Outcome* outcome) {
  if (events->empty()) return;
  const base::Instant now = worker_.clock().MonotonicNow();
  if (!first_content_) PINGTI_FAULT_POINT("first_byte");
  NoteContent(now);
  for (model::ContentDelta& delta : events->deltas) DeliverDelta(std::move(delta));
  for (model::ChoiceEnd& end : events->ends) outcome->ends.push_back(end);
  events->clear();
  GrowReservations();
  if (hold_.open()) FollowCost(now);
}

void Call::DeliverDelta(model::ContentDelta delta) {
  counted_.Add(TextOf(delta));
  if (std::holds_alternative<model::ReasoningDelta>(delta) && !input_.include_reasoning) return;
  SendStartedOnce();
  sink_.SendDelta(std::move(delta));
}

void Call::SendStartedOnce() {
  if (std::exchange(started_sent_, true)) return;
  // From here on nothing is tried again, and a long stream need not keep the messages.
  input_.request.messages.clear();
  ServedBy served_by;
  served_by.provider = target_->provider->name;
  served_by.upstream_model = target_->upstream_model;
  served_by.attempts = attempts_;
  served_by.adaptations = adaptations_;
  sink_.SendStarted(input_.request.request_id, route_->name, served_by);
}

void Call::NoteContent(base::Instant now) {
  timers_->OnContent(now);
  if (first_content_) return;
  first_content_ = now;
  NoteChange(routing::NoteSuccess(PlaceOf(), std::exchange(probe_, false), /*stream=*/true,
                                  now - attempt_started_, now));
}

void Call::CountAnswer(const model::Answer& answer) {
  for (const model::Choice& choice : answer.choices) {
    counted_.Add(choice.text);
    counted_.Add(choice.reasoning);
    counted_.Add(choice.refusal);
    for (const model::ToolCall& call : choice.tool_calls) counted_.Add(call.arguments_json);
  }
}

model::Failure Call::FailureOf(const transport::HttpTransfer& transfer) const {
  using transport::TransportError;
  Failure failure;
  failure.upstream_status = transfer.status();
  switch (transfer.error()) {
    case TransportError::kHostUnknown:
      failure.failure_class = FailureClass::kHostUnknown;
      failure.message = "its host is not known";
      break;
    case TransportError::kConnect:
    case TransportError::kConnectTimeout:
      failure.failure_class = FailureClass::kConnect;
      failure.message = "could not be reached";
      break;
    case TransportError::kTooLarge:
      failure.failure_class = FailureClass::kAnswerTooLarge;
      failure.message = base::StrCat("the answer is larger than the limit of ",
                                     view_->config().limits.answer_bytes_max, " bytes");
      failure.limit_bytes = view_->config().limits.answer_bytes_max;
      break;
    case TransportError::kProtocol:
      failure.failure_class = FailureClass::kMalformed;
      failure.message = "the answer is not HTTP";
      break;
    case TransportError::kNone:
    case TransportError::kCut:
      failure.failure_class = FailureClass::kCut;
      failure.message = "the connection broke off";
      break;
  }
  failure.upstream_text = std::string(transfer.error_text());
  return failure;
}

model::Failure Call::ClassifyAnswer(transport::HttpTransfer& transfer) {
  if (transfer.status() == 0) return FailureOf(transfer);
  return view_->dialect(*target_->provider)
      .Classify(transfer.status(), transfer.header("content-type"), transfer.body(),
                transfer.header("retry-after"), transfer.header("retry-after-ms"),
                worker_.clock().Now());
}

}  // namespace pingti::exchange
