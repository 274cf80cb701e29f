#include "server/rpc/status.h"

#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/rpc/arena.h"
#include "server/telemetry/utf8.h"

namespace pingti::rpc {
namespace {

constexpr char kDomain[] = "pingti";
// Trailers larger than about 8 KB are refused by common clients and proxies, so every text in them
// is cut: some quote what the caller sent. Cut between characters: a string of protobuf that is not
// UTF-8 would make all of the details unreadable.
constexpr size_t kMessageBytesMax = 1024;
constexpr size_t kDetailBytesMax = 256;

std::string Cut(std::string_view text, size_t bytes_max = kDetailBytesMax) {
  return telemetry::CleanUtf8(text, bytes_max);
}

void SetDuration(absl::Duration from, google::protobuf::Duration* to) {
  to->set_seconds(absl::IDivDuration(from, absl::Seconds(1), &from));
  to->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(from)));
}

// As Any::PackFrom does, without its look-up of the type's name: a refusal is to cost little.
void Pack(std::string_view type, const google::protobuf::Message& detail,
          google::rpc::Status* status) {
  google::protobuf::Any* any = status->add_details();
  any->mutable_type_url()->append("type.googleapis.com/").append(type);
  any->set_value(detail.SerializeAsString());
}

void AddErrorInfo(const model::CallError& error, std::string_view request_id,
                  google::protobuf::Arena* arena, google::rpc::Status* status) {
  auto* info = NewIn<google::rpc::ErrorInfo>(arena);
  info->set_reason(std::string(model::ErrorReasonName(error.reason)));
  info->set_domain(kDomain);
  auto& metadata = *info->mutable_metadata();
  for (const auto& [key, value] : error.metadata) metadata[key] = Cut(value);
  metadata["request_id"] = std::string(request_id);
  Pack("google.rpc.ErrorInfo", *info, status);
}

void AddTypedDetails(const model::CallError& error, google::rpc::Status* status) {
  if (error.retry_delay) {
    google::rpc::RetryInfo retry;
    SetDuration(*error.retry_delay, retry.mutable_retry_delay());
    Pack("google.rpc.RetryInfo", retry, status);
  }
  if (!error.quotas.empty()) {
    google::rpc::QuotaFailure failure;
    for (const model::QuotaViolation& quota : error.quotas) {
      auto* violation = failure.add_violations();
      violation->set_subject(quota.subject);
      violation->set_description(Cut(quota.description));
    }
    Pack("google.rpc.QuotaFailure", failure, status);
  }
  if (error.reason == model::ErrorReason::kBalanceTooLow) {
    google::rpc::PreconditionFailure failure;
    auto* violation = failure.add_violations();
    violation->set_type("BALANCE");
    violation->set_description(Cut(error.message));
    Pack("google.rpc.PreconditionFailure", failure, status);
  }
  if (!error.fields.empty()) {
    google::rpc::BadRequest bad;
    for (const model::FieldViolation& field : error.fields) {
      auto* violation = bad.add_field_violations();
      violation->set_field(field.field);
      violation->set_description(Cut(field.description));
    }
    Pack("google.rpc.BadRequest", bad, status);
  }
}

}  // namespace

grpc::Status ToStatus(const model::CallError& error, std::string_view request_id) {
  const auto code = static_cast<grpc::StatusCode>(error.code());
  const std::string message = Cut(error.message, kMessageBytesMax);
  google::protobuf::Arena arena;
  auto* status = NewIn<google::rpc::Status>(&arena);
  status->set_code(code);
  status->set_message(message);
  AddErrorInfo(error, request_id, &arena, status);
  AddTypedDetails(error, status);
  google::rpc::RequestInfo request;
  request.set_request_id(std::string(request_id));
  Pack("google.rpc.RequestInfo", request, status);
  return grpc::Status(code, message, status->SerializeAsString());
}

}  // namespace pingti::rpc
