#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>

#include "bench/load/clock.h"
#include "bench/load/measurement.h"

namespace pingti::bench {
namespace {

using Json = rapidjson::Writer<rapidjson::StringBuffer>;

void Put(Json& json, const char* key, int64_t value) {
  json.Key(key);
  json.Int64(value);
}

void Put(Json& json, const char* key, double value) {
  json.Key(key);
  json.Double(value);
}

void Put(Json& json, const char* key, const Histogram& histogram) {
  json.Key(key);
  json.StartObject();
  Put(json, "count", histogram.count());
  Put(json, "p50", histogram.Percentile(0.50));
  Put(json, "p90", histogram.Percentile(0.90));
  Put(json, "p99", histogram.Percentile(0.99));
  Put(json, "p999", histogram.Percentile(0.999));
  Put(json, "max", histogram.max());
  json.EndObject();
}

// What one process group used within the window. Per call counts refusals and failures, too: they
// cost as well.
void PutUsed(Json& json, const ProcessSample& start, const ProcessSample& end, double window_ns,
             int64_t calls, int64_t chunks) {
  const double cpu_us = static_cast<double>(end.cpu_ns - start.cpu_ns) / 1e3;
  const auto switches = static_cast<double>(end.context_switches - start.context_switches);
  Put(json, "cpu_us", cpu_us);
  Put(json, "cores", cpu_us * 1e3 / window_ns);
  if (calls > 0) {
    Put(json, "cpu_us_per_call", cpu_us / static_cast<double>(calls));
    Put(json, "context_switches_per_call", switches / static_cast<double>(calls));
  }
  if (chunks > 0) {
    Put(json, "cpu_us_per_chunk", cpu_us / static_cast<double>(chunks));
    Put(json, "context_switches_per_chunk", switches / static_cast<double>(chunks));
  }
  Put(json, "rss_bytes_start", start.rss_bytes);
  Put(json, "rss_bytes_end", end.rss_bytes);
}

}  // namespace

std::string Measurement::Json() const {
  const double window_ns =
      static_cast<double>(std::max<int64_t>(1, window_closed_ns_ - window_opened_ns_));
  int64_t failed = 0;
  for (const auto& [kind, count] : errors_) failed += count;

  rapidjson::StringBuffer text;
  bench::Json json(text);
  json.StartObject();
  Put(json, "seconds", window_ns / kNanosPerSecond);
  Put(json, "calls", completed_);
  Put(json, "calls_per_second", static_cast<double>(completed_) * kNanosPerSecond / window_ns);
  json.Key("errors");
  json.StartObject();
  for (const auto& [kind, count] : errors_) Put(json, kind.c_str(), count);
  json.EndObject();
  Put(json, "errors_outside_window", errors_outside_window_);
  Put(json, "unfinished", unfinished_);
  Put(json, "not_sent", not_sent_);
  Put(json, "in_flight_at_close", in_flight_at_close_);
  Put(json, "latency", latency_);
  if (options_.stream) {
    Put(json, "first_token", first_token_);
    Put(json, "chunk_delay", chunk_delay_);
    Put(json, "chunks", chunks_);
    Put(json, "chunks_per_second", static_cast<double>(chunks_) * kNanosPerSecond / window_ns);
    Put(json, "messages", messages_);
    Put(json, "streams_complete", streams_complete_);
    Put(json, "chunks_expected", chunks_expected_);
    Put(json, "chunks_lost", chunks_lost_);
    Put(json, "chunks_surplus", chunks_surplus_);
  }
  json.Key("processes");
  json.StartObject();
  for (const Watched& watched : watched_) {
    json.Key(watched.group.name.c_str());
    if (!watched.at_start || !watched.at_end) {
      json.Null();  // it ended, or may not be read
      continue;
    }
    json.StartObject();
    PutUsed(json, *watched.at_start, *watched.at_end, window_ns, completed_ + failed, chunks_);
    json.EndObject();
  }
  json.EndObject();
  json.EndObject();
  return text.GetString();
}

}  // namespace pingti::bench
