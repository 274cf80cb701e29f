#include "server/providers/openai/errors.h"

#include <charconv>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "server/base/strings.h"
#include "server/providers/openai/error_codes.h"
#include "server/providers/retry_after.h"
#include "server/providers/upstream_text.h"

namespace pingti::providers::openai {
namespace {

using model::Failure;
using model::FailureClass;

constexpr int kStatusTooManyRequests = 429;

// Reads on after "provider yi: ".
std::string_view MessageOf(FailureClass failure_class) {
  switch (failure_class) {
    case FailureClass::kRateLimited:
      return "limits the rate of our key";
    case FailureClass::kOutOfCredit:
      return "our account there has no money or quota left";
    case FailureClass::kBadKey:
      return "refuses our key";
    case FailureClass::kRegionBlocked:
      return "does not serve our region";
    case FailureClass::kBadRequest:
      return "refuses the request";
    case FailureClass::kContextTooLong:
      return "the prompt and the output do not fit the context of the model";
    case FailureClass::kModelNotFound:
      return "does not know the model";
    case FailureClass::kContentFiltered:
      return "refuses the prompt for its content";
    case FailureClass::kOverloaded:
      return "is overloaded";
    case FailureClass::kServerError:
      return "has failed";
    case FailureClass::kHostUnknown:
      return "its host is not known";
    case FailureClass::kConnect:
      return "could not be reached";
    case FailureClass::kFirstTokenTimeout:
      return "did not begin its answer in time";
    case FailureClass::kStalled:
      return "its answer has stalled";
    case FailureClass::kCut:
      return "its answer ended before it was complete";
    case FailureClass::kMalformed:
      return "its answer is malformed";
    case FailureClass::kAnswerTooLarge:
      return "its answer is over the limit";
    case FailureClass::kTotalTimeout:
      return "its answer took too long";
    case FailureClass::kCancelled:
      return "the call was cancelled";
  }
  return "has failed";
}

// OpenRouter and others give an HTTP status as the code of an error inside an answer; 0: none.
int StatusInCode(std::string_view code) {
  int status = 0;
  auto result = std::from_chars(code.data(), code.data() + code.size(), status);
  bool whole = result.ec == std::errc() && result.ptr == code.data() + code.size();
  return whole && status >= 400 && status < 600 ? status : 0;
}

FailureClass ClassOf(int status, const ProviderError& error) {
  if (error.base_status != 0) return ClassOfBaseStatus(error.base_status);
  auto by_message = ClassOfMessage(absl::AsciiStrToLower(error.message));
  // The two phrases that say more than the code that comes with them.
  if (by_message == FailureClass::kBadRequest || by_message == FailureClass::kRateLimited) {
    return *by_message;
  }
  if (auto by_code = ClassOfWord(error.code)) return *by_code;
  if (auto by_type = ClassOfWord(error.type)) return *by_type;
  if (by_message && status != kStatusTooManyRequests) return *by_message;
  if (status != kStatusOk) return ClassOfStatus(status);
  if (int inner = StatusInCode(error.code)) return ClassOfStatus(inner);
  if (error.type == "invalid_request_error") return FailureClass::kBadRequest;
  return FailureClass::kServerError;
}

}  // namespace

Failure MakeFailure(FailureClass failure_class, int status, std::string_view upstream) {
  Failure failure;
  failure.failure_class = failure_class;
  failure.message = std::string(MessageOf(failure_class));
  failure.upstream_status = status;
  failure.upstream_text = UpstreamText(upstream);
  return failure;
}

Failure FailureOfError(int status, const ProviderError& error, std::string_view upstream) {
  Failure failure = MakeFailure(ClassOf(status, error), status, upstream);
  if (failure.failure_class == FailureClass::kRateLimited ||
      failure.failure_class == FailureClass::kOverloaded) {
    failure.retry_after = RetryAfterInText(error.message);
  }
  return failure;
}

bool IsHtml(std::string_view content_type, std::string_view body) {
  if (absl::StartsWithIgnoreCase(base::AbslView(content_type), "text/html")) return true;
  absl::string_view text = absl::StripLeadingAsciiWhitespace(base::AbslView(body));
  return absl::StartsWith(text, "<");
}

Failure FailureOfHtml(int status, std::string_view body) {
  // A page says nothing about our key or request, except through these statuses.
  FailureClass by_status = ClassOfStatus(status);
  bool telling = status == 401 || by_status == FailureClass::kRateLimited ||
                 by_status == FailureClass::kOverloaded;
  return MakeFailure(telling ? by_status : FailureClass::kServerError, status, body);
}

}  // namespace pingti::providers::openai
