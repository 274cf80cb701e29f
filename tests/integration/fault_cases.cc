#include "tests/integration/fault_cases.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <string>

namespace pingti::integration {
namespace {

using grpc::StatusCode;

constexpr Want kComplete;
constexpr Want kFiltered{.finish = v1::FINISH_REASON_CONTENT_FILTER};
constexpr Want kCutAfterContent{.cause = "cut", .content = true};
constexpr Want kCut{.cause = "cut"};
constexpr Want kMalformed{.cause = "malformed"};
constexpr Want kNoFirstToken{.cause = "first_token_timeout", .reason = "TARGETS_UNAVAILABLE"};
constexpr Want kTooLate{.cause = "total_timeout"};
constexpr Want kOverloaded{.cause = "overloaded", .reason = "TARGETS_UNAVAILABLE"};
constexpr Want kTooLarge{.cause = "answer_too_large",
                         .reason = "ANSWER_TOO_LARGE",
                         .code = StatusCode::RESOURCE_EXHAUSTED};
constexpr Want kTooLargeAfterContent{.cause = "answer_too_large",
                                     .reason = "ANSWER_TOO_LARGE",
                                     .content = true,
                                     .code = StatusCode::RESOURCE_EXHAUSTED};
constexpr Want kMalformedAfterContent{.cause = "malformed", .content = true};
constexpr Want kServerError{.cause = "server_error", .reason = "TARGETS_UNAVAILABLE"};
constexpr Want kBusyForLong{
    .cause = "overloaded", .reason = "TARGETS_UNAVAILABLE", .wait = Millis(86'400'000)};
constexpr Want kOutOfCredit{.cause = "out_of_credit", .reason = "PROVIDER_LOST"};
constexpr Want kBadKey{
    .cause = "bad_key", .reason = "PROVIDER_REFUSED_KEY", .code = StatusCode::INTERNAL};
constexpr Want kContextTooLong{.cause = "context_too_long",
                               .reason = "CONTEXT_TOO_LONG",
                               .code = StatusCode::INVALID_ARGUMENT};
constexpr Want kBadRequest{.cause = "bad_request",
                           .reason = "PROVIDER_REJECTED_REQUEST",
                           .code = StatusCode::INVALID_ARGUMENT};
constexpr Want kNotConnected{.cause = "connect", .reason = "TARGETS_UNAVAILABLE"};

constexpr Want RateLimited(int wait_ms, bool by_date = false) {
  return {.cause = "rate_limited",
          .reason = "PROVIDER_RATE_LIMITED",
          .wait = Millis(wait_ms),
          .by_date = by_date};
}

// Where the provider says no time.
constexpr Want kRateLimited = RateLimited(5'000);
constexpr Want kInAMinute = RateLimited(60'000, /*by_date=*/true);

constexpr Want Says(const char* text) { return {.text = text}; }

constexpr Want kFilteredInTheMiddle{.finish = v1::FINISH_REASON_CONTENT_FILTER,
                                    .text = "So far so good"};

constexpr Want Calls(const char* calls, v1::FinishReason finish = v1::FINISH_REASON_TOOL_CALLS) {
  return {.finish = finish, .calls = calls};
}

constexpr Want kTwoCalls =
    Calls("0 call_1 weather {\"city\":\"Paris\"}\n1 call_2 clock {\"zone\":\"CET\"}\n");
constexpr Want kCutCall = Calls("0 call_1 weather {\"city\":\"Par\n", v1::FINISH_REASON_LENGTH);
constexpr Want kMoodCall = Calls("0 call_1 weather {\"mood\":\"\U0001F600\"}\n");

const FaultCase kHttp1Faults[] = {
    {"1", kComplete, kComplete},
    {"2", kComplete, kComplete},
    {"2crlf", kComplete, kComplete},
    {"2cr", kComplete, kComplete},
    {"2mixed", kComplete, kComplete},
    {"2split", kComplete, kComplete},
    {"3", kComplete, kComplete},
    {"3two", kComplete, kComplete},
    {"4", kComplete, kComplete},
    {"5", kComplete, kComplete, R"(,"ping_ms":5,"first_token_ms":100)"},
    {"6", kComplete, kComplete},
    {"7", kComplete, kComplete},
    {"8", kComplete, kComplete},
    {"9", kComplete, kComplete},
    {"9named", kComplete, kComplete},
    {"10", kComplete, kComplete},
    {"11", kComplete, kComplete},
    // A line of a stream may have 16 MiB, a whole answer 64 MiB.
    {"11big", kTooLargeAfterContent, kComplete},
    {"12", kComplete, kComplete},
    {"12b", kTooLargeAfterContent, kTooLarge},
    {"13", kComplete, kComplete},
    {"13nul", kMalformedAfterContent, kMalformed},
    {"14", kComplete, kComplete},
    {"15", kComplete, kComplete},
    {"15spaces", kComplete, kComplete},
    {"16", kComplete, kComplete},
    {"17", kComplete, kComplete},
    {"18", kCutAfterContent, kComplete},
    {"19a", kCut, kCut},
    {"19b", kCutAfterContent, kCut},
    {"20a", kCutAfterContent, kCut},
    // Half of a JSON text whose end only the connection could tell.
    {"20b", kCutAfterContent, kMalformed},
    {"20c", kCutAfterContent, kCut},
    // An answer in one piece has only the total time.
    {"21a", kNoFirstToken, kTooLate},
    {"21b", kNoFirstToken, kTooLate},
    {"21c", {.cause = "stalled", .content = true}, kTooLate},
    {"26a", kOverloaded, kOverloaded},
    {"26b", {.cause = "overloaded", .content = true}, kOverloaded},
    {"27", kOverloaded, kOverloaded},
    {"28", kMalformed, kComplete},
    {"29", kComplete, kComplete},
    {"30", kMalformed, kMalformed},
    {"30b", kMalformed, kMalformed},
    {"30c", kMalformed, kMalformed},
    {"31", kServerError, kServerError},
    {"31b", kServerError, kServerError},
    {"31c", kServerError, kServerError},
    {"32", kServerError, kServerError},
    {"33", RateLimited(7'000), RateLimited(7'000)},
    {"33fraction", RateLimited(1'500), RateLimited(1'500)},
    {"33date", kInAMinute, kInAMinute},
    {"33date850", kInAMinute, kInAMinute},
    {"33datec", kInAMinute, kInAMinute},
    {"33past", RateLimited(0), RateLimited(0)},
    // Nothing is waited for longer than a day.
    {"33far", RateLimited(86'400'000), RateLimited(86'400'000)},
    {"33garbage", kRateLimited, kRateLimited},
    {"33ms", RateLimited(2'500), RateLimited(2'500)},
    {"33no", kRateLimited, kRateLimited},
    {"33yes", kRateLimited, kRateLimited},
    {"33busy", kBusyForLong, kBusyForLong},
    // Its message says when.
    {"34", RateLimited(18'642), RateLimited(18'642)},
    {"34account", kOutOfCredit, kOutOfCredit},
    {"34minute", kRateLimited, kRateLimited},
    {"35", kRateLimited, kRateLimited},
    {"36", kBadKey, kBadKey},
    {"36key", kBadKey, kBadKey},
    {"36context", kContextTooLong, kContextTooLong},
    {"36large", kBadRequest, kBadRequest},
    {"36wrong", kBadRequest, kBadRequest},
    {"37", kComplete, kComplete},
    {"37first", kComplete, kComplete},
    {"37last", kComplete, kComplete},
    {"38", kComplete, kComplete},
    {"39", kComplete, kComplete},
    {"40", kComplete, kComplete},
    {"41", kComplete, kComplete},
    {"42", kComplete, kComplete},
    {"42b", kComplete, kComplete},
    {"43", kComplete, kComplete},
    {"43empty", kComplete, kComplete},
    {"44", kFiltered, kFiltered},
    {"45", kFilteredInTheMiddle, kFilteredInTheMiddle},
    {"46", kTwoCalls, kTwoCalls},
    {"47", kTwoCalls, kTwoCalls},
    {"48", kTwoCalls,
     Calls("0 call_1 weather {\"city\":\"Paris\"}\n"
           "1 call_1 clock {\"zone\":\"CET\"}\n")},
    {"48empty", kTwoCalls,
     Calls("0  weather {\"city\":\"Paris\"}\n"
           "1  clock {\"zone\":\"CET\"}\n")},
    {"49", kTwoCalls, kTwoCalls},
    // Arguments are the caller's to judge: as they are.
    {"50", Calls("0 call_1 weather {\"city\": Paris, }}\n"),
     Calls("0 call_1 weather {\"city\": Paris, }}\n")},
    {"50cut", kCutCall, kCutCall},
    {"51", Calls("0 call_1 weather \n"), Calls("0 call_1 weather \n")},
    {"52", Says("a\U0001F600b"), Says("a\U0001F600b")},
    {"52lone", Says("a\uFFFDb\uFFFDc\uFFFD"), Says("a\uFFFDb\uFFFDc\uFFFD")},
    {"52arguments", kMoodCall, kMoodCall},
    {"53", kMalformedAfterContent, kMalformed},
    {"54deep", kMalformedAfterContent, kMalformed},
    {"54number", kComplete, kComplete},
    {"54twice", kComplete, kComplete},
    {"55", kComplete, kComplete},
    {"56", kComplete, kComplete},
    {"59", kCut, kCut},
};

// What only HTTP/2 can do, and what is something else there: a body whose end is that of its
// connection is one without an end.
const FaultCase kHttp2Faults[] = {
    {"20b", kCutAfterContent, kCut},           {"23goaway", kCut, kCut},
    {"23goawaylate", kCutAfterContent, kCut},  {"23refused", kCut, kCut},
    {"23refusedlate", kCutAfterContent, kCut}, {"23error", kCut, kCut},
    {"23errorlate", kCutAfterContent, kCut},   {"23stopped", kCutAfterContent, kCut},
};

constexpr char kOwnAuthority[] = "private_network: true, ca_file: \"$CA$\"";

const NetworkFault kNetworkFaults[] = {
    {"57unknown",
     "http://nowhere.invalid/v1",
     {.cause = "host_unknown", .reason = "PROVIDER_LOST"}},
    {"57held", "http://provider.held.invalid/v1", kNotConnected, "", /*takes_long=*/true},
    // Names that lead to where they may not.
    {"57elsewhere", "http://elsewhere.localhost:$PORT$/v1", kNotConnected},
    {"57forbidden", "http://169.254.169.254:$PORT$/v1", kNotConnected, "private_network: true"},
    {"58expired", "https://58expired.localhost:$TLS_PORT$/v1", kNotConnected, kOwnAuthority},
    {"58otherhost", "https://58otherhost.localhost:$TLS_PORT$/v1", kNotConnected, kOwnAuthority},
    {"58stall", "https://58stall.localhost:$TLS_PORT$/v1", kNotConnected, kOwnAuthority,
     /*takes_long=*/true},
    // Good, but for an authority that nobody knows.
    {"58stranger", "https://tls.localhost:$TLS_PORT$/v1", kNotConnected, "private_network: true"},
    {"59silent", "http://127.0.0.1:$SILENT_PORT$/v1", kNotConnected, "", /*takes_long=*/true},
};

template <typename Cases>
bool IsIn(const Cases& cases, std::string_view name) {
  return std::any_of(std::begin(cases), std::end(cases),
                     [&](const auto& c) { return name == c.fault; });
}

template <typename Cases>
bool IsEntryIn(const Cases& cases, std::string_view digits) {
  return std::any_of(std::begin(cases), std::end(cases), [&](const auto& c) {
    const std::string_view name = c.fault;
    return name.starts_with(digits) &&
           (name.size() == digits.size() || std::isdigit(name[digits.size()]) == 0);
  });
}

}  // namespace

std::span<const FaultCase> Http1Faults() { return kHttp1Faults; }

std::vector<FaultCase> Http2Faults() {
  std::vector<FaultCase> cases(std::begin(kHttp2Faults), std::end(kHttp2Faults));
  for (const FaultCase& c : kHttp1Faults) {
    if (!IsIn(kHttp2Faults, c.fault)) cases.push_back(c);
  }
  return cases;
}

std::span<const NetworkFault> NetworkFaults() { return kNetworkFaults; }

bool HasFault(std::string_view name) {
  return IsIn(kHttp1Faults, name) || IsIn(kHttp2Faults, name) || IsIn(kNetworkFaults, name);
}

bool HasFaultOf(int entry) {
  const std::string digits = std::to_string(entry);
  return IsEntryIn(kHttp1Faults, digits) || IsEntryIn(kHttp2Faults, digits) ||
         IsEntryIn(kNetworkFaults, digits);
}

}  // namespace pingti::integration
