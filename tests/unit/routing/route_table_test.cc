#include "server/routing/route_table.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pingti::routing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Two providers, two models, and gpt-4o served by yi-large.
config::Config PlatformConfig() {
  config::Config config;
  for (const char* name : {"openai", "yi"}) {
    config::Provider& provider = config.providers.emplace_back();
    provider.name = name;
    provider.dialect = "openai";
    provider.base_url = "https://" + std::string(name) + ".example/v1";
    provider.api_key = config::Secret("key");
  }
  config::Model& gpt = config.models.emplace_back();
  gpt.name = "gpt-4o";
  gpt.provider = "openai";
  gpt.upstream_model = "gpt-4o-2024-08-06";
  gpt.model_class = "gpt-4o";
  config::Model& yi = config.models.emplace_back();
  yi.name = "yi-large";
  yi.provider = "yi";
  yi.upstream_model = "yi-large";
  yi.model_class = "yi";
  config.aliases.push_back({"gpt-4o", "yi-large"});
  return config;
}

void TurnOff(config::Config& config, const std::string& name) {
  for (config::Provider& provider : config.providers) {
    if (provider.name == name) provider.api_key = config::Secret();
  }
}

config::Config WithSimulated(config::Config config, const std::string& upstream_model) {
  config::Provider& any = config.providers.emplace_back();
  any.name = "simulated";
  any.dialect = "openai";
  any.base_url = "http://127.0.0.1:1";
  any.no_key = true;
  any.serves_any_model = true;
  any.upstream_model = upstream_model;
  return config;
}

// The same, with gpt-4o served by a list: yi-large, then gpt-4o itself.
config::Config ListConfig() {
  config::Config config = PlatformConfig();
  config.aliases = {{.name = "gpt-4o", .targets = {{"yi-large", 0}, {"gpt-4o", 1}}}};
  return config;
}

std::vector<std::string> Names(const RouteTable& table) {
  std::vector<std::string> names;
  for (const Route& route : table.routes()) names.push_back(route.name);
  return names;
}

std::vector<std::string> TargetNames(const Route* route) {
  std::vector<std::string> names;
  if (route == nullptr) return names;
  for (const Target& target : route->targets) names.push_back(target.model->name);
  return names;
}

TEST(RouteTableTest, AnAliasIsServedByItsSubstitute) {
  const config::Config config = PlatformConfig();
  const RouteTable table(config);
  const Route* route = table.Find("gpt-4o");
  ASSERT_NE(route, nullptr);
  EXPECT_EQ(route->name, "gpt-4o");
  EXPECT_EQ(route->first().model->name, "yi-large");
  EXPECT_EQ(route->first().provider->name, "yi");
  EXPECT_EQ(route->first().upstream_model, "yi-large");
  EXPECT_EQ(route->model_class, "gpt-4o");  // quotas go by what was asked for
}

TEST(RouteTableTest, AnAliasOfANewNameCountsAsItsSubstitute) {
  config::Config config = PlatformConfig();
  config.aliases.push_back({"gpt-3.5-turbo-1106", "yi-large"});
  const RouteTable table(config);
  const Route* route = table.Find("gpt-3.5-turbo-1106");
  ASSERT_NE(route, nullptr);
  EXPECT_EQ(route->model_class, "yi");
  EXPECT_EQ(route->first().model->name, "yi-large");
}

TEST(RouteTableTest, TheOriginalServesWhereTheSubstitutesProviderIsOff) {
  config::Config config = PlatformConfig();
  TurnOff(config, "yi");
  const RouteTable table(config);
  const Route* route = table.Find("gpt-4o");
  ASSERT_NE(route, nullptr);
  EXPECT_EQ(route->first().model->name, "gpt-4o");
  EXPECT_EQ(route->first().provider->name, "openai");
  EXPECT_EQ(route->first().upstream_model, "gpt-4o-2024-08-06");
  EXPECT_EQ(table.Find("yi-large"), nullptr);
}

TEST(RouteTableTest, AModelIsServedByItsOwnProvider) {
  config::Config config = PlatformConfig();
  config.aliases.clear();
  const RouteTable table(config);
  EXPECT_EQ(table.Find("gpt-4o")->first().provider->name, "openai");
  EXPECT_EQ(table.Find("yi-large")->first().provider->name, "yi");
}

