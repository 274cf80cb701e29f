// The server is killed again and again, each time at another point of a call's way through the
// ledger, and started again. What must be true then: the ledger is sound and nothing is held; no
// call was charged twice, or without having reached the provider; what was charged is what the
// caller was told; and of the answers that callers got, only those of the last moment are not
// charged.
//
// PINGTI_TEST_SEED has a run again.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/ledger_world.h"

namespace pingti::integration {
namespace {

constexpr const char* kPoints[] = {"hold",  "held", "sent",   "first_byte",
                                   "usage", "post", "posted", "reply"};
constexpr int kCallers = 6;
constexpr int kCallsMax = 60;  // of a caller, in one life of the server
constexpr int kPassesMax = 40;
constexpr int kLivesPerPoint = 13;     // 104 in all
constexpr int kLivesPerPointSlow = 1;  // under sanitizers

v1::CompletionSpec SpecOf(const std::string& id) {
  v1::CompletionSpec spec;
  spec.set_model("chat");
  v1::Message* message = spec.add_messages();
  message->set_role(v1::ROLE_USER);
  message->add_parts()->set_text("Hello");
  spec.set_request_id(id);
  spec.set_user(id);
  return spec;
}

class LedgerCrashTest : public testing::TestWithParam<storage::Engine> {
 protected:
  struct Told {
    int64_t nano = 0;
    int life = 0;
  };

  // Callers call until the server is gone, or they have called enough.
  void Live(const std::string& fault, int life);
  void CallUntilGone(const client::Client& client, int life, int caller);

  LedgerWorld world_{GetParam(), "{newcomer_bonus: 100000}"};
  std::mutex mu_;
  std::map<std::string, Told>
      told_;  // answers that callers got whole, and what these said they cost
  std::vector<std::string> unknown_;  // calls that ended with the server
};

void LedgerCrashTest::CallUntilGone(const client::Client& client, int life, int caller) {
  for (int n = 0; n < kCallsMax; ++n) {
    const std::string id =
        "life" + std::to_string(life) + "-" + std::to_string(caller) + "-" + std::to_string(n);
    int64_t nano = 0;
    bool whole = false;
    client::Error error;
    if (caller % 2 == 0) {
      const auto answer = client.Generate(SpecOf(id));
      whole = answer.ok();
      if (whole) nano = answer->cost().charged().nano_units();
      if (!whole) error = answer.error();
    } else {
      client::CompletionStream stream = client.Stream(SpecOf(id));
      while (const auto event = stream.Next()) {
        if (event->has_finished()) nano = event->finished().cost().charged().nano_units();
      }
      error = stream.Finish();
      whole = error.ok();
    }
    const std::lock_guard<std::mutex> lock(mu_);
    if (whole) {
      told_[id] = {nano, life};
      continue;
    }
    EXPECT_EQ(error.code, grpc::StatusCode::UNAVAILABLE) << error.message;
    unknown_.push_back(id);
    return;
  }
}

void LedgerCrashTest::Live(const std::string& fault, int life) {
  const auto server = world_.Start({{"PINGTI_FAULT_POINT", fault}});
  std::vector<std::thread> callers;
  for (int caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] { CallUntilGone(world_.Client(*server), life, caller); });
  }
  for (std::thread& caller : callers) caller.join();
  if (server->process().Wait(Scaled(Millis(2'000)))) {
    EXPECT_EQ(server->process().Wait(Millis(0)), -SIGKILL) << server->process().Errors();
  } else {
    ADD_FAILURE() << "nobody passed the point " << fault;
  }
}

TEST_P(LedgerCrashTest, NothingIsChargedTwiceAndNothingIsLostButTheLastMoment) {
  std::mt19937_64 dice(TestSeed());
  const int lives = Slowdown() > 1 ? kLivesPerPointSlow : kLivesPerPoint;
  int life = 0;
  for (int round = 0; round < lives; ++round) {
    for (const char* point : kPoints) {
      Live(std::string(point) + ":" + std::to_string(1 + dice() % kPassesMax), life++);
    }
  }
  // Those who do not know what became of their call send it again, as they would.
  const auto server = world_.Start();
  const client::Client client = world_.Client(*server);
  int served = 0;
  int charged_before = 0;
  for (const std::string& id : unknown_) {
    const auto answer = client.Generate(SpecOf(id));
    if (answer.ok()) {
      ++served;
      told_[id] = {answer->cost().charged().nano_units(), life};
    } else if (answer.error().reason == "REQUEST_ID_IN_USE") {
      ++charged_before;
    } else {
      ADD_FAILURE() << id << ": " << answer.error().message;
    }
  }
  EXPECT_TRUE(Eventually([&] {
    const Metrics metrics = server->Scrape();
    return metrics.Sum("pingti_ledger_holds_open") == 0 && metrics.Sum("pingti_ledger_outbox") == 0;
  }));
  EXPECT_EQ(server->Scrape().Sum("pingti_ledger_holds_dropped_total"), 0);
  server->StopCleanly();
  world_.ExpectSound();

  const std::map<std::string, int64_t> charges = world_.Charges();
  std::set<std::string> arrived;
  for (const FragileProvider::Request& request : world_.provider().Requests()) {
    arrived.insert(request.user);
  }
  std::map<int, int> lost;  // by life
  for (const auto& [id, told] : told_) {
    const auto charge = charges.find(id);
    if (charge == charges.end()) {
      ++lost[told.life];
    } else {
      EXPECT_EQ(charge->second, told.nano) << id;
    }
  }
  for (const auto& [id, nano] : charges) EXPECT_TRUE(arrived.contains(id)) << id;
  int all_lost = 0;
  for (const auto& [in_life, count] : lost) {
    EXPECT_LE(count, kCallers) << "in life " << in_life;
    EXPECT_LT(in_life, life) << "of a server that ended in order";
    all_lost += count;
  }
  std::printf(
      "%d lives: %zu answers, %zu charges, %d answers not charged; of %zu calls sent again "
      "%d were served, %d had been charged\n",
      life, told_.size(), charges.size(), all_lost, unknown_.size(), served, charged_before);
}

INSTANTIATE_TEST_SUITE_P(Engines, LedgerCrashTest,
                         testing::Values(storage::Engine::kSqlite, storage::Engine::kPostgres),
                         [](const auto& info) {
                           return std::string(storage::EngineName(info.param));
                         });

}  // namespace
}  // namespace pingti::integration
