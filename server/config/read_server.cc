// The sections about the process itself.
#include "server/base/strings.h"
#include "server/config/sections.h"
#include "server/config/value.h"

namespace pingti::config {

namespace {

constexpr int64_t kKiB = 1024;
constexpr int64_t kMiB = 1024 * kKiB;
constexpr int64_t kGiB = 1024 * kMiB;

void ReadListen(const YamlEntry& section, Context& context, Listen* listen) {
  Fields fields(section.value, "listen", context);
  fields.Text("grpc", &listen->grpc, CheckAddress);
  fields.Text("metrics", &listen->metrics, CheckAddress);
  fields.Finish();
}

void ReadServer(const YamlEntry& section, Context& context, Server* server) {
  const absl::Duration zero = absl::ZeroDuration();
  const absl::Duration day = absl::Hours(24);
  Fields fields(section.value, "server", context);
  fields.Integer("workers", &server->workers, 0, 256);
  fields.Bytes("message_bytes_max", &server->message_bytes_max, kKiB, 256 * kMiB);
  fields.Bytes("metadata_bytes_max", &server->metadata_bytes_max, kKiB, kMiB);
  fields.Integer("concurrent_streams_max", &server->concurrent_streams_max, 1, 1'000'000);
  fields.Bytes("memory_quota_bytes", &server->memory_quota_bytes, 0, 1024 * kGiB);
  fields.Duration("keepalive_time", &server->keepalive_time, absl::Seconds(1), day);
  fields.Duration("keepalive_timeout", &server->keepalive_timeout, absl::Milliseconds(100), day);
  fields.Duration("ping_interval_min", &server->ping_interval_min, zero, day);
  fields.Duration("connection_age", &server->connection_age, zero, 30 * day);
  fields.Duration("connection_age_grace", &server->connection_age_grace, zero, day);
  fields.Duration("drain_delay", &server->drain_delay, zero, absl::Minutes(1));
  fields.Duration("drain_grace", &server->drain_grace, zero, absl::Hours(1));
  fields.Bool("reflection", &server->reflection);
  fields.Integer("calls_in_flight_max", &server->calls_in_flight_max, 1, 1'000'000);
  fields.Duration("overload_delay", &server->overload_delay, zero, absl::Minutes(1));
  fields.Integer("memory_low_watermark", &server->memory_low_watermark, 0, 100);
  fields.Integer("memory_high_watermark", &server->memory_high_watermark, 0, 100);
  const bool both = server->memory_low_watermark > 0 && server->memory_high_watermark > 0;
  if (both && server->memory_low_watermark > server->memory_high_watermark) {
    fields.Error("memory_low_watermark",
                 base::StrCat("is above memory_high_watermark, which is ",
                              server->memory_high_watermark, "; write at most that"));
  }
  fields.Finish();
}

void ReadLimits(const YamlEntry& section, Context& context, Limits* limits) {
  Fields fields(section.value, "limits", context);
  fields.Bytes("image_bytes_max", &limits->image_bytes_max, kKiB, 256 * kMiB);
  fields.Bytes("answer_bytes_max", &limits->answer_bytes_max, kKiB, kGiB);
  fields.Bytes("line_bytes_max", &limits->line_bytes_max, kKiB, 256 * kMiB);
  fields.Bytes("stream_buffer_bytes_max", &limits->stream_buffer_bytes_max, kKiB, 16 * kMiB);
  fields.Finish();
}

void ReadEstimation(const YamlEntry& section, Context& context, Estimation* estimation) {
  Fields fields(section.value, "estimation", context);
  fields.Integer("output_tokens_default", &estimation->output_tokens_default, 1, 1'000'000);
  fields.Bool("sum", &estimation->sum);
  fields.Finish();
}

void ReadRouting(const YamlEntry& section, Context& context, Routing* routing) {
  const absl::Duration zero = absl::ZeroDuration();
  const absl::Duration day = absl::Hours(24);
  Fields fields(section.value, "routing", context);
  fields.Integer("attempts_max", &routing->attempts_max, 1, 10);
  fields.Duration("refused_key_for", &routing->refused_key_for, zero, day);
  fields.Duration("lost_provider_for", &routing->lost_provider_for, zero, 7 * day);
  fields.Duration("rate_limited_for_max", &routing->rate_limited_for_max, zero, day);
  fields.Integer("breaker_failures", &routing->breaker_failures, 1, 1'000);
  fields.Duration("breaker_open_for", &routing->breaker_open_for, absl::Milliseconds(100), day);
  fields.Duration("breaker_open_for_max", &routing->breaker_open_for_max, absl::Milliseconds(100),
                  day);
  fields.Finish();
}

void ReadFeatures(const YamlEntry& section, Context& context, Features* features) {
  Fields fields(section.value, "features", context);
  fields.Bool("quota", &features->quota);
  fields.Bool("metrics", &features->metrics);
  fields.Bool("access_record", &features->access_record);
  fields.Finish();
}

}  // namespace

void ReadTimeouts(const YamlEntry& section, const std::string& path, Context& context,
                  Timeouts* timeouts) {
  const absl::Duration min = absl::Milliseconds(1);
  const absl::Duration max = absl::Hours(24);
  Fields fields(section.value, path, context);
  fields.Duration("connect", &timeouts->connect, min, max);
  fields.Duration("first_token", &timeouts->first_token, min, max);
  fields.Duration("silence", &timeouts->silence, min, max);
  fields.Duration("content_gap", &timeouts->content_gap, min, max);
  fields.Duration("total", &timeouts->total, min, max);
  fields.Finish();
}

void ReadPartialTimeouts(Fields& fields, Context& context, PartialTimeouts* timeouts) {
  const YamlEntry* section = fields.Get("timeouts");
  if (section == nullptr) return;
  // Which ones are there shows what is left of an impossible value.
  constexpr absl::Duration kAbsent = -absl::InfiniteDuration();
  Timeouts read{kAbsent, kAbsent, kAbsent, kAbsent, kAbsent};
  ReadTimeouts(*section, fields.PathOf("timeouts"), context, &read);
  const auto set = [&](absl::Duration value, std::optional<absl::Duration>* out) {
    if (value != kAbsent) *out = value;
  };
  set(read.connect, &timeouts->connect);
  set(read.first_token, &timeouts->first_token);
  set(read.silence, &timeouts->silence);
  set(read.content_gap, &timeouts->content_gap);
  set(read.total, &timeouts->total);
}

void ReadServerSections(Fields& root, Context& context, Draft& draft) {
  Config& config = draft.config;
  if (const YamlEntry* section = root.Get("listen")) {
    ReadListen(*section, context, &config.listen);
  }
  if (const YamlEntry* section = root.Get("server")) {
    ReadServer(*section, context, &config.server);
  }
  if (const YamlEntry* section = root.Get("limits")) {
    ReadLimits(*section, context, &config.limits);
  }
  if (const YamlEntry* section = root.Get("timeouts")) {
    ReadTimeouts(*section, "timeouts", context, &draft.timeouts);
  }
  if (const YamlEntry* section = root.Get("estimation")) {
    ReadEstimation(*section, context, &config.estimation);
  }
  if (const YamlEntry* section = root.Get("quota")) ReadQuota(*section, context, draft);
  if (const YamlEntry* section = root.Get("routing")) {
    ReadRouting(*section, context, &config.routing);
  }
  if (const YamlEntry* section = root.Get("billing")) ReadBilling(*section, context, draft);
  if (const YamlEntry* section = root.Get("features")) {
    ReadFeatures(*section, context, &config.features);
  }
}

}  // namespace pingti::config
