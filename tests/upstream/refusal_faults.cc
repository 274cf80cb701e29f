#include "tests/upstream/refusal_faults.h"

#include <time.h>

#include <string>
#include <string_view>
#include <utility>

#include "server/base/strings.h"
#include "tests/upstream/errors.h"

namespace pingti::upstream {
namespace {

constexpr time_t kDateSeconds = 60;  // from now to the dates that are sent
constexpr int kTooMany = 429;

void Refuse(int status, std::string body, Reply* reply) {
  reply->faulty = true;
  reply->status = status;
  reply->content_type = "application/json";
  reply->framing = Framing::kLength;
  reply->completion_tokens = 0;
  Piece piece{.kind = PieceKind::kBody, .raw = true};
  piece.bytes = std::move(body);
  reply->body = {std::move(piece)};
}

// With a row of errors.cc.
void RefuseAs(const char* error, const FaultContext& context, Reply* reply) {
  const ErrorRow& row = *FindError(error);
  Refuse(row.status, ErrorBody(row, context.answer.model), reply);
}

constexpr char kRate[] = "429";
constexpr char kAccount[] = "429quota";
constexpr char kBadKey[] = "401";
constexpr char kTooLong[] = "400";
constexpr char kTooLarge[] = "413";
constexpr char kWrong[] = "422";

template <const char* kError>
void RefuseAs(const FaultContext& context, Reply* reply) {
  RefuseAs(kError, context, reply);
}

void RefuseKey(const FaultContext&, Reply* reply) {
  Refuse(403, ErrorBody("This key may not do that (simulated).", "permission_error", "", ""),
         reply);
}

// DashScope says the code of an empty account for its limit of tokens per minute.
void MinuteQuota(const FaultContext&, Reply* reply) {
  Refuse(kTooMany,
         ErrorBody("Allocated quota exceeded, please increase your quota limit (simulated).",
                   "insufficient_quota", "insufficient_quota", ""),
         reply);
}

// Says no time.
void Bare(const FaultContext&, Reply* reply) {
  Refuse(kTooMany,
         ErrorBody("Too many requests (simulated).", "requests", "rate_limit_exceeded", ""), reply);
}

void Busy(const FaultContext& context, Reply* reply) {
  RefuseAs("503", context, reply);
  reply->headers.emplace_back("Retry-After", "274579");
}

// Bare(), with one header that says when.
void Limit(std::string_view name, std::string_view value, const FaultContext& context,
           Reply* reply) {
  Bare(context, reply);
  reply->headers.emplace_back(name, value);
}

constexpr char kSeconds[] = "7";
constexpr char kFraction[] = "1.5";
constexpr char kFar[] = "274579";
constexpr char kGarbage[] = "soon, perhaps";

template <const char* kValue>
void RetryAfter(const FaultContext& context, Reply* reply) {
  Limit("Retry-After", kValue, context, reply);
}

constexpr char kInternetDate[] = "%a, %d %b %Y %H:%M:%S GMT";
constexpr char kOldDate[] = "%A, %d-%b-%y %H:%M:%S GMT";
constexpr char kCDate[] = "%a %b %e %H:%M:%S %Y";

template <const char* kFormat, time_t kFromNow>
void RetryAfterDate(const FaultContext& context, Reply* reply) {
  const time_t when = time(nullptr) + kFromNow;
  tm parts{};
  gmtime_r(&when, &parts);
  char date[64];
  const size_t size = strftime(date, sizeof(date), kFormat, &parts);
  Limit("Retry-After", {date, size}, context, reply);
}

void RetryAfterMs(const FaultContext& context, Reply* reply) {
  Limit("retry-after-ms", "2500", context, reply);
  reply->headers.emplace_back("Retry-After", "3");
}

constexpr char kNo[] = "false";
constexpr char kYes[] = "true";

template <const char* kValue>
void ShouldRetry(const FaultContext& context, Reply* reply) {
  Limit("x-should-retry", kValue, context, reply);
}

const FaultRow kRefusalFaults[] = {
    {"33", "429, Retry-After: 7", nullptr, nullptr, RetryAfter<kSeconds>},
    {"33fraction", "429, Retry-After: 1.5", nullptr, nullptr, RetryAfter<kFraction>},
    {"33date", "429, Retry-After: in a minute, as RFC 9110 writes it", nullptr, nullptr,
     RetryAfterDate<kInternetDate, kDateSeconds>},
    {"33date850", "429, Retry-After: in a minute, as RFC 850 did", nullptr, nullptr,
     RetryAfterDate<kOldDate, kDateSeconds>},
    {"33datec", "429, Retry-After: in a minute, as asctime() does", nullptr, nullptr,
     RetryAfterDate<kCDate, kDateSeconds>},
    {"33past", "429, Retry-After: a minute ago", nullptr, nullptr,
     RetryAfterDate<kInternetDate, -kDateSeconds>},
    {"33far", "429, Retry-After: 274579", nullptr, nullptr, RetryAfter<kFar>},
    {"33garbage", "429, Retry-After that is no time", nullptr, nullptr, RetryAfter<kGarbage>},
    {"33ms", "429, retry-after-ms: 2500 and Retry-After: 3", nullptr, nullptr, RetryAfterMs},
    {"33no", "429, x-should-retry: false", nullptr, nullptr, ShouldRetry<kNo>},
    {"33yes", "429, x-should-retry: true", nullptr, nullptr, ShouldRetry<kYes>},
    {"33busy", "503, Retry-After: 274579", nullptr, nullptr, Busy},
    {"34", "429 for the rate", nullptr, nullptr, RefuseAs<kRate>},
    {"34account", "429 for the account", nullptr, nullptr, RefuseAs<kAccount>},
    {"34minute", "429 for the rate that has the code of the account", nullptr, nullptr,
     MinuteQuota},
    {"35", "429 that says no time", nullptr, nullptr, Bare},
    {"36", "401 for the key", nullptr, nullptr, RefuseAs<kBadKey>},
    {"36key", "403 for the key", nullptr, nullptr, RefuseKey},
    {"36context", "400, the context is too short", nullptr, nullptr, RefuseAs<kTooLong>},
    {"36large", "413", nullptr, nullptr, RefuseAs<kTooLarge>},
    {"36wrong", "422", nullptr, nullptr, RefuseAs<kWrong>},
};

}  // namespace

std::span<const FaultRow> RefusalFaults() { return kRefusalFaults; }

}  // namespace pingti::upstream
