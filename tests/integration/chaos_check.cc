#include "tests/integration/chaos_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <utility>

namespace pingti::integration {
namespace {

constexpr size_t kAttemptsMax = 3;     // routing.attempts_max
constexpr int64_t kBytesPerToken = 4;  // of the simulated provider

std::string TextOf(const rapidjson::Value& object, const char* name) {
  const auto it = object.FindMember(name);
  return it != object.MemberEnd() ? it->value.GetString() : "";
}

int64_t NumberOf(const rapidjson::Value& object, const char* name) {
  const auto it = object.FindMember(name);
  return it != object.MemberEnd() ? it->value.GetInt64() : 0;
}

RecordedCall ReadRecord(const rapidjson::Document& json) {
  RecordedCall call;
  call.code = TextOf(json, "code");
  call.provider = TextOf(json, "provider");
  call.total_ms = json["total_ms"].GetDouble();
  call.chunks = NumberOf(json, "chunks");
  if (json.HasMember("usage")) {
    call.output_tokens = NumberOf(json["usage"], "output_tokens");
    call.measured = TextOf(json["usage"], "source") == "measured";
  }
  for (const rapidjson::Value& attempt : json["attempts"].GetArray()) {
    call.attempts.push_back({TextOf(attempt, "provider"), TextOf(attempt, "class"),
                             static_cast<int>(NumberOf(attempt, "status")),
                             TextOf(attempt, "next")});
  }
  return call;
}

}  // namespace

std::map<std::string, RecordedCall> ReadRecords(const std::string& written) {
  std::map<std::string, RecordedCall> records;
  std::istringstream lines(written);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.find("\"record\":\"call\"") == std::string::npos) continue;
    const rapidjson::Document json = ParseJson(line);
    const std::string method = TextOf(json, "method");
    if (method != "unary" && method != "stream") continue;
    const std::string id = TextOf(json, "request_id");
    EXPECT_TRUE(records.emplace(id, ReadRecord(json)).second) << id << " has two records";
  }
  return records;
}

Arrivals ArrivalsAt(const std::vector<const FragileProvider*>& providers) {
  Arrivals arrivals;
  for (const FragileProvider* provider : providers) {
    for (const FragileProvider::Request& request : provider->Requests()) {
      arrivals[request.user][provider->name()].push_back(request.arrival_ns);
    }
  }
  return arrivals;
}

ChaosCheck::ChaosCheck(std::map<std::string, RecordedCall> records, Arrivals arrivals)
    : records_(std::move(records)), arrivals_(std::move(arrivals)) {}

void ChaosCheck::Find(const std::string& id, const std::string& what) {
  if (++findings_ <= kFindingsMax) ADD_FAILURE() << id << ": " << what;
}

void ChaosCheck::CheckCall(const ChaosCall& call, Millis slack) {
  const auto it = records_.find(call.id);
  const RecordedCall* record = it == records_.end() ? nullptr : &it->second;
  CheckText(call);
  CheckTimes(call, record, slack);
  // A call may end before the server has heard of it, but not with the server's word.
  if (record == nullptr && (call.error.ok() || !call.error.reason.empty())) {
    Find(call.id, "has no record");
  }
  if (record == nullptr) return;
  CheckAttempts(call, *record);
  CheckArrivals(call, *record);
}

void ChaosCheck::CheckText(const ChaosCall& call) {
  if (call.starts > 1) Find(call.id, "says twice who serves");
  if (call.starts == 0 && !call.text.empty()) Find(call.id, "has a text of nobody");
  if (call.after_end > 0) Find(call.id, "goes on after its end");
  if (call.text != FragileProvider::Answer(call.provider, call.id, call.text.size())) {
    Find(call.id, "is not what " + call.provider + " says: " + call.text);
  }
  if (!call.error.ok()) return;
  if (!call.finished) Find(call.id, "went well without an end");
  if (static_cast<int64_t>(call.text.size()) != call.answer_bytes) {
    Find(call.id, "went well with " + std::to_string(call.text.size()) + " bytes of " +
                      std::to_string(call.answer_bytes));
  }
}

