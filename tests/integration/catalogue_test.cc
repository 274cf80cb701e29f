// The configuration that is shipped, with nothing but the simulated provider: every name of the
// catalogue is listed and answered.
#include <gmock/gmock.h>
#include <signal.h>
#include <yaml-cpp/yaml.h>

#include <set>

#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

std::string Shipped(const char* name) { return std::string(PINGTI_SOURCE) + "/config/" + name; }

std::set<std::string> CatalogueNames() {
  const YAML::Node catalogue = YAML::LoadFile(Shipped("catalogue.yaml"));
  std::set<std::string> names;
  for (const char* list : {"models", "aliases"}) {
    for (const YAML::Node& entry : catalogue[list]) names.insert(entry["name"].as<std::string>());
  }
  return names;
}

// pingti-server on the shipped files themselves, as `./dev run` starts it without a provider's key.
class ShippedServer {
 public:
  ShippedServer(const Provider& provider, const ApiKey& key)
      : process_({ServerBinary(), "--config", Shipped("pingti.yaml"), "--grpc", "127.0.0.1:0",
                  "--metrics", "127.0.0.1:0"},
                 Environment(provider, key)) {
    const std::string mark = "grpc listening on ";
    const auto line = process_.WaitForOutput(
        [&](std::string_view text) { return text.starts_with(mark); }, WaitMax());
    EXPECT_TRUE(line) << process_.Errors();
    target_ = line.value_or(mark).substr(mark.size());
  }
  const std::string& target() const { return target_; }
  Process& process() { return process_; }

 private:
  static Process::Environment Environment(const Provider& provider, const ApiKey& key) {
    Process::Environment environment = {{"PINGTI_SIMULATED_PROVIDER_URL", provider.base_url()},
                                        {"PINGTI_DEVELOPMENT_KEY_RECORD", key.record}};
    for (const char* other :
         {"OPENAI_API_KEY", "YI_API_KEY", "DEEPSEEK_API_KEY", "DASHSCOPE_API_KEY",
          "MOONSHOT_API_KEY", "ZHIPU_API_KEY", "PINGTI_LOCAL_MODEL_URL", "PINGTI_REDIS"}) {
      environment[other] = "";
    }
    return environment;
  }

  Process process_;
  std::string target_;
};

std::set<std::string> Listed(const client::Client& client) {
  std::set<std::string> listed;
  const auto models = client.ListModels();
  EXPECT_TRUE(models.ok());
  if (!models.ok()) return listed;
  for (const v1::Model& model : *models) {
    EXPECT_TRUE(listed.insert(model.name()).second) << model.name() << " is there twice";
  }
  return listed;
}

void ExpectAnswered(const client::Client& client, const std::string& name) {
  const auto answer = client.Generate(Ask("Hello", name));
  ASSERT_TRUE(answer.ok()) << name << ": " << answer.error().message;
  ASSERT_EQ(answer->choices_size(), 1) << name;
  EXPECT_FALSE(answer->choices(0).text().empty()) << name;
  EXPECT_EQ(answer->model(), name);
  EXPECT_EQ(answer->served_by().provider(), "simulated") << name;
}

TEST(CatalogueTest, EveryNameIsListedAndAnswered) {
  const std::set<std::string> expected = CatalogueNames();
  ASSERT_GT(expected.size(), 20u);
  const Provider provider;
  const ApiKey key = MakeApiKey();
  ShippedServer server(provider, key);
  {
    const auto client = client::Client::Create(
        {.target = server.target(), .api_key = key.key, .default_deadline = WaitMax()});
    ASSERT_TRUE(client.ok());
    EXPECT_EQ(Listed(*client), expected);
    for (const std::string& name : expected) ExpectAnswered(*client, name);
  }
  EXPECT_EQ(provider.Stat("requests"), static_cast<int64_t>(expected.size()));
  server.process().Signal(SIGTERM);
  EXPECT_EQ(server.process().Wait(WaitMax() * 2), 0) << server.process().Errors();
}

}  // namespace
}  // namespace pingti::integration
