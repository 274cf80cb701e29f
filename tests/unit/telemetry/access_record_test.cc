#include "server/telemetry/access_record.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidjson/document.h"

namespace pingti::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

AccessRecord Sample() {
  AccessRecord record;
  record.time = absl::FromUnixMillis(1'719'300'005'007);
  record.request_id = "req-1";
  record.tenant = "acme";
  record.key_public_id = "k3y";
  record.method = Method::kStream;
  record.model = "gpt-4o";
  record.provider = "yi";
  record.upstream_model = "yi-large";
  record.attempts.push_back({.provider = "yi",
                             .upstream_model = "yi-large",
                             .failed = true,
                             .failure_class = model::FailureClass::kOverloaded,
                             .upstream_status = 529,
                             .duration = absl::Milliseconds(20),
                             .next = "next_key",
                             .bytes_in = 61,
                             .key = "second"});
  record.attempts.push_back(
      {.provider = "yi", .upstream_model = "yi-large", .duration = absl::Microseconds(1500250)});
  record.usage = {.input_tokens = 10,
                  .output_tokens = 200,
                  .reasoning_tokens = 50,
                  .source = model::UsageSource::kMeasured};
  record.charged = base::Money{4'200'000, base::Currency::kCny};
  record.requested_model_cost = base::Money{22'170'145, base::Currency::kCny};
  record.price_version = "yi-large@2024-06-01";
  record.chunks = 42;
  record.bytes_in = 512;
  record.bytes_out = 2048;
  record.total = absl::Microseconds(1'530'125);
  record.first_token = absl::Milliseconds(300);
  record.peer = "ipv4:127.0.0.1:4242";
  record.labels = {{"team", "search"}};
  return record;
}

rapidjson::Document Parse(const AccessRecord& record) {
  std::string line;
  WriteJson(record, &line);
  EXPECT_EQ(line.find('\n'), line.size() - 1) << "one line: " << line;
  rapidjson::Document document;
  document.Parse<rapidjson::kParseValidateEncodingFlag>(line.data(), line.size());
  EXPECT_FALSE(document.HasParseError()) << line;
  return document;
}

TEST(AccessRecord, IsOneLineOfJson) {
  std::string line;
  WriteJson(Sample(), &line);
  EXPECT_EQ(line,
            R"({"time":"2024-06-25T07:20:05.007Z","record":"call","request_id":"req-1",)"
            R"("tenant":"acme","key":"k3y","method":"stream","model":"gpt-4o","provider":"yi",)"
            R"("upstream_model":"yi-large","code":"OK","attempts":[{"provider":"yi",)"
            R"("upstream_model":"yi-large","key":"second","class":"overloaded","status":529,)"
            R"("ms":20.0,"bytes":61,"next":"next_key"},)"
            R"({"provider":"yi","upstream_model":"yi-large","ms":1500.25}],)"
            R"("usage":{"input_tokens":10,"output_tokens":200,"reasoning_tokens":50,)"
            R"("source":"measured"},"cost":{"charged_nano":4200000,)"
            R"("requested_model_nano":22170145,"currency":"CNY","price":"yi-large@2024-06-01"},)"
            R"("chunks":42,"bytes_in":512,"bytes_out":2048,)"
            R"("total_ms":1530.125,"first_token_ms":300.0,"peer":"ipv4:127.0.0.1:4242",)"
            R"("labels":{"team":"search"}})"
            "\n");
}

TEST(AccessRecord, NamesCodeReasonAndCauseOfAnError) {
  AccessRecord record = Sample();
  record.result = ResultOf(model::ErrorReason::kTargetsUnavailable);
  record.cause = "overloaded";
  const auto json = Parse(record);
  EXPECT_STREQ(json["code"].GetString(), "UNAVAILABLE");
  EXPECT_STREQ(json["reason"].GetString(), "TARGETS_UNAVAILABLE");
  EXPECT_STREQ(json["cause"].GetString(), "overloaded");
}