TEST(RouteTableTest, AProviderOfAnyModelServesWhatIsOff) {
  config::Config config = PlatformConfig();
  TurnOff(config, "yi");
  TurnOff(config, "openai");
  config = WithSimulated(std::move(config), "");
  const RouteTable table(config);
  EXPECT_THAT(Names(table), ElementsAre("gpt-4o", "yi-large"));
  EXPECT_EQ(table.Find("gpt-4o")->first().provider->name, "simulated");
  EXPECT_EQ(table.Find("gpt-4o")->first().upstream_model, "yi-large");
  EXPECT_EQ(table.Find("yi-large")->first().upstream_model, "yi-large");
}

TEST(RouteTableTest, AProviderOfAnyModelDoesNotTakeWhatIsOn) {
  const config::Config config = WithSimulated(PlatformConfig(), "smol");
  const RouteTable table(config);
  EXPECT_EQ(table.Find("gpt-4o")->first().provider->name, "yi");
  EXPECT_EQ(table.Find("gpt-4o")->first().upstream_model, "yi-large");
}

TEST(RouteTableTest, AProviderOfAnyModelMayNameTheModelItself) {
  config::Config config = PlatformConfig();
  TurnOff(config, "yi");
  TurnOff(config, "openai");
  config = WithSimulated(std::move(config), "smollm2");
  const RouteTable table(config);
  EXPECT_EQ(table.Find("gpt-4o")->first().upstream_model, "smollm2");
}

TEST(RouteTableTest, TheNameOfAnyModelIsNotForModelsOfTheProviderItself) {
  config::Config config = WithSimulated(PlatformConfig(), "smollm2");
  config::Model& own = config.models.emplace_back();
  own.name = "own";
  own.provider = "simulated";
  own.upstream_model = "own-upstream";
  own.model_class = "own";
  const RouteTable table(config);
  EXPECT_EQ(table.Find("own")->first().upstream_model, "own-upstream");
}

TEST(RouteTableTest, RoutesAreOrderedAndNumbered) {
  config::Config config = PlatformConfig();
  config.aliases.push_back({"a-first", "yi-large"});
  const RouteTable table(config);
  EXPECT_THAT(Names(table), ElementsAre("a-first", "gpt-4o", "yi-large"));
  for (size_t i = 0; i < table.routes().size(); ++i) {
    EXPECT_EQ(table.routes()[i].index, i);
    EXPECT_EQ(table.Find(table.routes()[i].name), &table.routes()[i]);
  }
}

TEST(RouteTableTest, AnUnknownModelGetsNearNames) {
  const config::Config config = PlatformConfig();
  const RouteTable table(config);
  EXPECT_EQ(table.Find("gpt-4"), nullptr);
  const model::CallError error = table.Unknown("gpt-4");
  EXPECT_EQ(error.reason, model::ErrorReason::kModelUnknown);
  EXPECT_EQ(error.metadata.at("model"), "gpt-4");
  EXPECT_EQ(error.metadata.at("near"), "gpt-4o");
  EXPECT_EQ(error.message, "there is no model gpt-4; did you mean gpt-4o?");
}

TEST(RouteTableTest, AModelThatIsNearNothingGetsNone) {
  const config::Config config = PlatformConfig();
  const RouteTable table(config);
  const model::CallError error = table.Unknown("completely-different-thing");
  EXPECT_EQ(error.metadata.count("near"), 0u);
  EXPECT_THAT(error.message, HasSubstr("ListModels"));
}

TEST(RouteTableTest, AModelWhoseProviderIsOffSaysSo) {
  config::Config config = PlatformConfig();
  TurnOff(config, "yi");
  TurnOff(config, "openai");
  const RouteTable table(config);
  EXPECT_THAT(table.routes(), IsEmpty());
  const model::CallError error = table.Unknown("yi-large");
  EXPECT_EQ(error.reason, model::ErrorReason::kModelUnknown);
  EXPECT_THAT(error.message, HasSubstr("its provider yi is not configured"));
  EXPECT_THAT(error.message, Not(HasSubstr("did you mean")));
}

TEST(RouteTableTest, AnAliasWithOneModelHasOneTarget) {
  const config::Config config = PlatformConfig();
  const RouteTable table(config);
  const Route* route = table.Find("gpt-4o");
  EXPECT_THAT(TargetNames(route), ElementsAre("yi-large"));
  EXPECT_EQ(route->first().priority, 0);
  EXPECT_EQ(route->first().weight, 100);
}