void ChaosCheck::CheckTimes(const ChaosCall& call, const RecordedCall* record, Millis slack) {
  const Millis most = call.deadline + slack;
  if (!call.slow && call.took > most) {
    Find(call.id, "took its caller " + std::to_string(call.took.count()) + " ms");
  }
  if (record != nullptr && record->total_ms > static_cast<double>(most.count())) {
    Find(call.id, "took the server " + std::to_string(record->total_ms) + " ms of " +
                      std::to_string(call.deadline.count()));
  }
}

void ChaosCheck::CheckAttempts(const ChaosCall& call, const RecordedCall& record) {
  if (record.attempts.size() > kAttemptsMax) Find(call.id, "has too many attempts");
  for (size_t i = 0; i + 1 < record.attempts.size(); ++i) {
    const RecordedAttempt& attempt = record.attempts[i];
    if (attempt.failure.empty() || attempt.next.empty() || attempt.next == "give_up") {
      Find(call.id, "was tried again after attempt " + std::to_string(i + 1));
    }
  }
  const bool has_content = record.chunks > 0 || !call.text.empty();
  if (has_content && record.attempts.empty()) return Find(call.id, "has content of no attempt");
  if (has_content && record.attempts.back().provider != record.provider) {
    Find(call.id, "was served by another than the last attempt's");
  }
  if (call.starts > 0 && call.provider != record.provider) {
    Find(call.id, "was served by " + call.provider + ", its record says " + record.provider);
  }
  if (call.error.ok() && record.code != "OK") Find(call.id, "went well, its record says not");
  if (record.code == "OK" && record.measured &&
      record.output_tokens != (call.answer_bytes + kBytesPerToken - 1) / kBytesPerToken) {
    Find(call.id, "was charged " + std::to_string(record.output_tokens) + " tokens for " +
                      std::to_string(call.answer_bytes) + " bytes");
  }
}

void ChaosCheck::CheckArrivals(const ChaosCall& call, const RecordedCall& record) {
  std::map<std::string, int64_t> tried, answered, given_up;
  for (const RecordedAttempt& attempt : record.attempts) {
    ++tried[attempt.provider];
    if (attempt.status != 0) ++answered[attempt.provider];
    // One that did not answer may find the request when it wakes up.
    if (attempt.status == 0 && &attempt != &record.attempts.back()) ++given_up[attempt.provider];
  }
  const auto it = arrivals_.find(call.id);
  std::map<std::string, std::vector<int64_t>> arrived;
  if (it != arrivals_.end()) arrived = it->second;
  for (const auto& [provider, times] : arrived) {
    const auto count = static_cast<int64_t>(times.size());
    if (count > tried[provider]) {
      Find(call.id, provider + " saw " + std::to_string(count) + " requests, the record has " +
                        std::to_string(tried[provider]));
    }
    const auto late = std::count_if(times.begin(), times.end(), [&](int64_t arrival) {
      return call.first_content_ns != 0 && arrival > call.first_content_ns;
    });
    if (late > given_up[provider]) {
      Find(call.id, provider + " was asked after the first content");
    }
  }
  for (const auto& [provider, count] : answered) {
    if (count > static_cast<int64_t>(arrived[provider].size())) {
      Find(call.id, provider + " answered what it never saw");
    }
  }
}

void ChaosCheck::CheckNoStrays() {
  for (const auto& [user, arrived] : arrivals_) {
    if (!records_.contains(user)) Find(user, "was asked of a provider and has no record");
  }
}

size_t ChaosCheck::AttemptsOf(const ChaosCall& call) const {
  const auto it = records_.find(call.id);
  return it == records_.end() ? 0 : it->second.attempts.size();
}

int64_t ChaosCheck::arrivals() const {
  int64_t sum = 0;
  for (const auto& [user, arrived] : arrivals_) {
    for (const auto& [provider, times] : arrived) sum += static_cast<int64_t>(times.size());
  }
  return sum;
}

}  // namespace pingti::integration
