// From the form that the layers below share to the messages of the protocol.
#pragma once

#include "pingti/v1/completion_service.pb.h"
#include "pingti/v1/models_service.pb.h"
#include "server/billing/price_book.h"
#include "server/config/prices.h"
#include "server/exchange/response_sink.h"

namespace pingti::rpc {

void WriteServedBy(const exchange::ServedBy& from, v1::ServedBy* to);
void WriteUsage(const model::Usage& from, v1::Usage* to);
void WriteTimings(const exchange::Timings& from, v1::Timings* to);
v1::FinishReason FinishReasonOf(model::FinishReason reason);
// REQUIRES: from.charged; without it the message stays unset.
void WriteCost(const exchange::CallCost& from, v1::Cost* to);
void WritePrice(const billing::Price& from, const config::Billing& billing, v1::ModelPrice* to);
void WriteDuration(absl::Duration from, google::protobuf::Duration* to);

// The whole answer to GenerateCompletion.
void WriteAnswer(const exchange::Completed& completed, model::Answer answer,
                 v1::GenerateCompletionResponse* to);

// The content of one StreamDelta.
void WriteDelta(model::ContentDelta from, v1::StreamDelta* to);

}  // namespace pingti::rpc
