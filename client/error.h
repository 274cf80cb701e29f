// Why a call failed: gRPC status and google.rpc details in one value that a program can decide on.
//
// A server of Pingti sends with every error the status code, a sentence for people, and in the
// trailer `grpc-status-details-bin` a google.rpc.Status with ErrorInfo (domain `pingti`, reason as
// in pingti/v1/error_reason.proto, request id), and as the reason demands RetryInfo, QuotaFailure,
// BadRequest or PreconditionFailure. Whatever stands between (a proxy, a broken connection) sends
// less: then the fields that nobody filled are empty, never guessed.
//
// Thread-safety: a value. Ownership: owns all of its texts. Units: retry_delay is rounded up, so
// that waiting that long is never too short.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pingti::client {

// The reason of errors that this library finds itself, and the server's word for the same thing:
// the answer ended before it was complete.
inline constexpr std::string_view kReasonAnswerIncomplete = "ANSWER_INCOMPLETE";

struct FieldViolation {
  std::string field;  // Path in the request, for example `spec.sampling.temperature`.
  std::string description;
};

struct QuotaViolation {
  std::string subject;  // Name of the bucket.
  std::string description;
};

struct PreconditionViolation {
  std::string type;
  std::string subject;
  std::string description;
};

struct Error {
  // OK: no error. Everything else in here is then empty, except request_id.
  grpc::StatusCode code = grpc::StatusCode::OK;
  // One sentence for people, as the server wrote it; may hold any character.
  std::string message;
  // ErrorInfo.reason, for example `QUOTA_EXCEEDED`; empty where the error is not from Pingti.
  std::string reason;
  // ErrorInfo.domain; `pingti` for errors of the server and of this library.
  std::string domain;
  // Id of the call; empty where no server saw it.
  std::string request_id;
  // ErrorInfo.metadata, the request id included; error_reason.proto says what each reason has.
  std::map<std::string, std::string> metadata;
  // Trying again earlier is pointless; not set: the server gave no time.
  std::optional<std::chrono::milliseconds> retry_delay;
  std::vector<FieldViolation> field_violations;
  std::vector<QuotaViolation> quota_violations;
  std::vector<PreconditionViolation> precondition_violations;
  // A stream had delivered a part of the answer before it failed. The part is real and was billed;
  // the answer is not complete.
  bool answer_started = false;

  bool ok() const { return code == grpc::StatusCode::OK; }
};

// Decodes a status and, where it carries them, its details. `metadata_request_id` is used where the
// details name no request. Details that cannot be parsed are left out: the code and the message
// still stand.
Error ErrorFromStatus(const grpc::Status& status, std::string_view metadata_request_id);

// The `x-request-id` of a call's initial or trailing metadata, or empty. Call it after the call has
// ended: before that, gRPC has no trailing metadata.
std::string RequestIdOf(const grpc::ClientContext& context);

// An error that this library found without asking a server.
Error LocalError(grpc::StatusCode code, std::string message);

}  // namespace pingti::client
