#include "client/command/exit_code.h"

#include <algorithm>
#include <string_view>

#include "client/command/format.h"
#include "client/command/visible_text.h"

namespace pingti::command {
namespace {

using grpc::StatusCode;

// Most violations that one line names.
constexpr std::size_t kViolationsShownMax = 3;

// gRPC's own words, in both directions, for a message over its limit; it shares its code with
// empty quotas but cannot be cured by waiting.
bool IsMessageTooLarge(const client::Error& error) {
  return error.code == StatusCode::RESOURCE_EXHAUSTED && error.reason.empty() &&
         error.message.find("larger than max") != std::string::npos;
}

bool IsOverload(const client::Error& error) {
  return error.reason == "OVERLOADED" || error.reason == "PROVIDER_RATE_LIMITED";
}

std::string_view Headline(const client::Error& error) {
  if (error.reason == client::kReasonAnswerIncomplete) return "answer incomplete";
  if (error.reason == "BALANCE_TOO_LOW") return "balance too low";
  if (error.reason == "KEY_BUDGET_EXHAUSTED") return "budget too low";
  if (error.reason == "ANSWER_TOO_LARGE") return "answer too large";
  if (IsOverload(error)) return "overloaded";
  if (IsMessageTooLarge(error)) return "message too large";
  switch (error.code) {
    case StatusCode::UNAUTHENTICATED:
      return "not authenticated";
    case StatusCode::PERMISSION_DENIED:
      return "not allowed";
    case StatusCode::NOT_FOUND:
      return "not found";
    case StatusCode::INVALID_ARGUMENT:
    case StatusCode::OUT_OF_RANGE:
      return "invalid request";
    case StatusCode::ALREADY_EXISTS:
    case StatusCode::FAILED_PRECONDITION:
      return "refused";
    case StatusCode::UNIMPLEMENTED:
      return "not supported";
    case StatusCode::RESOURCE_EXHAUSTED:
      return "quota exceeded";
    case StatusCode::UNAVAILABLE:
      return error.answer_started ? "answer incomplete" : "unavailable";
    case StatusCode::DEADLINE_EXCEEDED:
      return "deadline exceeded";
    case StatusCode::CANCELLED:
      return "cancelled";
    default:
      return "server error";
  }
}

// Appends `text` unless the line says it already.
void Add(std::string_view before, std::string_view text, std::string_view after,
         std::string& line) {
  if (text.empty() || line.find(text) != std::string::npos) return;
  line.append(before).append(text).append(after);
}

// gRPC's own messages often only repeat the code: "Deadline Exceeded".
bool SaysTheSame(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

void AddViolations(const client::Error& error, std::string& line) {
  std::size_t shown = 0;
  for (const auto& violation : error.field_violations) {
    if (++shown > kViolationsShownMax) break;
    Add("; ", violation.field, "", line);
    Add(": ", violation.description, "", line);
  }
  for (const auto& violation : error.quota_violations) {
    if (++shown > kViolationsShownMax) break;
    Add("; ", violation.description, "", line);
  }
  for (const auto& violation : error.precondition_violations) {
    if (++shown > kViolationsShownMax) break;
    Add("; ", violation.description, "", line);
  }
}

void AddHints(const client::Error& error, const CallFacts& facts, std::string& line) {
  if (const auto near = error.metadata.find("near"); near != error.metadata.end()) {
    Add(" (near: ", near->second, ")", line);
  }
  if (error.code == StatusCode::UNAUTHENTICATED && !facts.has_key) {
    line += " (no key given: use --key, PINGTI_API_KEY or the key file, see --help)";
  }
  // Only where no server answered: then the address is what there is to look at.
  if (error.code == StatusCode::UNAVAILABLE && error.reason.empty()) {
    line.append(" (target ").append(facts.target).append(")");
  }
  if (error.retry_delay) {
    line += error.retry_delay->count() == 0
                ? " (try again now)"
                : " (try again in " + FormatWait(*error.retry_delay) + ")";
  }
}

}  // namespace

ExitCode ExitCodeOf(const client::Error& error) {
  if (error.reason == client::kReasonAnswerIncomplete) return kExitIncomplete;
  if (error.reason == "BALANCE_TOO_LOW") return kExitTryLater;
  if (error.reason == "KEY_BUDGET_EXHAUSTED") return kExitTryLater;
  if (error.reason == "ANSWER_TOO_LARGE") {
    return error.answer_started ? kExitIncomplete : kExitOther;
  }
  if (IsMessageTooLarge(error)) return kExitInvalid;
  switch (error.code) {
    case StatusCode::OK:
      return kExitOk;
    case StatusCode::UNAUTHENTICATED:
    case StatusCode::PERMISSION_DENIED:
      return kExitNotAllowed;
    case StatusCode::NOT_FOUND:
    case StatusCode::INVALID_ARGUMENT:
    case StatusCode::OUT_OF_RANGE:
    case StatusCode::ALREADY_EXISTS:
    case StatusCode::FAILED_PRECONDITION:
    case StatusCode::UNIMPLEMENTED:
      return kExitInvalid;
    case StatusCode::RESOURCE_EXHAUSTED:
      return kExitTryLater;
    case StatusCode::DEADLINE_EXCEEDED:
      return kExitDeadline;
    case StatusCode::CANCELLED:
      return kExitCancelled;
    case StatusCode::UNAVAILABLE:
      if (error.answer_started) return kExitIncomplete;
      return IsOverload(error) ? kExitTryLater : kExitUnavailable;
    default:
      return error.answer_started ? kExitIncomplete : kExitOther;
  }
}

std::string DescribeError(const client::Error& error, const CallFacts& facts) {
  std::string line(Headline(error));
  if (!SaysTheSame(error.message, line)) Add(": ", error.message, "", line);
  AddViolations(error, line);
  AddHints(error, facts, line);
  if (!error.request_id.empty()) line.append(" [request ").append(error.request_id).append("]");
  return VisibleText(line, LineBreaks::kShow);
}

}  // namespace pingti::command
