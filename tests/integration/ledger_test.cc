// Money on the real server, over both engines: who has none is served nothing, who runs out of it
// is stopped, a request id is charged once, and a database that goes away costs nobody anything.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "server/base/money.h"
#include "tests/fakes/sick_disk.h"
#include "tests/integration/ledger_world.h"

namespace pingti::integration {
namespace {

v1::CompletionSpec Ask(const std::string& text = "Hello", const std::string& id = "") {
  v1::CompletionSpec spec;
  spec.set_model("chat");
  v1::Message* message = spec.add_messages();
  message->set_role(v1::ROLE_USER);
  message->add_parts()->set_text(text);
  spec.set_request_id(id);
  spec.set_user(id);
  return spec;
}

int64_t Tokens(const v1::Usage& usage) { return usage.input_tokens() + usage.output_tokens(); }

void WaitForNoHolds(const Server& server) {
  EXPECT_TRUE(Eventually([&] {
    const Metrics metrics = server.Scrape();
    return metrics.Sum("pingti_ledger_holds_open") == 0 && metrics.Sum("pingti_ledger_outbox") == 0;
  })) << server.Scrape().text();
}

billing::Balance BalanceIn(const LedgerWorld& world) {
  billing::Balance balance;
  world.Do([&](billing::Ledger& ledger) { balance = ledger.GetBalance("acme").value(); });
  return balance;
}

class LedgerTest : public testing::TestWithParam<storage::Engine> {};

TEST_P(LedgerTest, ACallIsChargedWhatItSaysItCost) {
  LedgerWorld world(GetParam());
  const auto server = world.Start();
  const auto whole = world.Client(*server).Generate(Ask("Hello", "whole"));
  ASSERT_TRUE(whole.ok()) << whole.error().message;
  EXPECT_EQ(whole->cost().charged().nano_units(), Tokens(whole->usage()) * kNanoPerToken);
  int64_t told = 0;
  {
    client::CompletionStream stream = world.Client(*server).Stream(Ask("Hello", "stream"));
    while (const auto event = stream.Next()) {
      if (event->has_finished()) told = event->finished().cost().charged().nano_units();
    }
    ASSERT_TRUE(stream.Finish().ok());
  }
  server->StopCleanly();  // writes what is not written yet
  const auto charges = world.Charges();
  EXPECT_EQ(charges.at("whole"), whole->cost().charged().nano_units());
  EXPECT_EQ(charges.at("stream"), told);
  EXPECT_EQ(BalanceIn(world).bonus,
            1'000 * base::kNanoPerUnit - charges.at("whole") - charges.at("stream"));
  world.ExpectSound();
}

TEST_P(LedgerTest, WithoutMoneyNothingReachesTheProviderTwice) {
  LedgerWorld world(GetParam(), "{newcomer_bonus: 0.000001}");
  const auto server = world.Start();
  for (int i = 0; i < 5; ++i) {
    const auto answer = world.Client(*server).Generate(Ask());
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().reason, "BALANCE_TOO_LOW");
    EXPECT_EQ(answer.error().code, grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(answer.error().metadata.at("balance"), "0.000001 CNY");
  }
  // Each worker finds it out once; the provider never works for long.
  EXPECT_LE(world.provider().Stat("requests"), 2);
  server->StopCleanly();
  EXPECT_TRUE(world.Charges().empty());
  world.ExpectSound();
}

TEST_P(LedgerTest, AStreamEndsWithTheMoney) {
  LedgerWorld world(GetParam(), "{newcomer_bonus: 0.02}");  // 1,000 tokens
  world.provider().SetDefaults(
      R"({"canned":1,"chunks":2000,"chunk_bytes":40,"chunk_interval_ms":2})");
  const auto server = world.Start();
  size_t bytes = 0;  // pieces may come joined
  client::Error error;
  {
    client::CompletionStream stream = world.Client(*server).Stream(Ask("Hello", "long"));
    while (const auto event = stream.Next()) bytes += event->delta().text().size();
    error = stream.Finish();
  }
  EXPECT_EQ(error.reason, "BALANCE_TOO_LOW") << error.message;
  EXPECT_GT(bytes, 400u);
  EXPECT_LT(bytes, 40u * 1'900);
  EXPECT_GT(std::stoll(error.metadata.at("output_tokens")), 100);
  server->StopCleanly();
  const int64_t charged = world.Charges().at("long");
  EXPECT_GT(charged, 100 * kNanoPerToken);
  EXPECT_LE(charged, 1'000 * kNanoPerToken);
  world.ExpectSound();
}

TEST_P(LedgerTest, TheSameRequestIdIsChargedOnce) {
  LedgerWorld world(GetParam());
  world.provider().SetDefaults(R"({"latency_ms":50})");
  const auto server = world.Start();
  std::atomic<int> served{0}, in_use{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 12; ++i) {
    callers.emplace_back([&] {
      const auto answer = world.Client(*server).Generate(Ask("Hello", "once"));
      if (answer.ok()) {
        ++served;
      } else if (answer.error().reason == "REQUEST_ID_IN_USE") {
        ++in_use;
      } else {
        ADD_FAILURE() << answer.error().message;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(served, 1);
  EXPECT_EQ(in_use, 11);
  const auto again = world.Client(*server).Generate(Ask("Hello", "once"));
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(again.error().metadata.at("cause"), "charged");
  const auto other = world.Client(*server).Generate(Ask("Something else", "once"));
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().metadata.at("cause"), "other_body");
  server->StopCleanly();
  EXPECT_EQ(world.Charges().size(), 1u);
  world.ExpectSound();
}

TEST_P(LedgerTest, ACancelledStreamIsChargedItsInputAndWhatCame) {
  LedgerWorld world(GetParam());
  world.provider().SetDefaults(
      R"({"canned":1,"chunks":500,"chunk_bytes":40,"chunk_interval_ms":5})");
  const auto server = world.Start();
  {
    client::CompletionStream stream = world.Client(*server).Stream(Ask("Hello", "cancelled"));
    for (int i = 0; i < 20 && stream.Next(); ++i) {
    }
    stream.Cancel();
    EXPECT_EQ(stream.Finish().code, grpc::StatusCode::CANCELLED);
  }
  WaitForNoHolds(*server);
  server->StopCleanly();
  const int64_t charged = world.Charges().at("cancelled");
  EXPECT_GT(charged, 0);
  EXPECT_LT(charged, 500 * 10 * kNanoPerToken);
  world.ExpectSound();
}

TEST_P(LedgerTest, ADrainedServerHasEndedAllCalls) {
  LedgerWorld world(GetParam());
  world.provider().SetDefaults(
      R"({"canned":1,"chunks":20,"chunk_bytes":40,"chunk_interval_ms":20})");
  const auto server = world.Start();
  std::vector<client::CompletionStream> streams;
  for (int i = 0; i < 20; ++i) {
    streams.push_back(world.Client(*server).Stream(Ask("Hello", "s" + std::to_string(i))));
    ASSERT_TRUE(streams.back().Next().has_value());
  }
  server->StopCleanly();
  int whole = 0;
  for (client::CompletionStream& stream : streams) whole += stream.Finish().ok() ? 1 : 0;
  EXPECT_EQ(whole, 20);
  EXPECT_EQ(world.Charges().size(), 20u);
  world.ExpectSound();
}

INSTANTIATE_TEST_SUITE_P(Engines, LedgerTest,
                         testing::Values(storage::Engine::kSqlite, storage::Engine::kPostgres),
                         [](const auto& info) {
                           return std::string(storage::EngineName(info.param));
                         });

TEST(SqliteLedgerTest, ASecondServerInTheSameFolderDoesNotStart) {
  LedgerWorld world(storage::Engine::kSqlite);
  const auto server = world.Start();
  const std::string config = WriteFile(
      "second.yaml", "providers: [{name: p, dialect: openai, no_key: true, base_url: \"" +
                         world.provider().base_url() +
                         "\"}]\nmodels: [{name: m, provider: p, context_tokens: 1000}]\n");
  Process second({ServerBinary(), "--config", config, "--grpc", "127.0.0.1:0", "--metrics",
                  "127.0.0.1:0", "--data-dir", world.folder()});
  EXPECT_EQ(second.Wait(WaitMax()), 1);
  EXPECT_NE(second.Errors().find("is in use by another process"), std::string::npos)
      << second.Errors();
  server->StopCleanly();
}

Process::Environment With(const fakes::SickDisk& disk) {
  return {{fakes::SickDisk::kVariable, disk.path()}, {"LD_PRELOAD", PINGTI_SICK_DISK}};
}

// While the ledger takes no writes nothing is begun; what runs goes on and is charged afterwards.
void ExpectOutageIsSurvived(LedgerWorld& world, const Process::Environment& environment,
                            const std::function<void()>& begin, const std::function<void()>& end) {
  // Long enough that the disk is sick before it ends.
  world.provider().SetDefaults(R"({"canned":1,"chunks":40,"chunk_bytes":40,"chunk_interval_ms":)" +
                               std::to_string(Scaled(Millis(20)).count()) + "}");
  const auto server = world.Start(environment);
  client::CompletionStream stream = world.Client(*server).Stream(Ask("Hello", "runs"));
  ASSERT_TRUE(stream.Next().has_value());
  ASSERT_TRUE(stream.Next().has_value());  // content: its hold is durable
  begin();
  EXPECT_TRUE(Eventually([&] {
    const auto refused = world.Client(*server).Generate(Ask());
    return !refused.ok() && refused.error().reason == "LEDGER_UNAVAILABLE";
  }));
  while (stream.Next()) {
  }
  EXPECT_TRUE(stream.Finish().ok()) << stream.Finish().message;
  EXPECT_TRUE(Eventually([&] { return server->Scrape().Sum("pingti_ledger_outbox") >= 1; }));
  end();
  EXPECT_TRUE(
      Eventually([&] { return world.Client(*server).Generate(Ask("Hello", "after")).ok(); }));
  WaitForNoHolds(*server);
  server->StopCleanly();
  const auto charges = world.Charges();
  EXPECT_TRUE(charges.contains("runs"));
  EXPECT_TRUE(charges.contains("after"));
  world.ExpectSound();
}

TEST(SqliteLedgerTest, OnADiskThatTakesNoWritesNothingIsBegunAndWhatRunsIsChargedAfterwards) {
  for (const std::string word : {"full", "read-only"}) {
    SCOPED_TRACE(word);
    LedgerWorld world(storage::Engine::kSqlite);
    fakes::SickDisk disk;
    ExpectOutageIsSurvived(world, With(disk), [&] { disk.Be(word); }, [&] { disk.Recover(); });
  }
}

TEST(SqliteLedgerTest, ADiskThatIsStuckIsWaitedForAndNobodyGetsAnythingBefore) {
  LedgerWorld world(storage::Engine::kSqlite);
  fakes::SickDisk disk;
  const auto server = world.Start(With(disk));
  disk.Be("held");
  constexpr int kCalls = 8;
  std::atomic<int> answered{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < kCalls; ++i) {
    callers.emplace_back([&, i] {
      const auto answer = world.Client(*server).Generate(Ask("Hello", std::to_string(i)));
      EXPECT_TRUE(answer.ok()) << answer.error().message;
      ++answered;
    });
  }
  // The provider has answered; no hold is durable.
  EXPECT_TRUE(Eventually([&] {
    return world.provider().Requests().size() == kCalls && world.provider().Stat("in_flight") == 0;
  }));
  EXPECT_FALSE(Eventually([&] { return answered > 0; }, Scaled(Millis(300))));
  disk.Recover();
  for (std::thread& caller : callers) caller.join();
  WaitForNoHolds(*server);
  server->StopCleanly();
  EXPECT_EQ(world.Charges().size(), static_cast<size_t>(kCalls));
  world.ExpectSound();
}

TEST(PostgresLedgerTest, WithoutTheDatabaseNothingIsBegunAndWhatRunsIsChargedAfterwards) {
  LedgerWorld world(storage::Engine::kPostgres);
  ExpectOutageIsSurvived(
      world, {}, [&] { world.postgres()->Kill(); }, [&] { world.postgres()->Start(); });
}

TEST(PostgresLedgerTest, ReplicasNeverSpendMoreThanThereIs) {
  LedgerWorld world(storage::Engine::kPostgres, "{newcomer_bonus: 0.1}");
  const auto one = world.Start();
  const auto other = world.Start();
  std::vector<std::thread> callers;
  std::atomic<int64_t> told{0};
  std::atomic<int> refused{0};
  for (int i = 0; i < 16; ++i) {
    callers.emplace_back([&, i] {
      const client::Client client = world.Client(i % 2 == 0 ? *one : *other);
      while (true) {
        const auto answer = client.Generate(Ask());
        if (answer.ok()) {
          told += answer->cost().charged().nano_units();
          continue;
        }
        EXPECT_EQ(answer.error().reason, "BALANCE_TOO_LOW") << answer.error().message;
        ++refused;
        return;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  one->StopCleanly();
  other->StopCleanly();
  const billing::Balance balance = BalanceIn(world);
  EXPECT_GE(balance.bonus, 0);
  EXPECT_EQ(balance.bonus, base::kNanoPerUnit / 10 - told);
  EXPECT_EQ(refused, 16);
  world.ExpectSound();
}

TEST(PostgresLedgerTest, TheHoldsOfAKilledReplicaAreEndedByTheOther) {
  LedgerWorld world(storage::Engine::kPostgres);
  world.provider().SetDefaults(
      R"({"canned":1,"chunks":5000,"chunk_bytes":40,"chunk_interval_ms":20})");
  const auto dies = world.Start();
  const auto lives = world.Start();
  client::CompletionStream stream = world.Client(*dies).Stream(Ask("Hello", "orphan"));
  const auto begun = std::chrono::steady_clock::now();
  // Long enough that what was delivered has been noted.
  while (std::chrono::steady_clock::now() < begun + Millis(1'500)) {
    ASSERT_TRUE(stream.Next().has_value());
  }
  dies->process().Signal(SIGKILL);
  EXPECT_TRUE(Eventually([&] {
    return lives->Scrape().Sum("pingti_ledger_calls_ended_total", {"how=\"recovered\""}) == 1;
  }));
  WaitForNoHolds(*lives);
  lives->StopCleanly();
  EXPECT_GT(world.Charges().at("orphan"), 0);
  world.ExpectSound();
}

}  // namespace
}  // namespace pingti::integration