TEST(RouteTableTest, AnAliasMayHaveSeveralTargets) {
  const config::Config config = ListConfig();
  const RouteTable table(config);
  const Route* route = table.Find("gpt-4o");
  ASSERT_THAT(TargetNames(route), ElementsAre("yi-large", "gpt-4o"));
  EXPECT_EQ(route->targets[0].provider->name, "yi");
  EXPECT_EQ(route->targets[0].upstream_model, "yi-large");
  EXPECT_EQ(route->targets[1].provider->name, "openai");
  EXPECT_EQ(route->targets[1].upstream_model, "gpt-4o-2024-08-06");
  EXPECT_EQ(route->model_class, "gpt-4o");
}

TEST(RouteTableTest, TargetsAreInTheOrderOfTheirPriority) {
  config::Config config = ListConfig();
  config::Model vision = config.models[1];
  for (const char* name : {"yi-vision", "yi-long"}) {
    vision.name = vision.upstream_model = name;
    config.models.push_back(vision);
  }
  config.aliases[0].targets = {{"gpt-4o", 7}, {"yi-vision", 2}, {"yi-large", 0}, {"yi-long", 2}};
  const RouteTable table(config);
  const Route* route = table.Find("gpt-4o");
  // Those with the same one are in the order of the list.
  ASSERT_THAT(TargetNames(route), ElementsAre("yi-large", "yi-vision", "yi-long", "gpt-4o"));
  EXPECT_EQ(route->targets[1].priority, 2);
  EXPECT_EQ(route->targets[3].priority, 7);
}

TEST(RouteTableTest, TargetsHaveTheirWeights) {
  config::Config config = ListConfig();
  config.aliases[0].targets = {{"yi-large", 0, 900}, {"gpt-4o", 0, 5}};
  const RouteTable table(config);
  const Route* route = table.Find("gpt-4o");
  ASSERT_THAT(TargetNames(route), ElementsAre("yi-large", "gpt-4o"));
  EXPECT_EQ(route->targets[0].weight, 900);
  EXPECT_EQ(route->targets[1].weight, 5);
}

TEST(RouteTableTest, TargetsWhoseProviderIsOffAreLeftOut) {
  config::Config config = ListConfig();
  TurnOff(config, "yi");
  const RouteTable table(config);
  EXPECT_THAT(TargetNames(table.Find("gpt-4o")), ElementsAre("gpt-4o"));
}

TEST(RouteTableTest, AListWhoseProvidersAreAllOffIsNotServed) {
  config::Config config = ListConfig();
  TurnOff(config, "yi");
  TurnOff(config, "openai");
  const RouteTable table(config);
  EXPECT_EQ(table.Find("gpt-4o"), nullptr);
  const model::CallError error = table.Unknown("gpt-4o");
  EXPECT_EQ(error.reason, model::ErrorReason::kModelUnknown);
  EXPECT_THAT(error.message, HasSubstr("its provider yi is not configured"));
}

// Unlike with `to`: who writes a list writes all of it.
TEST(RouteTableTest, AModelThatItsOwnListLeavesOutDoesNotServe) {
  config::Config config = ListConfig();
  config.aliases[0].targets = {{"yi-large"}};
  TurnOff(config, "yi");
  const RouteTable table(config);
  EXPECT_EQ(table.Find("gpt-4o"), nullptr);
  EXPECT_THAT(table.Unknown("gpt-4o").message, HasSubstr("its provider yi is not configured"));
}

TEST(RouteTableTest, AProviderOfAnyModelServesAllTargetsOfAList) {
  config::Config config = ListConfig();
  TurnOff(config, "yi");
  TurnOff(config, "openai");
  config = WithSimulated(std::move(config), "");
  const RouteTable table(config);
  const Route* route = table.Find("gpt-4o");
  ASSERT_THAT(TargetNames(route), ElementsAre("yi-large", "gpt-4o"));
  EXPECT_EQ(route->targets[0].provider->name, "simulated");
  EXPECT_EQ(route->targets[1].provider->name, "simulated");
  EXPECT_EQ(route->targets[1].upstream_model, "gpt-4o-2024-08-06");
}