TEST(AccessRecord, LeavesOutWhatHasNoPrice) {
  AccessRecord record = Sample();
  record.charged.reset();
  record.price_version = "";
  const rapidjson::Document json = Parse(record);
  const auto& cost = json["cost"];
  EXPECT_FALSE(cost.HasMember("charged_nano"));
  EXPECT_FALSE(cost.HasMember("price"));
  EXPECT_EQ(cost["requested_model_nano"].GetInt64(), 22'170'145);
  EXPECT_STREQ(cost["currency"].GetString(), "CNY");

  record = Sample();
  record.requested_model_cost.reset();
  EXPECT_FALSE(Parse(record)["cost"].HasMember("requested_model_nano"));
}

TEST(AccessRecord, LeavesOutWhatThereIsNot) {
  AccessRecord record;
  record.time = absl::UnixEpoch();
  record.result = ResultOf(model::ErrorReason::kKeyMissing);
  std::string line;
  WriteJson(record, &line);
  EXPECT_EQ(line, R"({"time":"1970-01-01T00:00:00.000Z","record":"call","method":"unary",)"
                  R"("code":"UNAUTHENTICATED","reason":"KEY_MISSING","attempts":[],"total_ms":0.0})"
                  "\n");
}

TEST(AccessRecord, EscapesAndCleansWhatCallersChose) {
  AccessRecord record = Sample();
  record.request_id = "a\"b\\c\r\nd\x01";
  record.labels = {{"k\xFF\n", "v\xC0\x80"}};
  const auto json = Parse(record);
  EXPECT_STREQ(json["request_id"].GetString(), "a\"b\\c\r\nd\x01");
  EXPECT_STREQ(json["labels"]["k\xEF\xBF\xBD\n"].GetString(), "v\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(AccessRecord, IsBounded) {
  AccessRecord record = Sample();
  // Three bytes each: the cut falls inside of a character.
  for (int i = 0; i < 1000; ++i) record.request_id += "平";
  for (int i = 0; i < 100; ++i) {
    record.labels[std::to_string(i) + std::string(1000, 'k')] = std::string(1000, 'v');
    record.attempts.push_back({.provider = std::string(1000, 'p'), .key = std::string(1000, 'n')});
  }
  std::string line;
  WriteJson(record, &line);
  EXPECT_LT(line.size(), 20'000u);
  const auto json = Parse(record);
  EXPECT_LE(json["request_id"].GetStringLength(), kAccessStringBytesMax);
  EXPECT_GT(json["request_id"].GetStringLength(), kAccessStringBytesMax - 4);
  EXPECT_EQ(json["labels"].MemberCount(), kAccessLabelsMax);
  EXPECT_EQ(json["attempts"].Size(), kAccessAttemptsMax);
  EXPECT_EQ(json["attempts_left_out"].GetInt(), 102 - static_cast<int>(kAccessAttemptsMax));
}

TEST(AccessRecord, TellsAFirstTokenFromNone) {
  AccessRecord record = Sample();
  record.first_token = absl::InfiniteDuration();
  EXPECT_FALSE(Parse(record).HasMember("first_token_ms"));
  record.first_token = absl::ZeroDuration();
  EXPECT_TRUE(Parse(record).HasMember("first_token_ms"));
}

TEST(AccessRecord, ShowsALowerBound) {
  AccessRecord record = Sample();
  EXPECT_FALSE(Parse(record)["usage"].HasMember("lower_bound"));
  record.usage.lower_bound = true;
  EXPECT_TRUE(Parse(record)["usage"]["lower_bound"].GetBool());
}

TEST(AccessRecord, BearsTimesAtTheEndsOfTheCalendar) {
  AccessRecord record = Sample();
  for (absl::Time time : {absl::InfiniteFuture(), absl::InfinitePast()}) {
    record.time = time;
    EXPECT_EQ(Parse(record)["time"].GetStringLength(), 24u);
  }
  record.total = absl::InfiniteDuration();
  EXPECT_TRUE(Parse(record)["total_ms"].IsDouble());
}

}  // namespace
}  // namespace pingti::telemetry
