#include "tests/upstream/world.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <simdjson.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "server/base/strings.h"

namespace pingti::upstream {
namespace {

using JsonWriter = rapidjson::Writer<rapidjson::StringBuffer>;

void Put(JsonWriter& writer, std::string_view key, std::string_view value) {
  writer.Key(key.data(), static_cast<rapidjson::SizeType>(key.size()));
  writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
}

void Put(JsonWriter& writer, std::string_view key, int64_t value) {
  writer.Key(key.data(), static_cast<rapidjson::SizeType>(key.size()));
  writer.Int64(value);
}

void PutRecord(JsonWriter& writer, const RequestRecord& record) {
  writer.StartObject();
  Put(writer, "id", static_cast<int64_t>(record.id));
  Put(writer, "key_tail", record.key_tail);
  Put(writer, "model", record.model);
  writer.Key("stream");
  writer.Bool(record.stream);
  Put(writer, "protocol", record.protocol == Protocol::kHttp2 ? "HTTP/2" : "HTTP/1.1");
  Put(writer, "prompt_hash", absl::StrFormat("%016x", record.prompt_hash));
  Put(writer, "user", record.user);
  Put(writer, "fault", record.fault);
  Put(writer, "status", static_cast<int64_t>(record.status));
  Put(writer, "ended", EndedName(record.ended));
  Put(writer, "arrival_ns", record.arrival_ns);
  Put(writer, "end_ns", record.end_ns);
  Put(writer, "disconnect_ns", record.disconnect_ns);
  Put(writer, "chunks_sent", record.chunks_sent);
  Put(writer, "body", record.body);
  writer.EndObject();
}

}  // namespace

World::World(Knobs base, std::vector<std::string> api_keys, int loops, bool logs_requests)
    : base_(std::move(base)),
      api_keys_(std::move(api_keys)),
      logs_requests_(logs_requests),
      defaults_(base_) {
  for (int i = 0; i < loops; ++i) ledgers_.push_back(std::make_unique<Ledger>());
}

Knobs World::defaults() const {
  base::MutexLock lock(mu_);
  return defaults_;
}

absl::Status World::SetDefaults(std::string_view json) {
  Knobs knobs = base_;
  if (absl::Status status = SetKnobsFromJson(json, &knobs); !status.ok()) return status;
  if (absl::Status status = CheckKnobs(knobs); !status.ok()) return status;
  base::MutexLock lock(mu_);
  defaults_ = std::move(knobs);
  generation_.fetch_add(1, std::memory_order_release);
  return absl::OkStatus();
}

void World::ClearDefaults() {
  base::MutexLock lock(mu_);
  defaults_ = base_;
  generation_.fetch_add(1, std::memory_order_release);
}

bool World::FailsStill(const std::string& key, int64_t fail_times) {
  base::MutexLock lock(mu_);
  if (failures_.size() >= kFailKeysMax && !failures_.contains(key)) failures_.clear();
  return ++failures_[key] <= fail_times;
}

bool World::KeyIsGood(std::string_view api_key) const {
  return api_keys_.empty() ||
         std::find(api_keys_.begin(), api_keys_.end(), api_key) != api_keys_.end();
}

std::string World::StatsJson() const {
  Totals totals;
  for (const auto& ledger : ledgers_) ledger->AddTo(&totals);
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  writer.Key("simulated");
  writer.Bool(true);
  Put(writer, "requests", totals.requests);
  writer.Key("by_status");
  writer.StartObject();
  for (size_t status = 0; status < totals.by_status.size(); ++status) {
    if (totals.by_status[status] == 0) continue;
    Put(writer, std::to_string(status), totals.by_status[status]);
  }
  writer.EndObject();
  Put(writer, "in_flight", totals.in_flight);
  Put(writer, "streams_started", totals.streams_started);
  Put(writer, "streams_finished", totals.streams_finished);
  Put(writer, "streams_aborted", totals.streams_aborted);
  Put(writer, "prompt_tokens", totals.prompt_tokens);
  Put(writer, "completion_tokens", totals.completion_tokens);
  Put(writer, "chunks_sent", totals.chunks_sent);
  Put(writer, "connections_open", totals.connections_open);
  Put(writer, "connections_accepted", totals.connections_accepted);
  Put(writer, "disconnects", totals.disconnects);
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

std::string World::RequestsJson(size_t count) const {
  std::vector<RequestRecord> records;
  for (const auto& ledger : ledgers_) ledger->AppendRecent(&records);
  std::sort(records.begin(), records.end(),
            [](const RequestRecord& a, const RequestRecord& b) { return a.id < b.id; });
  if (records.size() > count) {
    records.erase(records.begin(), records.end() - static_cast<std::ptrdiff_t>(count));
  }
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartArray();
  for (const RequestRecord& record : records) PutRecord(writer, record);
  writer.EndArray();
  return {buffer.GetString(), buffer.GetSize()};
}

void World::Reset() {
  for (const auto& ledger : ledgers_) ledger->Reset();
  limiter_.Reset();
  base::MutexLock lock(mu_);
  failures_.clear();
}

absl::Status SetKnobsFromJson(std::string_view json, Knobs* knobs) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(json.data(), json.size()).get(object) != simdjson::SUCCESS) {
    return absl::InvalidArgumentError("knobs must be a JSON object");
  }
  for (auto [name, value] : object) {
    std::string_view text;
    std::string minified;
    if (value.get(text) != simdjson::SUCCESS) {
      minified = simdjson::minify(value);
      text = minified;
    }
    if (absl::Status status = SetKnob(name, text, knobs); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace pingti::upstream
