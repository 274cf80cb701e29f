// What a scrape says after calls of every kind, and that Prometheus' own checker likes it.
#include <gmock/gmock.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

using testing::HasSubstr;
using testing::Not;

class MetricsTest : public testing::Test {
 protected:
  void TearDown() override { world_.Stop(); }
  double Sum(std::string_view name, const std::vector<std::string>& labels = {}) {
    return world_.server().Scrape().Sum(name, labels);
  }

  World world_;
};

TEST_F(MetricsTest, CallsAreCountedByWhatBecameOfThem) {
  const client::Client client = world_.Client();
  int64_t input = 0;
  int64_t output = 0;
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.Generate(Ask("Hello", "old-chat"));
    ASSERT_TRUE(answer.ok());
    input += answer->usage().input_tokens();
    output += answer->usage().output_tokens();
  }
  const Streamed stream = ReadAll(client.Stream(Ask("Hello")));
  ASSERT_TRUE(stream.error.ok());
  EXPECT_FALSE(ReadAll(client.Stream(Ask("[sim:fault=18]"))).error.ok());
  EXPECT_FALSE(client.Generate(Ask("Hello", "no-such")).ok());
  EXPECT_FALSE(client.Generate(Ask("Hello", "dead")).ok());

  EXPECT_EQ(Sum("pingti_calls_total",
                {"tenant=\"acme\"", "model=\"old-chat\"", "provider=\"simulated\"",
                 "upstream_model=\"chat\"", "method=\"unary\"", "code=\"OK\"", "reason=\"\""}),
            3);
  EXPECT_EQ(Sum("pingti_calls_total", {"method=\"stream\"", "code=\"OK\""}), 1);
  EXPECT_EQ(Sum("pingti_calls_total", {"method=\"stream\"", "reason=\"ANSWER_INCOMPLETE\""}), 1);
  EXPECT_EQ(Sum("pingti_calls_total", {"code=\"NOT_FOUND\"", "model=\"\""}), 1);
  EXPECT_EQ(Sum("pingti_calls_total", {"code=\"UNAVAILABLE\"", "model=\"dead\""}), 1);
  EXPECT_EQ(
      Sum("pingti_tokens_total", {"model=\"old-chat\"", "type=\"input\"", "source=\"measured\""}),
      input);
  EXPECT_EQ(
      Sum("pingti_tokens_total", {"model=\"old-chat\"", "type=\"output\"", "source=\"measured\""}),
      output);
  EXPECT_EQ(Sum("pingti_upstream_failures_total", {"class=\"cut\""}), 1);
  EXPECT_EQ(Sum("pingti_upstream_failures_total", {"class=\"connect\""}), 1);
  // Three, two streams, one to the dead provider.
  EXPECT_EQ(Sum("pingti_upstream_attempts_total"), 6);
  EXPECT_EQ(Sum("gen_ai_server_request_duration_seconds_count",
                {"gen_ai_request_model=\"old-chat\"", "gen_ai_response_model=\"chat\""}),
            3);
  EXPECT_EQ(Sum("gen_ai_server_time_to_first_token_seconds_count"), 2);
  EXPECT_EQ(Sum("pingti_build_info"), 1);
  EXPECT_GT(Sum("process_resident_memory_bytes"), 1e6);
}

TEST_F(MetricsTest, HistogramsAddUp) {
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(ReadAll(world_.Client().Stream(Ask("Hello [sim:first_token_ms=20]"))).error.ok());
  }
  const Metrics metrics = world_.server().Scrape();
  for (const std::string name :
       {"gen_ai_server_request_duration_seconds", "gen_ai_server_time_to_first_token_seconds",
        "gen_ai_client_token_usage", "pingti_upstream_request_duration_seconds"}) {
    EXPECT_EQ(metrics.Sum(name + "_bucket", {"le=\"+Inf\""}), metrics.Sum(name + "_count")) << name;
    EXPECT_GT(metrics.Sum(name + "_count"), 0) << name;
  }
  // Ten first tokens of at least 20 ms each.
  EXPECT_GE(metrics.Sum("gen_ai_server_time_to_first_token_seconds_sum"), 0.2);
  EXPECT_EQ(metrics.Sum("gen_ai_server_time_to_first_token_seconds_bucket", {"le=\"0.01\""}), 0);
}

TEST_F(MetricsTest, CancelledAndRefusedCalls) {
  {
    client::CompletionStream stream =
        world_.Client().Stream(Ask("[sim:chunk_interval_ms=20,chunks=1000]"));
    ASSERT_TRUE(stream.Next());
    EXPECT_EQ(Sum("pingti_calls_in_flight"), 1);
    EXPECT_EQ(Sum("pingti_model_calls_in_flight", {"model=\"chat\""}), 1);
    EXPECT_EQ(Sum("pingti_upstream_transfers_in_flight"), 1);
  }
  EXPECT_TRUE(Eventually([&] { return Sum("pingti_calls_cancelled_total") == 1; }));
  EXPECT_TRUE(Eventually([&] { return Sum("pingti_calls_total", {"reason=\"CANCELLED\""}) == 1; }));
  for (int i = 0; i < 6; ++i) (void)world_.Client("tiny").Generate(Ask("Hello"));
  EXPECT_EQ(Sum("pingti_calls_total", {"tenant=\"tiny\"", "reason=\"QUOTA_EXCEEDED\""}), 1);
  EXPECT_EQ(Sum("pingti_quota_refusals_total", {"tenant=\"tiny\"", "model_class=\"chat\""}), 1);
}

// Names that callers make up cannot make series.
TEST_F(MetricsTest, CallersCannotMakeSeries) {
  (void)world_.Client().Generate(Ask("Hello", "no-such-0"));
  const std::string before = world_.server().Scrape().text();
  for (int i = 1; i < 20; ++i) {
    (void)world_.Client().Generate(Ask("Hello", "no-such-" + std::to_string(i)));
  }
  const std::string after = world_.server().Scrape().text();
  EXPECT_EQ(std::count(before.begin(), before.end(), '\n'),
            std::count(after.begin(), after.end(), '\n'));
  EXPECT_THAT(after, Not(HasSubstr("no-such")));
}

TEST_F(MetricsTest, PromtoolHasNothingToSay) {
  ASSERT_EQ(access(PINGTI_PROMTOOL, X_OK), 0) << "promtool (Debian prometheus) is missing";
  ASSERT_TRUE(world_.Client().Generate(Ask("Hello")).ok());
  ASSERT_TRUE(ReadAll(world_.Client().Stream(Ask("Hello [sim:fault=18]"))).error.answer_started);
  for (int i = 0; i < 6; ++i) (void)world_.Client("tiny").Generate(Ask("Hello"));
  const std::string scrape = WriteFile("metrics.txt", world_.server().Scrape().text());
  Process promtool({"/bin/sh", "-c", std::string(PINGTI_PROMTOOL) + " check metrics < " + scrape});
  const auto code = promtool.Wait(WaitMax());
  EXPECT_EQ(code, 0) << promtool.Output() << promtool.Errors();
  EXPECT_EQ(promtool.Output() + promtool.Errors(), "");
}

TEST(MetricsOffTest, CallsWorkWithoutMetricsAndQuota) {
  World world({.features = "{metrics: false, quota: false}"});
  for (int i = 0; i < 10; ++i) {
    const auto answer = world.Client("tiny").Generate(Ask("Hello"));
    ASSERT_TRUE(answer.ok()) << answer.error().message;
  }
  EXPECT_EQ(world.server().Scrape().Sum("pingti_calls_total"), 0);
  world.Stop();
}

}  // namespace
}  // namespace pingti::integration
