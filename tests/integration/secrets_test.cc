// A canary for each secret that the server is given: our keys at providers, callers' and
// administrators' keys, the passwords of Redis and of PostgreSQL. Then everything that can go well
// or wrong with them, and a search through all that was written: logs, records, errors, metrics,
// and the files of the ledger.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/fakes/scratch_folder.h"
#include "tests/integration/programs.h"
#include "tests/postgres/postgres_server.h"

namespace pingti::integration {
namespace {

constexpr char kProviderKey[] = "canary-provider-9f3a";
constexpr char kRefusedKey[] = "canary-refused-7b1c";
constexpr char kPrompt[] = "canary prompt 5d2e";

std::string SecretOf(const std::string& key) { return key.substr(key.rfind('_') + 1); }

// The bytes of all files in a folder.
std::string ReadAll(const std::string& folder) {
  std::ostringstream all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) all << std::ifstream(entry.path(), std::ios::binary).rdbuf();
  }
  return all.str();
}

class SecretsTest : public testing::Test {
 protected:
  std::string Config(const std::string& ledger) const {
    const auto provider = [&](const std::string& name, const std::string& url,
                              const std::string& key) {
      return "  - {name: " + name + ", dialect: openai, base_url: \"" + url +
             "\", api_key: " + key + "}\n";
    };
    return "billing: {" + ledger + ", plan: {newcomer_bonus: 1}}\nproviders:\n" +
           provider("good", provider_.base_url(), kProviderKey) +
           provider("refuses", refuses_.base_url(), kRefusedKey) +
           R"(models:
  - name: chat
    provider: good
    context_tokens: 100000
    prices: [{since: 2024-06-01, currency: CNY, input: 20, output: 20}]
  - {name: refused, provider: refuses, context_tokens: 100000}
tiers:
  - {name: Roomy, other_classes: {requests_per_minute: 10000000, tokens_per_minute: 1000000000}}
tenants: [{name: acme, tier: Roomy, keys: [{record: ")" +
           key_.record + R"("}]}]
admin_keys: [{name: finance, record: ")" +
           admin_.record + "\"}]\n";
  }

  // Calls of every kind; what callers were told.
  std::string Use(const Server& server) {
    refuses_.SetDefaults(R"({"status":"401"})");
    std::string told;
    const auto ask = [&](const std::string& key, const std::string& model) {
      v1::CompletionSpec spec;
      spec.set_model(model);
      v1::Message* message = spec.add_messages();
      message->set_role(v1::ROLE_USER);
      message->add_parts()->set_text(kPrompt);
      const auto answer = server.Client(key).Generate(spec);
      if (answer.ok()) return true;
      told += answer.error().message + "\n";
      for (const auto& [name, value] : answer.error().metadata) told += name + "=" + value + "\n";
      return false;
    };
    EXPECT_TRUE(ask(key_.key, "chat"));
    EXPECT_FALSE(ask(key_.key, "refused"));
    EXPECT_FALSE(ask(key_.key + "x", "chat"));
    EXPECT_FALSE(ask(key_.key.substr(0, key_.key.size() - 1) + "!", "chat"));
    EXPECT_FALSE(ask(admin_.key, "chat"));
    v1::TopUpRequest payment;
    payment.set_tenant("acme");
    payment.mutable_amount()->set_nano_units(1'000'000'000);
    payment.set_reference("invoice 1");
    EXPECT_TRUE(server.Client(admin_.key).TopUp(payment).ok());
    const auto refused = server.Client(key_.key).TopUp(payment);
    EXPECT_FALSE(refused.ok());
    if (!refused.ok()) told += refused.error().message;
    return told;
  }

  void ExpectNone(const std::string& where, const std::string& text) const {
    for (const std::string& secret :
         {std::string(kProviderKey), std::string(kRefusedKey), SecretOf(key_.key),
          SecretOf(admin_.key), password_, std::string(kPrompt)}) {
      EXPECT_EQ(text.find(secret), text.npos) << secret << " is in " << where;
    }
  }

  void Check(const std::string& ledger) {
    Server server(Config(ledger));
    const std::string told = Use(server);
    EXPECT_GT(told.size(), 100u);
    server.process().Signal(SIGHUP);
    EXPECT_TRUE(server.process().WaitForError(
        [](std::string_view line) { return line.find("reloaded") != line.npos; }));
    const std::string metrics = server.Scrape().text();
    server.StopCleanly();
    ExpectNone("what callers are told", told);
    ExpectNone("the metrics", metrics);
    ExpectNone("standard error", server.process().Errors());
    ExpectNone("standard output", server.process().Output());
    EXPECT_NE(server.process().Errors().find("\"record\":\"call\""), std::string::npos);
  }

  Provider provider_, refuses_;
  const ApiKey key_ = MakeApiKey();
  const ApiKey admin_ = MakeApiKey();
  const std::string password_ = "canary-password-1e8d";
};

TEST_F(SecretsTest, NoneLeavesWithSqlite) {
  const fakes::ScratchFolder folder;
  Check("data_dir: \"" + folder.path() + "\"");
  const std::string files = ReadAll(folder.path());
  EXPECT_NE(files.find("invoice 1"), std::string::npos);
  ExpectNone("the ledger", files);
}

TEST_F(SecretsTest, NoneLeavesWithPostgres) {
  testing_postgres::PostgresServer postgres;
  Check("database: \"" + postgres.connection() + " password=" + password_ + "\"");
  // One that cannot be reached is said, without its password.
  postgres.Kill();
  Server server(Config("database: \"" + postgres.connection() + " password=" + password_ + "\""));
  EXPECT_TRUE(server.process().WaitForError(
      [](std::string_view line) { return line.find("takes no writes") != line.npos; }));
  server.StopCleanly();
  ExpectNone("standard error", server.process().Errors());
}

TEST_F(SecretsTest, NoneLeavesInTheErrorsOfAConfiguration) {
  const std::string path =
      WriteFile("wrong.yaml", Config("database: \"canary-password-1e8d\"") + "nonsense: 1\n");
  Process server({ServerBinary(), "--check-config", path});
  EXPECT_EQ(server.Wait(WaitMax()), 1);
  EXPECT_NE(server.Errors().find("billing.database"), std::string::npos) << server.Errors();
  ExpectNone("the errors", server.Errors() + server.Output());
}

}  // namespace
}  // namespace pingti::integration
