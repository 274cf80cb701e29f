#include "client/error.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace pingti::client {
namespace {

constexpr char kRequestIdKey[] = "x-request-id";

// Longer waits are cut to this one; a server that says more means "not today".
constexpr std::int64_t kRetryDelayMsMax = std::int64_t{7} * 24 * 3600 * 1000;
constexpr std::int64_t kNanosPerMs = 1'000'000;

// Most details that are looked at; a status has one of each kind.
constexpr int kDetailsMax = 64;

std::chrono::milliseconds RoundedUp(const google::protobuf::Duration& duration) {
  if (duration.seconds() < 0 || duration.nanos() < 0) return std::chrono::milliseconds(0);
  const std::int64_t seconds = std::min(duration.seconds(), kRetryDelayMsMax / 1000);
  const std::int64_t ms = seconds * 1000 + (duration.nanos() + kNanosPerMs - 1) / kNanosPerMs;
  return std::chrono::milliseconds(std::min(ms, kRetryDelayMsMax));
}

void AddErrorInfo(const google::rpc::ErrorInfo& info, Error& error) {
  error.reason = info.reason();
  error.domain = info.domain();
  error.metadata = {info.metadata().begin(), info.metadata().end()};
  if (const auto id = error.metadata.find("request_id"); id != error.metadata.end()) {
    error.request_id = id->second;
  }
}

void AddViolations(const google::protobuf::Any& detail, Error& error) {
  if (google::rpc::BadRequest bad; detail.UnpackTo(&bad)) {
    for (const auto& violation : bad.field_violations()) {
      error.field_violations.push_back({violation.field(), violation.description()});
    }
  } else if (google::rpc::QuotaFailure quota; detail.UnpackTo(&quota)) {
    for (const auto& violation : quota.violations()) {
      error.quota_violations.push_back({violation.subject(), violation.description()});
    }
  } else if (google::rpc::PreconditionFailure precondition; detail.UnpackTo(&precondition)) {
    for (const auto& violation : precondition.violations()) {
      error.precondition_violations.push_back(
          {violation.type(), violation.subject(), violation.description()});
    }
  }
}

void AddDetail(const google::protobuf::Any& detail, Error& error) {
  if (google::rpc::ErrorInfo info; detail.UnpackTo(&info)) {
    AddErrorInfo(info, error);
  } else if (google::rpc::RetryInfo retry; detail.UnpackTo(&retry)) {
    if (retry.has_retry_delay()) error.retry_delay = RoundedUp(retry.retry_delay());
  } else if (google::rpc::RequestInfo request; detail.UnpackTo(&request)) {
    if (error.request_id.empty()) error.request_id = request.request_id();
  } else {
    AddViolations(detail, error);
  }
}

}  // namespace

Error ErrorFromStatus(const grpc::Status& status, std::string_view metadata_request_id) {
  Error error;
  error.code = status.error_code();
  error.message = status.error_message();
  if (!error.ok()) {
    google::rpc::Status details;
    const std::string bytes = status.error_details();
    if (!bytes.empty() && details.ParseFromString(bytes)) {
      const int count = std::min(details.details_size(), kDetailsMax);
      for (int i = 0; i < count; ++i) AddDetail(details.details(i), error);
    }
  }
  if (error.request_id.empty()) error.request_id = metadata_request_id;
  return error;
}

std::string RequestIdOf(const grpc::ClientContext& context) {
  for (const auto* metadata :
       {&context.GetServerInitialMetadata(), &context.GetServerTrailingMetadata()}) {
    if (const auto id = metadata->find(kRequestIdKey); id != metadata->end()) {
      return std::string(id->second.data(), id->second.size());
    }
  }
  return {};
}

Error LocalError(grpc::StatusCode code, std::string message) {
  Error error;
  error.code = code;
  error.message = std::move(message);
  error.domain = "pingti";
  return error;
}

}  // namespace pingti::client
