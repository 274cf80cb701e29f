#include "server/exchange/runtime.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pingti::exchange {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

config::Config TwoProviders() {
  config::Config config;
  for (const char* name : {"yi", "off", "keyless"}) {
    config::Provider& provider = config.providers.emplace_back();
    provider.name = name;
    provider.dialect = "openai";
    provider.base_url = "http://yi.test/v1";
  }
  config.providers[0].api_key = config::Secret("sk-yi");
  config.providers[2].no_key = true;
  return config;
}

TEST(RuntimeTest, HasHeadersForEachProviderThatIsOn) {
  const auto config = std::make_shared<const config::Config>(TwoProviders());
  const auto made = Runtime::Make(config, nullptr, base::Instant());
  ASSERT_TRUE(made.ok());
  EXPECT_NE((*made)->keys(config->providers[0]).at(0).headers, nullptr);
  EXPECT_NE((*made)->keys(config->providers[2]).at(0).headers, nullptr);
  EXPECT_NE((*made)->keys(config->providers[0]).at(0).headers,
            (*made)->keys(config->providers[2]).at(0).headers);
}

TEST(RuntimeTest, RefusesAKeyThatWouldStartAnotherHeader) {
  for (const std::string& key : {std::string("sk-1\r\nX-Evil: 1"), std::string("sk-1\n")}) {
    config::Config config = TwoProviders();
    config.providers[0].api_key = config::Secret(key);
    const auto made =
        Runtime::Make(std::make_shared<const config::Config>(config), nullptr, base::Instant());
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
    const std::string message(made.status().message());
    EXPECT_THAT(message, HasSubstr("provider yi"));
    EXPECT_THAT(message, HasSubstr("Authorization"));
    EXPECT_THAT(message, Not(HasSubstr("sk-1")));
  }
}

TEST(RuntimeTest, KeepsItsConfigurationAlive) {
  auto config = std::make_shared<const config::Config>(TwoProviders());
  const std::weak_ptr<const config::Config> watch = config;
  auto made = Runtime::Make(std::move(config), nullptr, base::Instant());
  ASSERT_TRUE(made.ok());
  EXPECT_FALSE(watch.expired());
  made->reset();
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace pingti::exchange
