#include "server/telemetry/access_record.h"

#include <algorithm>
#include <string_view>

#include "rapidjson/allocators.h"
#include "rapidjson/encodings.h"
#include "rapidjson/writer.h"
#include "server/base/text.h"
#include "server/telemetry/utf8.h"

namespace pingti::telemetry {
namespace {

// RapidJSON's output stream, which is written byte by byte, in front of a string, which had better
// not be.
class Sink {
 public:
  using Ch = char;
  explicit Sink(std::string* out) : out_(out) {}
  Sink(const Sink&) = delete;
  ~Sink() { Flush(); }
  void Put(char c) {
    if (size_ == sizeof buffer_) Flush();
    buffer_[size_++] = c;
  }
  void Flush() {
    out_->append(buffer_, size_);
    size_ = 0;
  }

 private:
  std::string* const out_;
  size_t size_ = 0;
  char buffer_[1024];
};

using Pool = rapidjson::MemoryPoolAllocator<>;
using Writer = rapidjson::Writer<Sink, rapidjson::UTF8<>, rapidjson::UTF8<>, Pool>;

constexpr size_t kLevels = 8;  // of nesting; we use 3

void Key(Writer& writer, std::string_view key) {
  writer.Key(key.data(), static_cast<rapidjson::SizeType>(key.size()));
}

void Value(Writer& writer, std::string_view value) {
  if (value.size() <= kAccessStringBytesMax && base::IsValidUtf8(value)) {
    writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    return;
  }
  const std::string clean = CleanUtf8(value, kAccessStringBytesMax);
  writer.String(clean.data(), static_cast<rapidjson::SizeType>(clean.size()));
}

void Member(Writer& writer, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  Key(writer, key);
  Value(writer, value);
}

void Member(Writer& writer, std::string_view key, int64_t value) {
  Key(writer, key);
  writer.Int64(value);
}

void NonZero(Writer& writer, std::string_view key, int64_t value) {
  if (value != 0) Member(writer, key, value);
}

// Milliseconds, to the microsecond.
void Milliseconds(Writer& writer, std::string_view key, absl::Duration duration) {
  Key(writer, key);
  writer.Double(static_cast<double>(absl::ToInt64Microseconds(duration)) / 1000.0);
}

// RFC 3339 in UTC, to the millisecond; without the string that absl::FormatTime allocates.
void Time(Writer& writer, absl::Time time) {
  const absl::TimeZone::CivilInfo info = absl::UTCTimeZone().At(time);
  char text[] = "0000-00-00T00:00:00.000Z";
  const auto put = [&](int at, int digits, int64_t value) {
    for (int i = digits - 1; i >= 0; --i, value /= 10) {
      text[at + i] = static_cast<char>('0' + value % 10);
    }
  };
  put(0, 4, std::clamp<int64_t>(info.cs.year(), 0, 9999));
  put(5, 2, info.cs.month());
  put(8, 2, info.cs.day());
  put(11, 2, info.cs.hour());
  put(14, 2, info.cs.minute());
  put(17, 2, info.cs.second());
  put(20, 3, absl::ToInt64Milliseconds(info.subsecond));
  Key(writer, "time");
  writer.String(text, sizeof text - 1);
}

void Attempts(Writer& writer, const std::vector<AccessAttempt>& attempts) {
  Key(writer, "attempts");
  writer.StartArray();
  for (size_t i = 0; i < std::min(attempts.size(), kAccessAttemptsMax); ++i) {
    const AccessAttempt& attempt = attempts[i];
    writer.StartObject();
    Member(writer, "provider", attempt.provider);
    Member(writer, "upstream_model", attempt.upstream_model);
    Member(writer, "key", attempt.key);
    if (attempt.failed) Member(writer, "class", model::FailureClassName(attempt.failure_class));
    NonZero(writer, "status", attempt.upstream_status);
    Milliseconds(writer, "ms", attempt.duration);
    NonZero(writer, "bytes", attempt.bytes_in);
    Member(writer, "next", attempt.next);
    writer.EndObject();
  }
  writer.EndArray();
  if (attempts.size() > kAccessAttemptsMax) {
    Member(writer, "attempts_left_out", static_cast<int64_t>(attempts.size() - kAccessAttemptsMax));
  }
}

void WriteUsage(Writer& writer, const model::Usage& usage) {
  if (usage.source == model::UsageSource::kNone) return;
  Key(writer, "usage");
  writer.StartObject();
  Member(writer, "input_tokens", usage.input_tokens);
  Member(writer, "output_tokens", usage.output_tokens);
  NonZero(writer, "cached_input_tokens", usage.cached_input_tokens);
  NonZero(writer, "reasoning_tokens", usage.reasoning_tokens);
  Member(writer, "source", UsageSourceName(usage.source));
  if (usage.lower_bound) {
    Key(writer, "lower_bound");
    writer.Bool(true);
  }
  writer.EndObject();
}

void WriteCost(Writer& writer, const AccessRecord& record) {
  if (!record.charged && !record.requested_model_cost) return;
  const base::Money& any = record.charged ? *record.charged : *record.requested_model_cost;
  Key(writer, "cost");
  writer.StartObject();
  if (record.charged) Member(writer, "charged_nano", record.charged->nano);
  if (record.requested_model_cost) {
    Member(writer, "requested_model_nano", record.requested_model_cost->nano);
  }
  Member(writer, "currency", base::CurrencyCode(any.currency));
  Member(writer, "price", record.price_version);
  writer.EndObject();
}

void WriteLabels(Writer& writer, const std::map<std::string, std::string>& labels) {
  writer.StartObject();
  size_t written = 0;
  for (const auto& [name, value] : labels) {
    if (written++ == kAccessLabelsMax) break;
    Key(writer, CleanUtf8(name, kAccessStringBytesMax));
    Value(writer, value);
  }
  writer.EndObject();
}

void Labels(Writer& writer, const std::map<std::string, std::string>& labels) {
  if (labels.empty()) return;
  Key(writer, "labels");
  WriteLabels(writer, labels);
}

void Result(Writer& writer, int result) {
  if (result == kResultOk) {
    Member(writer, "code", "OK");
    return;
  }
  const auto reason = static_cast<model::ErrorReason>(result);
  Member(writer, "code", absl::StatusCodeToString(model::ErrorReasonCode(reason)));
  Member(writer, "reason", model::ErrorReasonName(reason));
}

}  // namespace

void WriteJson(const AccessRecord& record, std::string* out) {
  alignas(std::max_align_t) char scratch[512];
  Pool pool(scratch, sizeof scratch);
  Sink sink(out);
  Writer writer(sink, &pool, kLevels);

  writer.StartObject();
  Time(writer, record.time);
  Member(writer, "record", "call");
  Member(writer, "request_id", record.request_id);
  Member(writer, "tenant", record.tenant);
  Member(writer, "key", record.key_public_id);
  Member(writer, "method", MethodName(record.method));
  Member(writer, "model", record.model);
  Member(writer, "provider", record.provider);
  Member(writer, "upstream_model", record.upstream_model);
  Result(writer, record.result);
  Member(writer, "cause", record.cause);
  Attempts(writer, record.attempts);
  WriteUsage(writer, record.usage);
  WriteCost(writer, record);
  NonZero(writer, "chunks", record.chunks);
  NonZero(writer, "bytes_in", record.bytes_in);
  NonZero(writer, "bytes_out", record.bytes_out);
  Milliseconds(writer, "total_ms", record.total);
  if (record.first_token < absl::InfiniteDuration()) {
    Milliseconds(writer, "first_token_ms", record.first_token);
  }
  if (record.queue > absl::ZeroDuration()) Milliseconds(writer, "queue_ms", record.queue);
  Member(writer, "peer", record.peer);
  Labels(writer, record.labels);
  writer.EndObject();
  sink.Put('\n');
}

std::string LabelsJson(const std::map<std::string, std::string>& labels) {
  std::string json;
  {
    Sink sink(&json);
    Writer writer(sink);
    WriteLabels(writer, labels);
  }
  return json;
}

}  // namespace pingti::telemetry
