#include "server/rpc/write_response.h"

#include <string>
#include <utility>

namespace pingti::rpc {
namespace {

v1::Adaptation::Action ActionOf(providers::Adaptation::Action action) {
  switch (action) {
    case providers::Adaptation::Action::kDropped:
      return v1::Adaptation::ACTION_DROPPED;
    case providers::Adaptation::Action::kClamped:
      return v1::Adaptation::ACTION_CLAMPED;
    case providers::Adaptation::Action::kRenamed:
      return v1::Adaptation::ACTION_RENAMED;
    case providers::Adaptation::Action::kMapped:
      return v1::Adaptation::ACTION_MAPPED;
  }
  return v1::Adaptation::ACTION_UNSPECIFIED;
}

void WriteCitation(model::Citation from, v1::Citation* to) {
  to->set_number(std::move(from.number));
  to->set_url(std::move(from.url));
  to->set_title(std::move(from.title));
}

void WriteLogprob(model::TokenLogprob from, v1::TokenLogprob* to) {
  to->set_token(std::move(from.token));
  to->set_logprob(from.logprob);
  to->set_token_bytes(std::move(from.token_bytes));
  for (model::TokenLogprob::Alternative& alternative : from.alternatives) {
    v1::TokenLogprob::Alternative* written = to->add_alternatives();
    written->set_token(std::move(alternative.token));
    written->set_logprob(alternative.logprob);
    written->set_token_bytes(std::move(alternative.token_bytes));
  }
}

std::string TextOf(base::Currency currency) { return std::string(base::CurrencyCode(currency)); }

void WriteMoney(base::Money from, v1::Money* to) {
  to->set_currency(TextOf(from.currency));
  to->set_nano_units(from.nano);
}

struct DeltaWriter {
  v1::StreamDelta* to;

  void operator()(model::TextDelta& delta) const {
    to->set_choice_index(delta.choice);
    to->set_text(std::move(delta.text));
    for (model::TokenLogprob& logprob : delta.logprobs) {
      WriteLogprob(std::move(logprob), to->add_logprobs());
    }
  }
  void operator()(model::ReasoningDelta& delta) const {
    to->set_choice_index(delta.choice);
    to->set_reasoning(std::move(delta.text));
  }
  void operator()(model::RefusalDelta& delta) const {
    to->set_choice_index(delta.choice);
    to->set_refusal(std::move(delta.text));
  }
  void operator()(model::ToolCallDelta& delta) const {
    to->set_choice_index(delta.choice);
    v1::ToolCallDelta* call = to->mutable_tool_call();
    call->set_index(delta.index);
    call->set_id(std::move(delta.id));
    call->set_name(std::move(delta.name));
    call->set_arguments_json(std::move(delta.arguments_json));
  }
  void operator()(model::CitationDelta& delta) const {
    to->set_choice_index(delta.choice);
    WriteCitation(std::move(delta.citation), to->mutable_citation());
  }
};

void WriteChoice(model::Choice from, v1::Choice* to) {
  to->set_index(from.index);
  to->set_text(std::move(from.text));
  to->set_reasoning(std::move(from.reasoning));
  to->set_refusal(std::move(from.refusal));
  for (model::ToolCall& call : from.tool_calls) {
    v1::ToolCall* written = to->add_tool_calls();
    written->set_id(std::move(call.id));
    written->set_name(std::move(call.name));
    written->set_arguments_json(std::move(call.arguments_json));
  }
  for (model::Citation& citation : from.citations) {
    WriteCitation(std::move(citation), to->add_citations());
  }
  for (model::TokenLogprob& logprob : from.logprobs) {
    WriteLogprob(std::move(logprob), to->add_logprobs());
  }
  to->set_finish_reason(FinishReasonOf(from.finish_reason));
}

}  // namespace

v1::FinishReason FinishReasonOf(model::FinishReason reason) {
  switch (reason) {
    case model::FinishReason::kNone:
      return v1::FINISH_REASON_UNSPECIFIED;
    case model::FinishReason::kStop:
      return v1::FINISH_REASON_STOP;
    case model::FinishReason::kLength:
      return v1::FINISH_REASON_LENGTH;
    case model::FinishReason::kToolCalls:
      return v1::FINISH_REASON_TOOL_CALLS;
    case model::FinishReason::kContentFilter:
      return v1::FINISH_REASON_CONTENT_FILTER;
    case model::FinishReason::kOther:
      return v1::FINISH_REASON_OTHER;
  }
  return v1::FINISH_REASON_UNSPECIFIED;
}

void WriteDuration(absl::Duration from, google::protobuf::Duration* to) {
  to->set_seconds(absl::IDivDuration(from, absl::Seconds(1), &from));
  to->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(from)));
}

