#include "server/telemetry/registry.h"

#include <atomic>
#include <cctype>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/clock.h"

namespace pingti::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// name{labels} -> value of every sample of a scrape.
std::map<std::string, double> Samples(const std::string& text) {
  std::map<std::string, double> samples;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t blank = line.rfind(' ');
    double value = 0;
    EXPECT_TRUE(absl::SimpleAtod(line.substr(blank + 1), &value)) << line;
    EXPECT_TRUE(samples.emplace(line.substr(0, blank), value).second) << "twice: " << line;
  }
  return samples;
}

CallLabels Labels(const std::string& tenant, Method method = Method::kStream) {
  return {tenant, "gpt-4o", "yi", "yi-large", method};
}

TEST(Registry, GivesTheSameObjectForTheSameLabels) {
  Registry registry(2);
  CallStats& stats = registry.worker(0).Calls(Labels("acme"));
  EXPECT_EQ(&registry.worker(0).Calls(Labels("acme")), &stats);
  EXPECT_NE(&registry.worker(0).Calls(Labels("acme", Method::kUnary)), &stats);
  EXPECT_NE(&registry.worker(0).Calls(Labels("other-tenant")), &stats);
  EXPECT_NE(&registry.worker(1).Calls(Labels("acme")), &stats);
  EXPECT_EQ(&registry.worker(1).Quotas({"acme", "", "gpt-4o"}),
            &registry.worker(1).Quotas({"acme", "", "gpt-4o"}));
  EXPECT_EQ(&registry.worker(1).Attempts({"yi", "yi-large"}),
            &registry.worker(1).Attempts({"yi", "yi-large"}));
  EXPECT_EQ(&registry.worker(1).Provider({"yi"}), &registry.worker(1).Provider({"yi"}));
  EXPECT_NE(&registry.worker(1).Provider({"yi"}), &registry.worker(1).Provider({"openai"}));
}

TEST(Registry, KeepsReferencesValidWhileItGrows) {
  Registry registry(1);
  CallStats& first = registry.worker(0).Calls(Labels("first"));
  for (int i = 0; i < 3000; ++i) registry.worker(0).Calls(Labels("t" + std::to_string(i)));
  first.RecordEnd(kResultOk, 1);
  EXPECT_EQ(&registry.worker(0).Calls(Labels("first")), &first);
  EXPECT_EQ(registry.worker(0).Calls(Labels("first")).calls[kResultOk].value(), 1);
}

TEST(Registry, KeepsTheObjectsOfTwoWorkersOnDifferentCacheLines) {
  Registry registry(2);
  for (auto* stats :
       {&registry.worker(0).Quotas({"a", "", "m"}), &registry.worker(1).Quotas({"a", "", "m"})}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(stats) % 64, 0u);
  }
}

TEST(Registry, AddsUpTheWorkers) {
  Registry registry(3);
  for (int i = 0; i < 3; ++i) {
    CallStats& stats = registry.worker(i).Calls(Labels("acme"));
    stats.RecordEnd(kResultOk, 0.5 * (i + 1));
    stats.chunks.Add(10);
    stats.in_flight.Add(2);
  }
  registry.worker(1).Calls(Labels("acme")).RecordEnd(ResultOf(model::ErrorReason::kDeadline), 90);
  const auto samples = Samples(registry.Text());
  const std::string labels =
      R"({tenant="acme",model="gpt-4o",provider="yi",upstream_model="yi-large",method="stream",)";
  EXPECT_EQ(samples.at("pingti_calls_total" + labels + R"(code="OK",reason=""})"), 3);
  EXPECT_EQ(
      samples.at("pingti_calls_total" + labels + R"(code="DEADLINE_EXCEEDED",reason="DEADLINE"})"),
      1);
  const std::string by_model = R"({provider="yi",model="gpt-4o",upstream_model="yi-large"})";
  EXPECT_EQ(samples.at("pingti_stream_chunks_total" + by_model), 30);
  EXPECT_EQ(samples.at("pingti_model_calls_in_flight" + by_model), 6);
}

