// Taking quota: who may go at once, who waits, and where.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/exchange/call.h"
#include "tests/unit/exchange/call_fixture.h"

namespace pingti::exchange {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the fixture of this folder
using ::testing::HasSubstr;

constexpr char kOtherKey[] = "pt_other_s3cret";

class QuotaStepTest : public CallFixture {
 protected:
  // A call that may wait for a minute, and needs `tokens` of output.
  Running& StartPatient(int64_t output_tokens, const char* authorization = kAuthorization) {
    CallInput input = Ask();
    input.authorization = authorization;
    input.request.max_queue_wait = absl::Minutes(1);
    input.request.sampling.max_output_tokens = output_tokens;
    return Start(std::move(input));
  }
  void AddKeyWithLimits() {
    const tenancy::KeyHash hash = tenancy::HashKey(kOtherKey);
    config::KeyRecord key{"other", std::string(hash.begin(), hash.end())};
    key.limits.requests_per_minute = 1;
    config_.tenants[0].keys.push_back(key);
  }
  bool IsSent(size_t exchanges) { return transport_.exchanges().size() == exchanges; }
  // Others give back what they had reserved.
  void GiveBack(int64_t tokens) { buckets().AdjustTokens(-tokens, clock_.MonotonicNow()); }
  void CheckOverload(int memory) {
    registry_.process().memory_used.Set(memory);
    worker().CheckOverload();
  }
  void AnswerLast() { exchange().Answer(200, kJson, WholeAnswer("hi", kUsage30)); }
};

TEST_F(QuotaStepTest, WhoWaitsAsksAgainSoonBecauseOthersGiveBack) {
  TakeTokens(kTokenLimit);
  StartPatient(400);  // 407 tokens: 2.442 s
  EXPECT_TRUE(IsSent(0));
  GiveBack(5'000);
  After(absl::Milliseconds(50));
  EXPECT_TRUE(IsSent(1));
}

TEST_F(QuotaStepTest, WhoComesLaterGoesAtOnceWhereThereIsRoomForAll) {
  TakeTokens(kTokenLimit);
  Running& waiting = StartPatient(400);
  GiveBack(5'000);
  Running& later = Start(Ask());
  EXPECT_EQ(ReasonOf(later), "(running)");
  EXPECT_TRUE(IsSent(1));
  After(absl::Milliseconds(50));
  EXPECT_TRUE(IsSent(2));
  EXPECT_EQ(ReasonOf(waiting), "(running)");
}

TEST_F(QuotaStepTest, WhoComesLaterDoesNotTakeWhatTheOthersWaitFor) {
  TakeTokens(kTokenLimit);
  StartPatient(400);  // 407
  GiveBack(450);
  // 43 would be left behind the other, and 107 are needed.
  Running& later = Start(Ask());
  EXPECT_EQ(ReasonOf(later), "QUOTA_EXCEEDED");
  EXPECT_EQ(Metadata(later, "position"), "2");
  EXPECT_EQ(later.sink.error()->retry_delay, absl::Milliseconds(384));
}

TEST_F(QuotaStepTest, WhatIsTooLargeIsRefusedForGoodAlsoWhileOthersWait) {
  config_.estimation.output_tokens_default = 20'000;
  TakeTokens(kTokenLimit);
  StartPatient(400);
  CallInput input = Ask();
  input.request.sampling.max_output_tokens = 10'000;
  Running& large = Start(std::move(input));
  EXPECT_EQ(ReasonOf(large), "EXCEEDS_LIMIT");
  EXPECT_FALSE(large.sink.error()->retry_delay);
}

TEST_F(QuotaStepTest, AKeyThatWaitsForItsOwnLimitHoldsUpNoOther) {
  AddKeyWithLimits();
  const std::string other = std::string("Bearer ") + kOtherKey;
  StartPatient(100, other.c_str());
  EXPECT_TRUE(IsSent(1));
  Running& waiting = StartPatient(100, other.c_str());
  EXPECT_TRUE(IsSent(1));
  EXPECT_EQ(ReasonOf(Start(Ask())), "(running)");
  EXPECT_TRUE(IsSent(2));
  TakeTokens(tokens_left());  // and now the tenant is short, too
  Running& patient = StartPatient(100);
  GiveBack(1'000);
  After(absl::Milliseconds(50));
  EXPECT_TRUE(IsSent(3));
  EXPECT_EQ(ReasonOf(patient), "(running)");
  EXPECT_EQ(ReasonOf(waiting), "(running)");
}

TEST_F(QuotaStepTest, ARefusalForTheLimitOfAKeyNamesIt) {
  AddKeyWithLimits();
  const std::string other = std::string("Bearer ") + kOtherKey;
  StartPatient(100, other.c_str());
  CallInput input = Ask();
  input.authorization = other;
  Running& refused = Start(std::move(input));
  EXPECT_EQ(Metadata(refused, "bucket"), "tenant:acme/key:other/requests_per_minute");
  EXPECT_EQ(refused.sink.error()->retry_delay, absl::Minutes(1));
}

TEST_F(QuotaStepTest, AnOverloadEndsWhatWaitsAndNotWhatRuns) {
  Running& running = Start(Ask());
  ASSERT_TRUE(IsSent(1));
  TakeTokens(tokens_left());
  Running& waiting = StartPatient(100);
  ASSERT_EQ(ReasonOf(waiting), "(running)");
  CheckOverload(/*memory=*/950);
  EXPECT_EQ(ReasonOf(waiting), "OVERLOADED");
  EXPECT_EQ(waiting.sink.error()->retry_delay, absl::Seconds(1));
  EXPECT_EQ(worker().stats().calls_shed.value(), 1);
  EXPECT_EQ(ReasonOf(Start(Ask())), "OVERLOADED");
  EXPECT_EQ(worker().stats().calls_overloaded.value(), 1);
  AnswerLast();
  EXPECT_EQ(ReasonOf(running), "OK");
  CheckOverload(/*memory=*/100);
  EXPECT_EQ(worker().stats().calls_limit.value(), admission::OverloadController::kLimitMin);
  After(absl::Minutes(1));
  EXPECT_EQ(ReasonOf(Start(Ask())), "(running)");
}

TEST_F(QuotaStepTest, AnOverloadEndsTheNewestOfTheLargestTenantFirst) {
  config::Tenant& small = config_.tenants.emplace_back();
  small.name = "small";
  small.tier = "Tier1";
  const tenancy::KeyHash hash = tenancy::HashKey(kOtherKey);
  small.keys.push_back({"other", std::string(hash.begin(), hash.end())});
  TakeTokens(kTokenLimit);
  Running& oldest = StartPatient(400);
  Running& newest = StartPatient(400);
  worker().runtime().quotas().Find(1, "gpt-4o")->AdjustTokens(kTokenLimit, clock_.MonotonicNow());
  Running& of_small = StartPatient(400, "Bearer pt_other_s3cret");
  ASSERT_EQ(ReasonOf(of_small), "(running)");
  std::vector<const Running*> ended;
  for (Running* running : {&oldest, &newest, &of_small}) {
    running->sink.set_on_end([&ended, running] { ended.push_back(running); });
  }
  CheckOverload(/*memory=*/950);
  ASSERT_EQ(ended.size(), 3u);
  EXPECT_EQ(ended[0], &newest);
}

TEST_F(QuotaStepTest, ASlotThatComesBackIsTakenSoon) {
  config_.tiers[0].classes["gpt-4o"].calls_at_once = 1;
  Start(Ask());
  Running& waiting = StartPatient(100);
  EXPECT_TRUE(IsSent(1));
  AnswerLast();
  After(absl::Milliseconds(50));
  EXPECT_TRUE(IsSent(2));
  EXPECT_EQ(ReasonOf(waiting), "(running)");
}

TEST_F(QuotaStepTest, AShortPatienceIsEnoughForASlot) {
  config_.tiers[0].classes["gpt-4o"].calls_at_once = 1;
  Start(Ask());
  CallInput input = Ask();
  input.request.max_queue_wait = absl::Milliseconds(200);  // less than the guess of a second
  Running& waiting = Start(std::move(input));
  After(absl::Milliseconds(199));
  EXPECT_EQ(ReasonOf(waiting), "(running)");
  After(absl::Milliseconds(1));
  EXPECT_EQ(ReasonOf(waiting), "QUOTA_EXCEEDED");
  EXPECT_EQ(Metadata(waiting, "position"), "1");
}

TEST_F(QuotaStepTest, AClosedKeySaysWhatClosesIt) {
  AddKeyWithLimits();
  config_.tenants[0].keys[1].limits.requests_per_minute = 0;
  CallInput input = Ask();
  const std::string other = std::string("Bearer ") + kOtherKey;
  input.authorization = other;
  Running& refused = Start(std::move(input));
  EXPECT_EQ(ReasonOf(refused), "MODEL_NOT_ALLOWED");
  EXPECT_THAT(refused.sink.error()->message, HasSubstr("tenant:acme/key:other"));
}

class OutputCapTest : public CallFixture {
 protected:
  // What the provider is told, after a call with `wanted` (0: nothing) of output.
  std::string Sent(int64_t wanted) {
    CallInput input = Ask();
    input.request.sampling.max_output_tokens.reset();
    if (wanted > 0) input.request.sampling.max_output_tokens = wanted;
    last_ = &Start(std::move(input));
    const std::string& body = exchange().request().body;
    const size_t at = body.find("\"max_tokens\":");
    return at == std::string::npos ? "" : body.substr(at, body.find_first_of(",}", at) - at);
  }
  Running* last_ = nullptr;
};

TEST_F(OutputCapTest, IsTheCallersAlone) {
  EXPECT_EQ(Sent(0), "");
  EXPECT_EQ(Sent(9'000), "\"max_tokens\":9000");
}

TEST_F(OutputCapTest, IsWhatWasReservedWhereTheModelSaysSo) {
  config_.models[0].forward_output_cap = true;
  config_.estimation.output_tokens_default = 300;
  EXPECT_EQ(Sent(0), "\"max_tokens\":300");
  EXPECT_EQ(Sent(9'000), "\"max_tokens\":9000");
}

TEST_F(OutputCapTest, IsLoweredToTheModelsUnderStrictAndSaysSo) {
  config_.tiers[0].policy = config::ReservePolicy::kStrict;
  config_.models[0].output_tokens_max = 4'096;
  EXPECT_EQ(Sent(9'000), "\"max_tokens\":4096");
  exchange().Answer(200, kJson, WholeAnswer("hi", kUsage30));
  const auto& adaptations = last_->sink.completed()->served_by.adaptations;
  ASSERT_EQ(adaptations.size(), 1u);
  EXPECT_EQ(adaptations[0].field, "sampling.max_output_tokens");
  EXPECT_EQ(adaptations[0].action, providers::Adaptation::Action::kClamped);
  EXPECT_EQ(Sent(100), "\"max_tokens\":100");
  EXPECT_EQ(Sent(0), "\"max_tokens\":4096");
}

class GrowthTest : public CallFixture {};

TEST_F(GrowthTest, ALongAnswerTakesMoreInSteps) {
  StartStreaming("word");
  const int64_t reserved = kTokenLimit - tokens_left();
  int changes = 0;
  int64_t before = tokens_left();
  for (int i = 0; i < 500; ++i) {
    exchange().Body(Chunk("word "));
    if (tokens_left() != before) ++changes;
    before = tokens_left();
  }
  const int64_t grown = kTokenLimit - tokens_left() - reserved;
  EXPECT_GE(grown, 500 - kReserved - 64);
  EXPECT_GT(changes, 2);
  EXPECT_LE(changes, 500 / 64 + 1);
}

}  // namespace
}  // namespace pingti::exchange