void WriteServedBy(const exchange::ServedBy& from, v1::ServedBy* to) {
  to->set_provider(from.provider.data(), from.provider.size());
  to->set_upstream_model(from.upstream_model.data(), from.upstream_model.size());
  to->set_reported_model(from.reported_model);
  to->set_attempts(from.attempts);
  to->set_upstream_response_id(from.upstream_response_id);
  for (const providers::Adaptation& adaptation : from.adaptations) {
    v1::Adaptation* written = to->add_adaptations();
    written->set_field(adaptation.field);
    written->set_action(ActionOf(adaptation.action));
    written->set_reason(adaptation.reason);
  }
}

void WriteUsage(const model::Usage& from, v1::Usage* to) {
  to->set_input_tokens(from.input_tokens);
  to->set_output_tokens(from.output_tokens);
  to->set_cached_input_tokens(from.cached_input_tokens);
  to->set_reasoning_tokens(from.reasoning_tokens);
  to->set_source(static_cast<v1::UsageSource>(from.source));
  to->set_lower_bound(from.lower_bound);
}

void WriteTimings(const exchange::Timings& from, v1::Timings* to) {
  WriteDuration(from.total, to->mutable_total());
  if (from.first_token != absl::InfiniteDuration()) {
    WriteDuration(from.first_token, to->mutable_first_token());
  }
  WriteDuration(from.queued, to->mutable_queued());
  WriteDuration(from.upstream, to->mutable_upstream());
}

void WriteCost(const exchange::CallCost& from, v1::Cost* to) {
  WriteMoney(*from.charged, to->mutable_charged());
  if (from.requested_model) {
    WriteMoney(*from.requested_model, to->mutable_requested_model_would_have_cost());
  }
}

void WritePrice(const billing::Price& from, const config::Billing& billing, v1::ModelPrice* to) {
  const config::PriceVersion& list = from.list;
  to->set_currency(TextOf(list.currency));
  to->set_input_pico_per_token(list.input_pico);
  to->set_cached_input_pico_per_token(list.cached_input_pico);
  to->set_output_pico_per_token(list.output_pico);
  to->set_request_nano(list.request_nano);
  to->set_version(from.version);
  to->set_since(absl::FormatCivilTime(list.since));
  to->set_source(list.source);
  if (list.source_date) to->set_source_date(absl::FormatCivilTime(*list.source_date));
  to->set_verified(list.verified);
  if (list.currency == from.charged_in) return;
  v1::ExchangeRate* exchange = to->mutable_exchange();
  exchange->set_currency(TextOf(from.charged_in));
  exchange->set_rate_nano(from.rate_nano);
  if (const config::ExchangeRate* rate = billing.RateFrom(list.currency)) {
    exchange->set_date(absl::FormatCivilTime(rate->date));
    exchange->set_source(rate->source);
  }
}

void WriteAnswer(const exchange::Completed& completed, model::Answer answer,
                 v1::GenerateCompletionResponse* to) {
  to->set_request_id(completed.request_id.data(), completed.request_id.size());
  to->set_model(completed.model.data(), completed.model.size());
  for (model::Choice& choice : answer.choices) WriteChoice(std::move(choice), to->add_choices());
  WriteUsage(completed.usage, to->mutable_usage());
  if (completed.cost.charged) WriteCost(completed.cost, to->mutable_cost());
  WriteServedBy(completed.served_by, to->mutable_served_by());
  WriteTimings(completed.timings, to->mutable_timings());
}

void WriteDelta(model::ContentDelta from, v1::StreamDelta* to) {
  std::visit(DeltaWriter{to}, from);
}

}  // namespace pingti::rpc
