// Where calls can be served: keys of providers, targets of aliases, timeouts and `routing:`; what
// good files become, and what bad ones are told.
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/load.h"
#include "tests/unit/config/load_text.h"
#include "tests/unit/config/named.h"

namespace pingti::config {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kModels[] =
    "models:\n- {name: small, provider: p, context_tokens: 1000}\n"
    "- {name: large, provider: p, context_tokens: 9000}\n";
// A provider that is on, before the one that a test is about.
constexpr char kOther[] =
    "providers:\n- {name: p, dialect: openai, base_url: 'http://h', no_key: true}\n";
constexpr char kKeyed[] = "- name: q\n  dialect: openai\n  base_url: 'http://h'\n";

// The alias `a` whose fields are in `fields`, over small and large.
Alias GoodAlias(const std::string& fields) {
  const Config config = Good("aliases:\n- " + fields + "\n" + kModels + kProvider).config;
  return config.aliases.empty() ? Alias{} : config.aliases[0];
}

std::vector<std::string> AliasErrors(const std::string& fields) {
  return Errors("aliases:\n- " + fields + "\n" + kModels + kProvider);
}

std::vector<std::string> KeyErrors(const std::string& fields) {
  return Errors(kOther + std::string(kKeyed) + fields);
}

TEST(HttpVersionTest, IsOneOfTwo) {
  EXPECT_THAT(KeyErrors("  no_key: true\n  http_version: 3\n"),
              Contains("c/t.yaml:7:3: providers[1].http_version: \"3\" is not known here; "
                       "allowed: 1.1 or 2"));
  EXPECT_THAT(KeyErrors("  no_key: true\n  http_version: 1.1\n"), IsEmpty());
}

std::vector<std::string> TargetNames(const Alias& alias) {
  std::vector<std::string> names;
  for (const AliasTarget& target : alias.Targets()) names.push_back(target.model);
  return names;
}

TEST(AliasTargetsTest, ATargetHasPriorityAndWeight) {
  const Alias alias =
      GoodAlias("{name: a, targets: [{model: large, priority: 100, weight: 1000}]}");
  ASSERT_EQ(alias.targets.size(), 1u);
  EXPECT_EQ(alias.targets[0].model, "large");
  EXPECT_EQ(alias.targets[0].priority, 100);
  EXPECT_EQ(alias.targets[0].weight, 1000);
  EXPECT_EQ(alias.to, "");
}

TEST(AliasTargetsTest, PriorityAndWeightHaveDefaults) {
  const Alias alias = GoodAlias("{name: a, targets: [{model: large}]}");
  ASSERT_EQ(alias.targets.size(), 1u);
  EXPECT_EQ(alias.targets[0].priority, 0);
  EXPECT_EQ(alias.targets[0].weight, 100);
}

TEST(AliasTargetsTest, HedgingIsOffUnlessItIsSaid) {
  EXPECT_FALSE(GoodAlias("{name: a, targets: [{model: large}, {model: small}]}").hedge);
  EXPECT_TRUE(GoodAlias("{name: a, hedge: true, targets: [{model: large}, {model: small}]}").hedge);
}

TEST(AliasTargetsTest, KeepTheOrderOfTheFile) {
  EXPECT_THAT(
      TargetNames(GoodAlias("{name: a, targets: [{model: large, priority: 5}, {model: small}]}")),
      ElementsAre("large", "small"));
}

TEST(AliasTargetsTest, ToIsAListOfOne) {
  EXPECT_THAT(TargetNames(GoodAlias("{name: a, to: small}")), ElementsAre("small"));
}

TEST(AliasTargetsTest, AModelOfTheAliasesOwnNameMayBeATarget) {
  EXPECT_THAT(TargetNames(GoodAlias("{name: large, targets: [{model: small}, {model: large}]}")),
              ElementsAre("small", "large"));
}

TEST(AliasTargetsTest, TargetsMayComeFromTheEnvironment) {
  const Config config = Good(std::string("aliases:\n- {name: a, targets: [{model: '${M}', "
                                         "priority: '${P}', weight: '${W}'}]}\n") +
                                 kModels + kProvider,
                             {{"M", "small"}, {"P", "3"}, {"W", "4"}})
                            .config;
  ASSERT_THAT(TargetNames(Named(config.aliases, "a")), ElementsAre("small"));
  EXPECT_EQ(config.aliases[0].targets[0].priority, 3);
  EXPECT_EQ(config.aliases[0].targets[0].weight, 4);
}

// Of an alias with so many.
std::vector<std::string> ErrorsOfTargets(int count) {
  std::string models = "models:\n";
  std::string targets;
  for (int i = 0; i < count; ++i) {
    const std::string name = "m" + std::to_string(i);
    models += "- {name: " + name + ", provider: p, context_tokens: 1}\n";
    targets += "  - model: " + name + "\n";
  }
  return Errors("aliases:\n- name: a\n  targets:\n" + targets + models + kProvider);
}

TEST(AliasTargetsTest, SixteenAreAllowed) {
  EXPECT_THAT(ErrorsOfTargets(16), IsEmpty());
  EXPECT_THAT(ErrorsOfTargets(17),
              ElementsAre("c/t.yaml:3:3: aliases[0].targets: has 17 targets; at most 16 are "
                          "allowed"));
}

TEST(AliasTargetsTest, AnUnknownModelGetsASuggestion) {
  EXPECT_THAT(
      AliasErrors("{name: a, targets: [{model: small}, {model: larg}]}"),
      ElementsAre("c/t.yaml:2:40: aliases[0].targets[1].model: \"larg\" is not the name of a "
                  "model; did you mean large?"));
}

TEST(AliasTargetsTest, AnAliasIsNoTarget) {
  EXPECT_THAT(
      AliasErrors("{name: first, to: small}\n- {name: other, targets: [{model: first}]}"),
      ElementsAre(HasSubstr("aliases[1].targets[0].model: \"first\" is not the name of a model")));
}

TEST(AliasTargetsTest, AModelMayBeThereOnce) {
  EXPECT_THAT(AliasErrors("{name: a, targets: [{model: small}, {model: small, priority: 1}]}"),
              ElementsAre("c/t.yaml:2:40: aliases[0].targets[1].model: is a target of this alias "
                          "already"));
}

TEST(AliasTargetsTest, BesideToIsAnError) {
  EXPECT_THAT(AliasErrors("{name: a, to: small, targets: [{model: large}]}"),
              ElementsAre("c/t.yaml:2:24: aliases[0].targets: is given beside `to`; give one of "
                          "them"));
}

TEST(AliasTargetsTest, AnEmptyListIsAnError) {
  const char kError[] =
      "c/t.yaml:2:13: aliases[0].targets: is empty; give at least one target, or `to`";
  EXPECT_THAT(AliasErrors("{name: a, targets: []}"), ElementsAre(kError));
  EXPECT_THAT(AliasErrors("{name: a, targets: }"), ElementsAre(kError));
}

TEST(AliasTargetsTest, HedgingNeedsTwo) {
  EXPECT_THAT(
      AliasErrors("{name: a, to: small, hedge: true}"),
      ElementsAre("c/t.yaml:2:24: aliases[0].hedge: needs two targets or more; give them as "
                  "`targets`, or leave it out"));
}

TEST(AliasTargetsTest, AMapIsAnError) {
  EXPECT_THAT(AliasErrors("{name: a, targets: {model: small}}"),
              ElementsAre("c/t.yaml:2:13: aliases[0].targets: is a map; write a list (`- item` "
                          "lines)"));
}

TEST(AliasTargetsTest, WithoutBothToIsMissing) {
  EXPECT_THAT(AliasErrors("{name: a}"), ElementsAre("c/t.yaml:2:3: aliases[0].to: is missing"));
}

TEST(AliasTargetsTest, EachMistakeOfATargetIsTold) {
  EXPECT_THAT(
      AliasErrors("name: a\n  targets:\n  - {priority: -1}\n  - {model: small, priority: 101}\n"
                  "  - {model: large, weight: 0}\n  - {model: large, wait: 1}"),
      ElementsAre(
          "c/t.yaml:4:5: aliases[0].targets[0].model: is missing",
          "c/t.yaml:4:6: aliases[0].targets[0].priority: \"-1\" is not a whole number from 0 "
          "to 100",
          "c/t.yaml:5:20: aliases[0].targets[1].priority: \"101\" is not a whole number from "
          "0 to 100",
          "c/t.yaml:6:20: aliases[0].targets[2].weight: \"0\" is not a whole number from 1 "
          "to 1000",
          "c/t.yaml:7:20: aliases[0].targets[3].wait: is not known here; allowed: model, "
          "priority and weight",
          "c/t.yaml:7:6: aliases[0].targets[3].model: is a target of this alias already"));
}

TEST(AliasTargetsTest, TargetsWithoutANameAreNotTheSame) {
  EXPECT_THAT(
      AliasErrors("{name: a, targets: [{model: ''}, {model: ''}]}"),
      ElementsAre(HasSubstr("targets[0].model: \"\" "), HasSubstr("targets[1].model: \"\" ")));
}

TEST(ProviderKeysTest, AKeyHasNameWeightAndTier) {
  const Config config = Good(std::string(kOther) + kKeyed +
                             "  keys:\n  - {name: main, api_key: one, weight: 1000, tier: T}\n"
                             "  - {name: spare-2, api_key: two}\ntiers: [{name: T}]\n")
                            .config;
  const Provider& provider = Named(config.providers, "q");
  EXPECT_TRUE(provider.on());
  EXPECT_TRUE(provider.api_key.empty());
  ASSERT_EQ(provider.keys.size(), 2u);
  EXPECT_EQ(provider.keys[0].name, "main");
  EXPECT_EQ(provider.keys[0].api_key.Reveal(), "one");
  EXPECT_EQ(provider.keys[0].weight, 1000);
  EXPECT_EQ(provider.keys[0].tier, "T");
  EXPECT_EQ(provider.keys[1].name, "spare-2");
  EXPECT_EQ(provider.keys[1].api_key.Reveal(), "two");
  EXPECT_EQ(provider.keys[1].weight, 1);
  EXPECT_EQ(provider.keys[1].tier, "");
}

TEST(ProviderKeysTest, KeysMayBeInFiles) {
  const FileReader files = [](const std::string& path, size_t) -> absl::StatusOr<std::string> {
    EXPECT_EQ(path, "c/key");
    return std::string("secret\n");
  };
  const Config config =
      Good(std::string(kOther) + kKeyed + "  keys: [{name: a, api_key_file: key}]\n", {}, files)
          .config;
  EXPECT_EQ(Named(config.providers, "q").keys.at(0).api_key.Reveal(), "secret");
}

TEST(CaFileTest, HasCertificates) {
  std::string content = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
  const FileReader files = [&](const std::string&, size_t) -> absl::StatusOr<std::string> {
    return content;
  };
  const std::string text = std::string(kOther) + kKeyed + "  no_key: true\n  ca_file: ca.pem\n";
  const Config config = Good(text, {}, files).config;
  EXPECT_THAT(*Named(config.providers, "q").ca_pem, HasSubstr("MA=="));
  EXPECT_EQ(Named(config.providers, "p").ca_pem, nullptr);
  content = "-----BEGIN PRIVATE KEY-----\n";
  EXPECT_EQ(LoadFromString(text, "t.yaml", {}, files).status().message(),
            "t.yaml:7:3: providers[1].ca_file: the content of \"ca.pem\" has no certificate; write "
            "them in PEM");
}

TEST(ProviderKeysTest, AnEmptyKeyIsOff) {
  const LoadResult result =
      Good(std::string(kOther) + kKeyed +
           "  keys: [{name: a, api_key: '${A:-}'}, {name: b, api_key: k, weight: 2}]\n");
  const Provider& provider = Named(result.config.providers, "q");
  EXPECT_TRUE(provider.on());
  EXPECT_EQ(provider.keys.size(), 2u);
  const std::vector<ProviderKey> usable = provider.UsableKeys();
  ASSERT_EQ(usable.size(), 1u);
  EXPECT_EQ(usable[0].name, "b");
  EXPECT_EQ(usable[0].weight, 2);
  EXPECT_THAT(result.notes, Contains("provider q: on"));
}

TEST(ProviderKeysTest, AProviderWithoutAUsableKeyIsOff) {
  const LoadResult result =
      Good(std::string(kOther) + kKeyed +
           "  keys: [{name: a, api_key: ''}, {name: b, api_key: '${B:-}'}, {name: c, api_key: "
           "'${C:-}'}]\n");
  const Provider& provider = Named(result.config.providers, "q");
  EXPECT_FALSE(provider.on());
  EXPECT_THAT(provider.UsableKeys(), IsEmpty());
  // One of them would be enough, so one is named.
  EXPECT_THAT(result.notes, Contains("provider q: off, each of its keys is empty (set B)"));
}

TEST(ProviderKeysTest, WhatWouldSwitchAProviderOnIsWhatIsMissing) {
  const LoadResult result = Good(
      std::string(kOther) +
      "- {name: q, dialect: openai, base_url: '${URL:-}', keys: [{name: a, api_key: '${A:-}'}, "
      "{name: b, api_key: k}]}\n"
      "- {name: r, dialect: openai, base_url: '${URL:-}', keys: [{name: a, api_key: '${A:-}'}]}\n");
  EXPECT_THAT(result.notes, Contains("provider q: off, base_url is empty (set URL)"));
  EXPECT_THAT(result.notes,
              Contains("provider r: off, base_url and each of its keys are empty (set URL and A)"));
}

TEST(ProviderKeysTest, TheSingleKeyHasNoName) {
  const Config config =
      Good(std::string(kOther) + kKeyed + "  api_key: k\n  tier: T\n" + "tiers: [{name: T}]\n")
          .config;
  const std::vector<ProviderKey> single = Named(config.providers, "q").UsableKeys();
  ASSERT_EQ(single.size(), 1u);
  EXPECT_EQ(single[0].name, "");
  EXPECT_EQ(single[0].api_key.Reveal(), "k");
  EXPECT_EQ(single[0].weight, 1);
  EXPECT_EQ(single[0].tier, "T");
  const std::vector<ProviderKey> none = Named(config.providers, "p").UsableKeys();
  ASSERT_EQ(none.size(), 1u);
  EXPECT_TRUE(none[0].api_key.empty());
}

struct BadKeys {
  std::string name;
  std::string fields;
  std::vector<std::string> errors;
};

void PrintTo(const BadKeys& keys, std::ostream* out) { *out << keys.name; }

class BadKeysTest : public testing::TestWithParam<BadKeys> {};

TEST_P(BadKeysTest, GetTheseErrors) {
  EXPECT_THAT(KeyErrors(GetParam().fields), ElementsAreArray(GetParam().errors));
}

std::vector<BadKeys> AllBadKeys() {
  std::string many = "  keys:\n";
  for (int i = 0; i < 17; ++i) many += "  - {name: k" + std::to_string(i) + ", api_key: k}\n";
  return {
      {"Twice",
       "  keys:\n  - {name: a, api_key: k}\n  - {name: a, api_key: l}\n",
       {"c/t.yaml:8:6: providers[1].keys[1].name: is the name of another key of this provider, "
        "too"}},
      {"BesideApiKey",
       "  api_key: k\n  keys: [{name: a, api_key: k}]\n",
       {"c/t.yaml:6:3: providers[1].api_key: is given beside `keys`; give one of them"}},
      {"BesideApiKeyThatIsEmpty",
       "  api_key: ''\n  keys: [{name: a, api_key: k}]\n",
       {"c/t.yaml:6:3: providers[1].api_key: is given beside `keys`; give one of them"}},
      {"BesideTier",
       "  tier: T\n  keys: [{name: a, api_key: k}]\ntiers: [{name: T}]\n",
       {"c/t.yaml:6:3: providers[1].tier: is given beside `keys`; each key has a tier of its own"}},
      {"WithNoKey",
       "  no_key: true\n  keys: [{name: a, api_key: k}]\n",
       {"c/t.yaml:7:3: providers[1].keys: is given although no_key is true; remove one of them"}},
      {"Empty",
       "  keys: []\n",
       {"c/t.yaml:6:3: providers[1].keys: has 0 keys; 1 to 16 are allowed"}},
      {"Nothing",
       "  keys:\n",
       {"c/t.yaml:6:3: providers[1].keys: has 0 keys; 1 to 16 are allowed"}},
      {"TooMany", many, {"c/t.yaml:6:3: providers[1].keys: has 17 keys; 1 to 16 are allowed"}},
      {"AMap",
       "  keys: {name: a, api_key: k}\n",
       {"c/t.yaml:6:3: providers[1].keys: is a map; write a list (`- item` lines)"}},
      {"Missing",
       "  keys: [{weight: 2}]\n",
       {"c/t.yaml:6:10: providers[1].keys[0].name: is missing",
        "c/t.yaml:6:10: providers[1].keys[0].api_key: is missing; write api_key or api_key_file"}},
      {"Name",
       "  keys: [{name: My Key, api_key: k}]\n",
       {"c/t.yaml:6:11: providers[1].keys[0].name: \"My Key\" is not a name; write 1 to 64 of a-z, "
        "0-9 and -"}},
      {"Weight",
       "  keys: [{name: a, api_key: k, weight: 1001}]\n",
       {"c/t.yaml:6:32: providers[1].keys[0].weight: \"1001\" is not a whole number from 1 to "
        "1000"}},
      {"Tier",
       "  keys: [{name: a, api_key: k, tier: Tire1}]\ntiers: [{name: Tier1}]\n",
       {"c/t.yaml:6:32: providers[1].keys[0].tier: \"Tire1\" is not the name of a tier; did you "
        "mean "
        "Tier1?"}},
      {"KeyWithASpace",
       "  keys: [{name: a, api_key: 'sec ret'}]\n",
       {"c/t.yaml:6:20: providers[1].keys[0].api_key: the value, which is not shown, "
        "has a space, a control character or a character that is not ASCII in it; an API key is "
        "one line of ASCII letters, digits and signs"}},
  };
}

INSTANTIATE_TEST_SUITE_P(All, BadKeysTest, testing::ValuesIn(AllBadKeys()),
                         [](const auto& info) { return info.param.name; });

TEST(ProviderKeysTest, NoErrorShowsAKey) {
  for (const char* fields :
       {"  keys: [{name: a, api_key: \"canary\\nb\"}]\n",
        "  keys: [{name: a, api_key: [canary]}]\n",
        "  keys: [{name: a, api_key: canary}, {name: a, api_key: canary}]\n",
        "  keys: [{name: a, api_key: canary, api_key_file: canary}]\n", "  keys: [canary]\n"}) {
    const std::vector<std::string> errors = KeyErrors(fields);
    EXPECT_THAT(errors, Not(IsEmpty())) << fields;
    EXPECT_THAT(errors, Each(Not(HasSubstr("canary")))) << fields;
  }
}

TEST(PartialTimeoutsTest, AModelSetsThoseThatItNames) {
  const Config config =
      Good(std::string("timeouts: {connect: 1s, total: 20s}\n"
                       "models: [{name: m, provider: p, context_tokens: 1, timeouts: "
                       "{first_token: 2m, total: 1h}}]\n") +
           kProvider)
          .config;
  const PartialTimeouts& timeouts = config.models.at(0).timeouts;
  EXPECT_EQ(timeouts.connect, std::nullopt);
  EXPECT_EQ(timeouts.first_token, absl::Minutes(2));
  EXPECT_EQ(timeouts.silence, std::nullopt);
  EXPECT_EQ(timeouts.content_gap, std::nullopt);
  EXPECT_EQ(timeouts.total, absl::Hours(1));
}

TEST(PartialTimeoutsTest, AnAliasSetsThoseThatItNames) {
  const PartialTimeouts timeouts =
      GoodAlias("{name: a, to: small, timeouts: {connect: 1ms, silence: 2s, content_gap: 3s}}")
          .timeouts;
  EXPECT_EQ(timeouts.connect, absl::Milliseconds(1));
  EXPECT_EQ(timeouts.first_token, std::nullopt);
  EXPECT_EQ(timeouts.silence, absl::Seconds(2));
  EXPECT_EQ(timeouts.content_gap, absl::Seconds(3));
  EXPECT_EQ(timeouts.total, std::nullopt);
}

TEST(PartialTimeoutsTest, NoneAreSetWhereThereIsNothing) {
  const PartialTimeouts timeouts = GoodAlias("{name: a, to: small, timeouts: {}}").timeouts;
  const Timeouts base{absl::Seconds(1), absl::Seconds(2), absl::Seconds(3), absl::Seconds(4),
                      absl::Seconds(5)};
  const Timeouts over = timeouts.Over(base);
  EXPECT_EQ(over.connect, base.connect);
  EXPECT_EQ(over.first_token, base.first_token);
  EXPECT_EQ(over.silence, base.silence);
  EXPECT_EQ(over.content_gap, base.content_gap);
  EXPECT_EQ(over.total, base.total);
}

TEST(PartialTimeoutsTest, MistakesAreToldWithTheirPlace) {
  EXPECT_THAT(AliasErrors("name: a\n  to: small\n  timeouts: {total: 0s}"),
              ElementsAre("c/t.yaml:4:14: aliases[0].timeouts.total: \"0s\" is out of range; from "
                          "1ms to 24h is allowed"));
  EXPECT_THAT(Errors(std::string("models:\n- name: m\n  provider: p\n  context_tokens: 1\n"
                                 "  timeouts: {first: 1s}\n") +
                     kProvider),
              ElementsAre(HasSubstr("c/t.yaml:5:14: models[0].timeouts.first: is not known here")));
}

TEST(RoutingSectionTest, ReadsEveryField) {
  const Routing routing =
      Good(std::string("routing: {attempts_max: 10, refused_key_for: 1s, lost_provider_for: 168h, "
                       "rate_limited_for_max: 24h, breaker_failures: 1000, breaker_open_for: "
                       "100ms, breaker_open_for_max: 2s}\n") +
           kProvider)
          .config.routing;
  EXPECT_EQ(routing.attempts_max, 10);
  EXPECT_EQ(routing.refused_key_for, absl::Seconds(1));
  EXPECT_EQ(routing.lost_provider_for, absl::Hours(168));
  EXPECT_EQ(routing.rate_limited_for_max, absl::Hours(24));
  EXPECT_EQ(routing.breaker_failures, 1000);
  EXPECT_EQ(routing.breaker_open_for, absl::Milliseconds(100));
  EXPECT_EQ(routing.breaker_open_for_max, absl::Seconds(2));
}

TEST(RoutingSectionTest, HasDefaults) {
  const Routing routing = Good(kProvider).config.routing;
  EXPECT_EQ(routing.attempts_max, 3);
  EXPECT_EQ(routing.refused_key_for, absl::Minutes(10));
  EXPECT_EQ(routing.lost_provider_for, absl::Hours(1));
  EXPECT_EQ(routing.rate_limited_for_max, absl::Minutes(10));
  EXPECT_EQ(routing.breaker_failures, 5);
  EXPECT_EQ(routing.breaker_open_for, absl::Seconds(30));
  EXPECT_EQ(routing.breaker_open_for_max, absl::Minutes(5));
}

TEST(RoutingSectionTest, EachFieldHasItsRange) {
  const struct {
    const char* field;
    const char* error;
  } kCases[] = {
      {"attempts_max: 0", "attempts_max: \"0\" is not a whole number from 1 to 10"},
      {"attempts_max: 11", "attempts_max: \"11\" is not a whole number from 1 to 10"},
      {"refused_key_for: 25h",
       "refused_key_for: \"25h\" is out of range; from 0 to 24h is allowed"},
      {"lost_provider_for: 169h",
       "lost_provider_for: \"169h\" is out of range; from 0 to 168h is allowed"},
      {"rate_limited_for_max: 25h",
       "rate_limited_for_max: \"25h\" is out of range; from 0 to 24h is allowed"},
      {"breaker_failures: 0", "breaker_failures: \"0\" is not a whole number from 1 to 1000"},
      {"breaker_open_for: 99ms",
       "breaker_open_for: \"99ms\" is out of range; from 100ms to 24h is allowed"},
      {"breaker_open_for_max: 0s",
       "breaker_open_for_max: \"0s\" is out of range; from 100ms to 24h is allowed"},
  };
  for (const auto& [field, error] : kCases) {
    EXPECT_THAT(Errors(std::string("routing:\n  ") + field + kProvider),
                ElementsAre(std::string("c/t.yaml:2:3: routing.") + error));
  }
}

TEST(RoutingSectionTest, AnUnknownFieldGetsASuggestion) {
  EXPECT_THAT(Errors(std::string("routing: {atempts_max: 1}") + kProvider),
              ElementsAre("c/t.yaml:1:11: routing.atempts_max: is not known here; did you mean "
                          "attempts_max?"));
}

}  // namespace
}  // namespace pingti::config
