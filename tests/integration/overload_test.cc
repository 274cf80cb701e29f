// A worker that gets more than it can do: one tenant floods it, another has a call now and then.
#include <memory>
#include <string>
#include <string_view>

#include "tests/integration/crowd.h"
#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

constexpr int kFlood = 400;
constexpr int kFloodWords = 5'000;
constexpr int kCallsMax = 500;
constexpr int kPoliteCalls = 30;

class OverloadTest : public WorldTest<OverloadTest> {
 public:
  static WorldOptions MakeOptions() {
    WorldOptions options;
    // The flood keeps a call waiting for some tens of milliseconds on any machine: late is what is
    // above two.
    options.server =
        "{workers: 1, overload_delay: 2ms, calls_in_flight_max: " + std::to_string(kCallsMax) + "}";
    return options;
  }

 protected:
  static bool Said(std::string_view what) {
    return server()
        .process()
        .WaitForError([&](std::string_view line) { return line.find(what) != line.npos; })
        .has_value();
  }
  static double Limit() { return server().Scrape().Sum("pingti_calls_limit"); }
  static void AddFlood(Crowd* crowd) {
    auto channel = server().Channel();
    // Dear to the server and cheap to the caller: however fast the machine, it is the server that
    // does not keep up.
    std::string prompt;
    for (int i = 0; i < kFloodWords; ++i) prompt += "Flood. ";
    for (int i = 0; i < kFlood; ++i) {
      CallerOptions caller;
      caller.tenant = "acme";
      caller.channel = channel;
      caller.key = world().key("acme");
      caller.spec = Ask(prompt);
      crowd->Add(std::move(caller));
    }
  }
};

TEST_F(OverloadTest, TheLargestTenantIsRefusedAndTheOthersAreServed) {
  ASSERT_EQ(Limit(), kCallsMax);
  Crowd crowd;
  AddFlood(&crowd);
  crowd.Start();
  const auto is_refused = [](const CallResult& result) {
    return result.error.reason == "OVERLOADED";
  };
  ASSERT_TRUE(Eventually([&] { return crowd.Count(is_refused) > 0; }));
  EXPECT_LT(Limit(), kFlood);

  // Who has one call at a time is served meanwhile.
  const client::Client polite = world().Client("drip");
  for (int i = 0; i < kPoliteCalls; ++i) {
    v1::CompletionSpec spec = Ask("Hi.");
    spec.mutable_sampling()->set_max_output_tokens(1);
    const auto answer = polite.Generate(spec);
    EXPECT_TRUE(answer.ok()) << answer.error().message;
  }
  crowd.Stop();

  for (const CallResult& result : crowd.Results()) {
    if (result.ok()) continue;
    ASSERT_TRUE(is_refused(result)) << result.error.message;
    EXPECT_EQ(result.error.code, grpc::StatusCode::UNAVAILABLE);
    ASSERT_TRUE(result.error.retry_delay.has_value());
    break;
  }
  EXPECT_GT(crowd.Count([](const CallResult& result) { return result.ok(); }), 0);
  EXPECT_GT(server().Scrape().Sum("pingti_calls_overloaded_total"), 0);
  EXPECT_TRUE(Said("worker is overloaded"));

  EXPECT_TRUE(Eventually([] { return Limit() == kCallsMax; })) << "all is well again";
  EXPECT_TRUE(Said("worker is no longer overloaded"));
}

}  // namespace
}  // namespace pingti::integration