TEST(Registry, SharesHistogramsBetweenTenants) {
  Registry registry(1);
  registry.worker(0).Calls(Labels("a")).RecordEnd(kResultOk, 0.01);
  registry.worker(0).Calls(Labels("b")).RecordEnd(kResultOk, 0.03);
  registry.worker(0).Calls(Labels("b")).RecordEnd(kResultOk, 1000);
  const auto samples = Samples(registry.Text());
  const std::string name = "gen_ai_server_request_duration_seconds";
  const std::string labels =
      R"({gen_ai_operation_name="chat",gen_ai_provider_name="yi",gen_ai_request_model="gpt-4o",)"
      R"(gen_ai_response_model="yi-large",error_type="")";
  EXPECT_EQ(samples.at(name + "_bucket" + labels + R"(,le="0.01"})"), 1);
  EXPECT_EQ(samples.at(name + "_bucket" + labels + R"(,le="0.02"})"), 1);
  EXPECT_EQ(samples.at(name + "_bucket" + labels + R"(,le="0.04"})"), 2);
  EXPECT_EQ(samples.at(name + "_bucket" + labels + R"(,le="81.92"})"), 2);
  EXPECT_EQ(samples.at(name + "_bucket" + labels + R"(,le="+Inf"})"), 3);
  EXPECT_EQ(samples.at(name + "_count" + labels + "}"), 3);
  EXPECT_DOUBLE_EQ(samples.at(name + "_sum" + labels + "}"), 1000.04);
}

TEST(Registry, KeepsQuestionsOutOfTheDurationsOfCompletions) {
  Registry registry(1);
  registry.worker(0).Calls(Labels("a", Method::kGetQuota)).RecordEnd(kResultOk, 0.01);
  registry.worker(0).Calls(Labels("a", Method::kUnary)).RecordEnd(kResultOk, 0.01);
  double calls = 0;
  double durations = 0;
  for (const auto& [name, value] : Samples(registry.Text())) {
    if (absl::StartsWith(name, "pingti_calls_total")) calls += value;
    if (absl::StartsWith(name, "gen_ai_server_request_duration_seconds_count")) durations += value;
  }
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(durations, 1);
}

TEST(Registry, CountsTokensBySourceAndLeavesOutUsageThatIsNotThere) {
  Registry registry(1);
  CallStats& stats = registry.worker(0).Calls(Labels("acme"));
  stats.RecordUsage({.input_tokens = 99, .source = model::UsageSource::kNone});
  stats.RecordUsage(
      {.input_tokens = 10, .output_tokens = 300, .source = model::UsageSource::kMeasured});
  stats.RecordUsage(
      {.input_tokens = 5, .output_tokens = 1, .source = model::UsageSource::kCounted});
  const auto samples = Samples(registry.Text());
  const std::string labels =
      R"({tenant="acme",model="gpt-4o",provider="yi",upstream_model="yi-large",method="stream",)";
  const std::string tokens = "pingti_tokens_total" + labels;
  EXPECT_EQ(samples.at(tokens + R"(type="input",source="measured"})"), 10);
  EXPECT_EQ(samples.at(tokens + R"(type="output",source="measured"})"), 300);
  EXPECT_EQ(samples.at(tokens + R"(type="input",source="counted"})"), 5);
  EXPECT_EQ(samples.count(tokens + R"(type="input",source="none"})"), 0u);
  const std::string usage =
      R"({gen_ai_operation_name="chat",gen_ai_provider_name="yi",gen_ai_request_model="gpt-4o",)"
      R"(gen_ai_response_model="yi-large",gen_ai_token_type="output"})";
  EXPECT_EQ(samples.at("gen_ai_client_token_usage_sum" + usage), 301);
  EXPECT_EQ(samples.at("gen_ai_client_token_usage_count" + usage), 2);
}

