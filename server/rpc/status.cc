#include "server/rpc/status.h"

#include <cstdint>
#include <string>

#include "server/rpc/wire_writer.h"
#include "server/telemetry/utf8.h"

namespace pingti::rpc {
namespace {

constexpr std::string_view kDomain = "pingti";
// Trailers larger than about 8 KB are refused by common clients and proxies, so every text in them
// is cut: some quote what the caller sent. Cut between characters: a string of protobuf that is not
// UTF-8 would make all of the details unreadable.
constexpr size_t kMessageBytesMax = 1024;
constexpr size_t kDetailBytesMax = 256;
// Room for the details of most errors.
constexpr size_t kDetailsBytes = 1024;

std::string Cut(std::string_view text, size_t bytes_max = kDetailBytesMax) {
  return telemetry::CleanUtf8(text, bytes_max);
}

// google.rpc.Status, written field by field; the numbers are those of google/rpc/status.proto and
// error_details.proto, which never change.
class DetailsWriter {
 public:
  explicit DetailsWriter(std::string* out) : wire_(out) {}

  void AddCodeAndMessage(grpc::StatusCode code, std::string_view message) {
    wire_.Number(1, code);
    wire_.Text(2, message);
  }

  void AddErrorInfo(const model::CallError& error, std::string_view request_id) {
    AddDetail("google.rpc.ErrorInfo", [&] {
      wire_.Text(1, model::ErrorReasonName(error.reason));
      wire_.Text(2, kDomain);
      for (const auto& [key, value] : error.metadata) AddMapEntry(key, Cut(value));
      AddMapEntry("request_id", request_id);
    });
  }

  void AddRetryInfo(absl::Duration delay) {
    AddDetail("google.rpc.RetryInfo", [&] {
      wire_.Message(1, [&] {
        wire_.Number(1, absl::IDivDuration(delay, absl::Seconds(1), &delay));
        wire_.Number(2, absl::ToInt64Nanoseconds(delay));
      });
    });
  }

  // QuotaFailure and BadRequest are alike: a list of pairs of a name and a text.
  template <typename Violations, typename Name>
  void AddViolations(std::string_view type, const Violations& violations, Name name) {
    if (violations.empty()) return;
    AddDetail(type, [&] {
      for (const auto& violation : violations) {
        wire_.Message(1, [&] {
          wire_.Text(1, violation.*name);
          wire_.Text(2, Cut(violation.description));
        });
      }
    });
  }

  void AddPreconditionFailure(std::string_view type, std::string_view description) {
    AddDetail("google.rpc.PreconditionFailure", [&] {
      wire_.Message(1, [&] {
        wire_.Text(1, type);
        wire_.Text(3, Cut(description));
      });
    });
  }

  void AddRequestInfo(std::string_view request_id) {
    AddDetail("google.rpc.RequestInfo", [&] { wire_.Text(1, request_id); });
  }

 private:
  // A google.protobuf.Any.
  template <typename Fill>
  void AddDetail(std::string_view type, Fill fill) {
    constexpr std::string_view kPrefix = "type.googleapis.com/";
    wire_.Message(3, [&] {
      wire_.Message(1, [&] {
        wire_.Raw(kPrefix);
        wire_.Raw(type);
      });
      wire_.Message(2, fill);
    });
  }

  void AddMapEntry(std::string_view key, std::string_view value) {
    wire_.Message(3, [&] {
      wire_.Text(1, key);
      wire_.Text(2, value);
    });
  }

  WireWriter wire_;
};

}  // namespace

grpc::Status ToStatus(const model::CallError& error, std::string_view request_id) {
  const auto code = static_cast<grpc::StatusCode>(error.code());
  const std::string message = Cut(error.message, kMessageBytesMax);
  std::string details;
  details.reserve(kDetailsBytes);
  DetailsWriter writer(&details);
  writer.AddCodeAndMessage(code, message);
  writer.AddErrorInfo(error, request_id);
  if (error.retry_delay) writer.AddRetryInfo(*error.retry_delay);
  writer.AddViolations("google.rpc.QuotaFailure", error.quotas, &model::QuotaViolation::subject);
  writer.AddViolations("google.rpc.BadRequest", error.fields, &model::FieldViolation::field);
  if (error.reason == model::ErrorReason::kBalanceTooLow) {
    writer.AddPreconditionFailure("BALANCE", error.message);
  }
  if (error.reason == model::ErrorReason::kKeyBudgetExhausted) {
    writer.AddPreconditionFailure("KEY_BUDGET", error.message);
  }
  writer.AddRequestInfo(request_id);
  return grpc::Status(code, message, details);
}

}  // namespace pingti::rpc