TEST(RouteTableTest, AProviderIsOnWithAnyOfItsKeys) {
  config::Config config = PlatformConfig();
  TurnOff(config, "yi");
  config.providers[1].keys = {{"lost", config::Secret()}, {"main", config::Secret("key")}};
  const RouteTable table(config);
  EXPECT_THAT(TargetNames(table.Find("gpt-4o")), ElementsAre("yi-large"));
}

TEST(RouteTableTest, TimeoutsOfTheAliasAreOverThoseOfTheModelOverThoseOfTheProvider) {
  config::Config config = ListConfig();
  for (config::Provider& provider : config.providers) {
    provider.timeouts = {absl::Seconds(1), absl::Seconds(1), absl::Seconds(1), absl::Seconds(1),
                         absl::Seconds(1)};
  }
  config.models[1].timeouts.first_token = absl::Seconds(2);
  config.models[1].timeouts.total = absl::Seconds(2);
  config.aliases[0].timeouts.total = absl::Seconds(3);
  config.aliases[0].timeouts.silence = absl::Seconds(3);
  const RouteTable table(config);
  const Route* route = table.Find("gpt-4o");
  ASSERT_THAT(TargetNames(route), ElementsAre("yi-large", "gpt-4o"));
  const config::Timeouts& first = route->targets[0].timeouts;
  EXPECT_EQ(first.connect, absl::Seconds(1));
  EXPECT_EQ(first.first_token, absl::Seconds(2));
  EXPECT_EQ(first.silence, absl::Seconds(3));
  EXPECT_EQ(first.content_gap, absl::Seconds(1));
  EXPECT_EQ(first.total, absl::Seconds(3));
  const config::Timeouts& second = route->targets[1].timeouts;
  EXPECT_EQ(second.first_token, absl::Seconds(1));
  EXPECT_EQ(second.total, absl::Seconds(3));
}

TEST(RouteTableTest, TimeoutsOfAModelAreItsOwnWhereItIsNamed) {
  config::Config config = ListConfig();
  config.models[1].timeouts.content_gap = absl::Seconds(2);
  config.aliases[0].timeouts.content_gap = absl::Seconds(3);
  const RouteTable table(config);
  EXPECT_EQ(table.Find("yi-large")->first().timeouts.content_gap, absl::Seconds(2));
}

TEST(RouteTableTest, TimeoutsOfAnAliasAlsoHoldWhereTheOriginalServes) {
  config::Config config = PlatformConfig();
  config.aliases[0].timeouts.total = absl::Seconds(3);
  TurnOff(config, "yi");
  const RouteTable table(config);
  ASSERT_THAT(TargetNames(table.Find("gpt-4o")), ElementsAre("gpt-4o"));
  EXPECT_EQ(table.Find("gpt-4o")->first().timeouts.total, absl::Seconds(3));
}

TEST(RouteTableTest, WhatHappensWithoutAPriceIsTheAliassThenTheModelsThenForAll) {
  using config::Unpriced;
  config::Config config = PlatformConfig();
  const auto of = [&](const std::string& name) {
    return RouteTable(config).Find(name)->first().unpriced;
  };
  EXPECT_EQ(of("gpt-4o"), Unpriced::kFree);
  config.billing.unpriced = Unpriced::kRefuse;
  EXPECT_EQ(of("gpt-4o"), Unpriced::kRefuse);
  config.models[1].unpriced = Unpriced::kFree;
  EXPECT_EQ(of("gpt-4o"), Unpriced::kFree);
  config.aliases[0].unpriced = Unpriced::kRefuse;
  EXPECT_EQ(of("gpt-4o"), Unpriced::kRefuse);
  EXPECT_EQ(of("yi-large"), Unpriced::kFree);  // named itself
}

TEST(RouteTableTest, AnOriginalThatIsOffTooNamesItsOwnProvider) {
  config::Config config = PlatformConfig();
  TurnOff(config, "yi");
  TurnOff(config, "openai");
  const RouteTable table(config);
  EXPECT_THAT(table.Unknown("gpt-4o").message, HasSubstr("its provider openai is not configured"));
}

TEST(RouteTableTest, NearNamesAreOnlyOfModelsThatAreServed) {
  config::Config config = PlatformConfig();
  TurnOff(config, "yi");
  const RouteTable table(config);
  EXPECT_EQ(table.Unknown("yi-larg").metadata.count("near"), 0u);
}

}  // namespace
}  // namespace pingti::routing