TEST(Registry, ShowsAttemptsQuotasAndWorkers) {
  Registry registry(2);
  AttemptStats& attempts = registry.worker(1).Attempts({"yi", "yi-large"});
  attempts.attempts.Add(3);
  attempts.failures[static_cast<int>(model::FailureClass::kCut)].Add(2);
  attempts.bytes_in.Add(4096);
  QuotaStats& quotas = registry.worker(0).Quotas({"acme", "", "gpt-4o"});
  quotas.settled_tokens.Add(77);
  // What the worker that saw it last says, and what has been refilled since: a day's limit hardly.
  const int64_t now_us = base::SystemClock().MonotonicNow().micros();
  quotas.levels[3].Note(1'000, 1'000, 900, now_us - 1'000'000);
  registry.worker(1).Quotas({"acme", "", "gpt-4o"}).levels[3].Note(1'000, 1'000, -250, now_us);
  quotas.levels[0].Note(60, 60, 0, now_us - 60'000'000);
  registry.worker(0).worker().quota_wait.Observe(0.2);
  registry.worker(1).worker().store.failures[0].Add(2);
  registry.worker(1).worker().calls_in_flight.Set(4);
  registry.worker(0).worker().calls_cancelled.Add(1);
  registry.worker(1).worker().calls_cancelled.Add(2);
  const auto samples = Samples(registry.Text());
  const std::string target = R"({provider="yi",upstream_model="yi-large")";
  EXPECT_EQ(samples.at("pingti_upstream_attempts_total" + target + "}"), 3);
  EXPECT_EQ(samples.at("pingti_upstream_failures_total" + target + R"(,class="cut"})"), 2);
  EXPECT_EQ(samples.at("pingti_upstream_received_bytes_total" + target + "}"), 4096);
  const std::string bucket = R"({tenant="acme",provider="",model_class="gpt-4o")";
  const std::string tpm = bucket + R"(,dimension="tokens_per_minute"})";
  const std::string rpm = bucket + R"(,dimension="requests_per_minute"})";
  const std::string tpd = bucket + R"(,dimension="tokens_per_day"})";
  EXPECT_EQ(samples.at("pingti_quota_limit" + tpd), 1'000);
  EXPECT_NEAR(samples.at("pingti_quota_remaining" + tpd), -250, 1);
  EXPECT_NEAR(samples.at("pingti_quota_used_ratio" + tpd), 1.25, 0.001);
  EXPECT_EQ(samples.at("pingti_quota_remaining" + rpm), 60);
  EXPECT_EQ(samples.count("pingti_quota_limit" + tpm), 0u);
  EXPECT_EQ(samples.at("pingti_quota_wait_seconds_count"), 1);
  EXPECT_EQ(samples.at(R"(pingti_quota_store_failures_total{kind="timeout"})"), 2);
  EXPECT_EQ(samples.at("pingti_quota_settled_tokens_total" + bucket + "}"), 77);
  EXPECT_EQ(samples.at(R"(pingti_calls_in_flight{worker="0"})"), 0);
  EXPECT_EQ(samples.at(R"(pingti_calls_in_flight{worker="1"})"), 4);
  EXPECT_EQ(samples.at("pingti_calls_cancelled_total"), 3);
}

TEST(Registry, TellsWhoseLimitRefused) {
  Registry registry(2);
  registry.worker(0).Quotas({"acme", "", "gpt-4o"}).refused[1].Add();
  registry.worker(1).Quotas({"acme", "", "gpt-4o"}).refused_by_key[1].Add(2);
  registry.worker(1).Quotas({"", "yi", "yi-large"}).refused[0].Add(4);
  const auto samples = Samples(registry.Text());
  const std::string acme =
      R"(pingti_quota_refusals_total{tenant="acme",provider="",model_class="gpt-4o",dimension=)";
  EXPECT_EQ(samples.at(acme + R"("tokens_per_minute",scope="tenant"})"), 1);
  EXPECT_EQ(samples.at(acme + R"("tokens_per_minute",scope="key"})"), 2);
  EXPECT_EQ(samples.at(acme + R"("requests_per_minute",scope="tenant"})"), 0);
  EXPECT_EQ(samples.count(acme + R"("requests_per_minute",scope="key"})"), 0u);
  EXPECT_EQ(samples.at(R"(pingti_quota_refusals_total{tenant="",provider="yi",)"
                       R"(model_class="yi-large",dimension="requests_per_minute",)"
                       R"(scope="provider"})"),
            4);
}

TEST(Registry, ShowsDebtUntilItIsRefilled) {
  Registry registry(1);
  QuotaStats& quotas = registry.worker(0).Quotas({"acme", "", "gpt-4o"});
  const int64_t now_us = base::SystemClock().MonotonicNow().micros();
  quotas.levels[1].Note(60'000, 60'000, -30'000, now_us - 600'000'000);  // long ago
  quotas.levels[3].Note(1'000, 1'000, -250, now_us);
  quotas.levels[4].Note(10, 10, -3, now_us - 600'000'000);  // no clock gives slots back
  quotas.overrun_tokens.Add(31'000);
  const auto samples = Samples(registry.Text());
  const std::string labels = R"({tenant="acme",provider="",model_class="gpt-4o")";
  const std::string debt = "pingti_quota_debt" + labels + ",dimension=";
  EXPECT_EQ(samples.at(debt + R"("tokens_per_minute"})"), 0);
  EXPECT_NEAR(samples.at(debt + R"("tokens_per_day"})"), 250, 1);
  EXPECT_EQ(samples.at(debt + R"("calls_at_once"})"), 3);
  EXPECT_EQ(samples.count(debt + R"("requests_per_minute"})"), 0u);
  EXPECT_EQ(samples.at("pingti_quota_overrun_tokens_total" + labels + "}"), 31'000);
}

TEST(Registry, ShowsTheLineAndTheLongestExpectedWaitInIt) {
  Registry registry(3);
  const QuotaLabels labels{"acme", "", "gpt-4o"};
  registry.worker(0).Quotas(labels).waiting.Add(2);
  registry.worker(0).Quotas(labels).waiting_tokens.Add(700);
  registry.worker(0).Quotas(labels).expected_wait_ms.Set(1'250);
  registry.worker(1).Quotas(labels).waiting.Add(1);
  registry.worker(1).Quotas(labels).waiting_tokens.Add(300);
  registry.worker(1).Quotas(labels).expected_wait_ms.Set(400);
  registry.worker(2).Quotas(labels).expected_wait_ms.Set(9'000);  // nobody waits there any more
  const std::string series = R"({tenant="acme",provider="",model_class="gpt-4o"})";
  auto samples = Samples(registry.Text());
  EXPECT_EQ(samples.at("pingti_quota_waiting" + series), 3);
  EXPECT_EQ(samples.at("pingti_quota_waiting_tokens" + series), 1'000);
  EXPECT_EQ(samples.at("pingti_quota_expected_wait_seconds" + series), 1.25);
  registry.worker(0).Quotas(labels).waiting.Sub(2);
  registry.worker(1).Quotas(labels).waiting.Sub(1);
  samples = Samples(registry.Text());
  EXPECT_EQ(samples.at("pingti_quota_expected_wait_seconds" + series), 0);
}

TEST(Registry, AddsUpWhatTheWorkersThinkOfProviders) {
  Registry registry(2);
  for (int i = 0; i < 2; ++i) {
    AttemptStats& attempts = registry.worker(i).Attempts({"yi", "yi-large"});
    attempts.attempts.Add(3);
    attempts.retries.Add(1);
    attempts.breaker_opened.Add(5);
    ProviderStats& provider = registry.worker(i).Provider({"yi"});
    provider.keys_benched.Add(i);
    provider.out.Set(1);
    provider.outs.Add(2);
    provider.retries_denied.Add(4);
  }
  registry.worker(1).Attempts({"yi", "yi-large"}).breaker_open.Set(1);
  const auto samples = Samples(registry.Text());
  const std::string target = R"({provider="yi",upstream_model="yi-large"})";
  EXPECT_EQ(samples.at("pingti_upstream_attempts_total" + target), 6);
  EXPECT_EQ(samples.at("pingti_upstream_retries_total" + target), 2);
  EXPECT_EQ(samples.at("pingti_upstream_breaker_opened_total" + target), 10);
  EXPECT_EQ(samples.at("pingti_upstream_breakers_open" + target), 1);
  EXPECT_EQ(samples.at(R"(pingti_provider_keys_benched{provider="yi"})"), 1);
  EXPECT_EQ(samples.at(R"(pingti_provider_out{provider="yi"})"), 2);
  EXPECT_EQ(samples.at(R"(pingti_provider_outs_total{provider="yi"})"), 4);
  EXPECT_EQ(samples.at(R"(pingti_provider_retries_denied_total{provider="yi"})"), 8);
}

// A label set that is one too many has no scope of its own.
TEST(Registry, SharesOneObjectPastTheBoundOfQuotas) {
  Registry registry(1, /*series_max=*/1);
  registry.worker(0).Quotas({"a", "", "m"});
  registry.worker(0).Quotas({"b", "", "m"}).refused[0].Add();
  registry.worker(0).Quotas({"", "yi", "m"}).refused[0].Add();
  EXPECT_EQ(Samples(registry.Text())
                .at(R"(pingti_quota_refusals_total{tenant="other",provider="other",)"
                    R"(model_class="other",dimension="requests_per_minute",scope="other"})"),
            2);
}

TEST(Registry, SharesOneObjectPastTheBound) {
  Registry registry(2, /*series_max=*/2);
  CallStats& a = registry.worker(0).Calls(Labels("a"));
  CallStats& b = registry.worker(0).Calls(Labels("b"));
  CallStats& c = registry.worker(0).Calls(Labels("c"));
  CallStats& d = registry.worker(0).Calls(Labels("d"));
  EXPECT_NE(&a, &b);
  EXPECT_EQ(&c, &d);
  // What was there before the bound stays, also for a worker that asks for it first now.
  EXPECT_EQ(&registry.worker(0).Calls(Labels("a")), &a);
  registry.worker(1).Calls(Labels("b")).RecordEnd(kResultOk, 1);
  c.RecordEnd(kResultOk, 1);
  d.RecordEnd(kResultOk, 1);
  const std::string text = registry.Text();
  EXPECT_THAT(text, HasSubstr(R"(pingti_calls_total{tenant="other",model="other")"));
  EXPECT_THAT(text, Not(HasSubstr(R"(tenant="c")")));
  const auto samples = Samples(text);
  EXPECT_EQ(samples.at(R"(pingti_series_overflow_total{kind="calls"})"), 2);
  EXPECT_EQ(samples.at(R"(pingti_series_overflow_total{kind="models"})"), 0);
}

TEST(Registry, EscapesAndCleansLabelValues) {
  Registry registry(1);
  registry.worker(0).Attempts({"quo\"te\\", "bad\xFF\nline"});
  EXPECT_THAT(registry.Text(),
              HasSubstr("{provider=\"quo\\\"te\\\\\",upstream_model=\"bad\xEF\xBF\xBD\\nline\"}"));
}

TEST(Registry, ShowsTheProcess) {
  Registry registry(1);
  const auto samples = Samples(registry.Text());
  EXPECT_GT(samples.at("process_resident_memory_bytes"), 1e6);
  EXPECT_GT(samples.at("process_virtual_memory_bytes"), 1e6);
  EXPECT_GE(samples.at("process_cpu_seconds_total"), 0);
  EXPECT_GE(samples.at("process_open_fds"), 3);
  EXPECT_GE(samples.at("process_max_fds"), samples.at("process_open_fds"));
  EXPECT_GE(samples.at("process_threads"), 1);
  EXPECT_GT(samples.at("process_start_time_seconds"), 1.7e9);  // after 2023
  EXPECT_THAT(registry.Text(), HasSubstr("pingti_build_info{version=\""));
}

// A scrape while two workers resolve and count. (TSan runs this.)
TEST(Registry, IsScrapedWhileWorkersWrite) {
  constexpr int kRounds = 2000;
  Registry registry(2);
  std::atomic<int> running = 2;
  std::vector<std::thread> threads;
  for (int w = 0; w < 2; ++w) {
    threads.emplace_back([&registry, &running, w] {
      for (int i = 0; i < kRounds; ++i) {
        CallStats& stats = registry.worker(w).Calls(Labels("t" + std::to_string(i % 50)));
        stats.RecordEnd(kResultOk, 0.1);
        registry.worker(w).worker().loop_posts.Add();
      }
      --running;
    });
  }
  while (running > 0) EXPECT_FALSE(registry.Text().empty());
  for (std::thread& thread : threads) thread.join();
  double calls = 0;
  for (const auto& [name, value] : Samples(registry.Text())) {
    if (absl::StartsWith(name, "pingti_calls_total")) calls += value;
  }
  EXPECT_EQ(calls, 2 * kRounds);
}

}  // namespace
}  // namespace pingti::telemetry
