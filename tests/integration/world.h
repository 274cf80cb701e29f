// What most integration tests run in: a simulated provider, a pingti-server in front of it with
// tenants of every kind, and short ways to ask and to read answers.
//
// Tenants (key()): `acme` has room for everything; `suspended` is; `narrow` may only use `plain`;
// `tiny` has 5 requests and 6,000 tokens a minute, `drip` 60 and 600; `exact` has the same as
// `drip` and reserves the whole cap of the output. Models: `chat` takes images and tools;
// `old-chat` is an alias of it; `plain` takes neither and has a context of 4,096 tokens; `keyed`
// sends WorldOptions::provider_key to the provider; `dead` belongs to a provider that refuses
// connections; `hasty` to one whose answers may take 1.5 s in all; `capped` writes at most 128
// tokens.
//
// Thread-safety: what is const may be used from any thread.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/programs.h"

namespace pingti::integration {

// Timeouts of a provider for the configuration, scaled: `total` for connecting and for all of an
// answer, `each` for the other three.
std::string Timeouts(Millis each, Millis total);

// Parts of the configuration, in YAML's flow style.
struct WorldOptions {
  std::string server = "{}";
  std::string limits = "{}";
  // Of every provider but that of `hasty`.
  std::string timeouts = Timeouts(Millis(20'000), Millis(60'000));
  std::string features = "{}";
  std::string provider_key = "provider-key-of-the-test";
  std::vector<std::string> provider_arguments;
  // What is spoken to the simulated provider: `1.1` or `2`.
  std::string http_version = "1.1";
  int attempts_max = 1;
};

// A port on which nothing listens, and nothing can while this exists.
class DeadPort {
 public:
  DeadPort();
  ~DeadPort();
  DeadPort(const DeadPort&) = delete;
  DeadPort& operator=(const DeadPort&) = delete;
  int port() const { return port_; }

 private:
  int fd_;
  int port_ = 0;
};

class World {
 public:
  explicit World(const WorldOptions& options = {});

  Provider& provider() { return provider_; }
  Server& server() { return *server_; }
  const std::string& key(const std::string& tenant) const { return keys_.at(tenant).key; }
  client::Client Client(const std::string& tenant = "acme", Millis deadline = WaitMax()) const {
    return server_->Client(key(tenant), deadline);
  }
  // The YAML that the server got.
  const std::string& config() const { return config_; }

  // What is left of a tenant's tokens (or requests) per minute for `chat`.
  int64_t TokensLeft(const std::string& tenant) const;
  int64_t RequestsLeft(const std::string& tenant) const;

  // Ends the server and expects that all went well in it.
  void Stop();

 private:
  int64_t Left(const std::string& tenant, v1::QuotaDimension dimension) const;

  Provider provider_;
  DeadPort dead_;
  std::map<std::string, ApiKey> keys_;
  std::string config_;
  std::unique_ptr<Server> server_;
};

// A request with one user message.
v1::CompletionSpec Ask(const std::string& prompt, const std::string& model = "chat");

// All that a stream said.
struct Streamed {
  int started = 0;
  int deltas = 0;
  int after_finished = 0;            // events that came after the last one
  std::map<int, std::string> texts;  // by choice
  std::map<int, std::string> reasonings;
  std::map<int, std::vector<v1::ToolCall>> tool_calls;
  std::vector<v1::Citation> citations;
  std::vector<v1::TokenLogprob> logprobs;
  v1::StreamStarted start;
  std::optional<v1::StreamFinished> finished;
  client::Error error;  // of Finish()

  const std::string& text() { return texts[0]; }
};
Streamed ReadAll(client::CompletionStream stream);

// A suite that shares one World. `Suite` has a static MakeOptions().
template <typename Suite>
class WorldTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { world_ = std::make_unique<World>(Suite::MakeOptions()); }
  static void TearDownTestSuite() {
    world_->Stop();
    world_.reset();
  }
  void SetUp() override {
    provider().SetDefaults("{}");
    provider().Reset();
  }

  static World& world() { return *world_; }
  static Provider& provider() { return world_->provider(); }
  static Server& server() { return world_->server(); }

 private:
  static inline std::unique_ptr<World> world_;
};

}  // namespace pingti::integration
