// Every mistake gets a line that names its place, what is wrong and what is allowed.
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/diagnostics.h"
#include "server/config/load.h"
#include "server/config/yaml_tree.h"
#include "tests/unit/config/load_text.h"

namespace pingti::config {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::Not;

constexpr char kModel[] = "\nmodels: [{name: m, provider: p, context_tokens: 1000}]\n";

class BadFileTest : public testing::TestWithParam<BadFile> {};

TEST_P(BadFileTest, GetsTheseErrors) {
  EXPECT_THAT(Errors(GetParam().text), ElementsAreArray(GetParam().errors));
}

std::vector<BadFile> BadShapes() {
  return {
      {"Empty",
       "",
       {"c/t.yaml:1:1: providers: no provider is on; give at least one a base_url and an "
        "api_key"}},
      {"NotAMap", "- a\n- b\n", {"c/t.yaml:1:1: is a list; write a map (`key: value` lines)"}},
      {"OnlyText", "hello", {"c/t.yaml:1:1: is a single value; write a map (`key: value` lines)"}},
      {"BrokenFlow",
       "listen: {grpc: a\nserver:\n",
       {"c/t.yaml:2:7: is not valid YAML: end of map flow not found"}},
      {"BrokenIndent",
       "server:\n  workers: 1\n workers: 2\n",
       {"c/t.yaml:3:2: is not valid YAML: end of map not found"}},
      {"Tab",
       "server:\n\tworkers: 1\n",
       {"c/t.yaml:2:1: a tab is in the indentation here; use spaces"}},
      {"Anchor",
       "server: &a {workers: 1}\n",
       {"c/t.yaml:1:9: anchors (&) and aliases (*) are not allowed; repeat the value, or put a "
        "text "
        "that begins with one of these signs in quotes"}},
      {"Tag",
       "server: !!binary aGk=\n",
       {"c/t.yaml:1:9: tags (!) are not allowed; put a text that begins with ! in quotes"}},
      {"TwoDocuments",
       "server: {workers: 1}\n---\nserver: {workers: 2}\n",
       {"c/t.yaml:2:1: a second document begins here; only one is allowed, remove `---`"}},
      {"KeyIsAList",
       "? [a, b]\n: c\n",
       {"c/t.yaml:1:3: a key must be a text; or is a bracket here not closed?"}},
      {"KeyIsEmpty",
       "? \n: c\n",
       {"c/t.yaml:2:1: a key must be a text; or is a bracket here not closed?"}},
      {"ControlCharacter",
       "server:\n  workers: 1\x01\n",
       {"c/t.yaml:2:13: a control character is here; only text is allowed"}},
      {"NotUtf8",
       "server:\n  workers: \xFF\n",
       {"c/t.yaml:2:1: this line is not valid UTF-8; save the file as UTF-8"}},
      {"UnknownSection",
       std::string("sever:\n  workers: 1\n") + kProvider,
       {"c/t.yaml:1:1: sever: is not known here; did you mean server?"}},
      {"UnknownKey",
       std::string("server:\n  worker: 1\n") + kProvider,
       {"c/t.yaml:2:3: server.worker: is not known here; did you mean workers?"}},
      {"UnknownKeyLikeNothing",
       std::string("listen:\n  'a b': 1\n") + kProvider,
       {"c/t.yaml:2:3: listen.\"a b\": is not known here; allowed: grpc and metrics"}},
      {"DuplicateKey",
       std::string("server:\n  workers: 1\n  workers: 2\n") + kProvider,
       {"c/t.yaml:3:3: server.workers: is here twice, first in line 2"}},
      {"DuplicateSection",
       std::string("server:\n  workers: 1\nserver:\n  workers: 2\n") + kProvider,
       {"c/t.yaml:3:1: server: is here twice, first in line 1"}},
      {"ListForMap",
       std::string("server:\n- workers: 1\n") + kProvider,
       {"c/t.yaml:2:1: server: is a list; write a map (`key: value` lines)"}},
      {"MapForList",
       "providers:\n  name: x\n",
       {"c/t.yaml:1:1: providers: is a map; write a list (`- item` lines)",
        "c/t.yaml:1:1: providers: no provider is on; give at least one a base_url and an api_key"}},
      {"MapForValue",
       std::string("server:\n  workers: {a: 1}\n") + kProvider,
       {"c/t.yaml:2:3: server.workers: is a map; write a single value"}},
  };
}

INSTANTIATE_TEST_SUITE_P(Shape, BadFileTest, testing::ValuesIn(BadShapes()),
                         [](const auto& info) { return info.param.name; });

std::vector<BadFile> BadValues() {
  auto file = [](const std::string& text) { return text + kProvider; };
  return {
      {"Address",
       file("listen: {grpc: localhost}"),
       {"c/t.yaml:1:10: listen.grpc: \"localhost\" is not host:port; write for example "
        "127.0.0.1:50051 "
        "or [::1]:50051, with port 0 for any free one"}},
      {"IntegerRange",
       file("server:\n  workers: 257"),
       {"c/t.yaml:2:3: server.workers: \"257\" is not a whole number from 0 to 256"}},
      {"IntegerText",
       file("server:\n  concurrent_streams_max: many"),
       {"c/t.yaml:2:3: server.concurrent_streams_max: \"many\" is not a whole number from 1 to "
        "1000000"}},
      {"IntegerEmpty",
       file("server:\n  workers:\n"),
       {"c/t.yaml:2:3: server.workers: \"\" is not a whole number from 0 to 256"}},
      {"Duration",
       file("server:\n  drain_grace: 60"),
       {"c/t.yaml:2:3: server.drain_grace: \"60\" is not a duration; write a whole number with ms, "
        "s, "
        "m or h, for example 5s"}},
      {"DurationRange",
       file("server:\n  keepalive_time: 999ms"),
       {"c/t.yaml:2:3: server.keepalive_time: \"999ms\" is out of range; from 1s to 24h is "
        "allowed"}},
      {"TimerOfZero",
       file("timeouts:\n  silence: 0s"),
       {"c/t.yaml:2:3: timeouts.silence: \"0s\" is out of range; from 1ms to 24h is allowed"}},
      {"Size",
       file("server:\n  message_bytes_max: 20MB"),
       {"c/t.yaml:2:3: server.message_bytes_max: \"20MB\" is not a size; write bytes, or a whole "
        "number "
        "with KiB, MiB or GiB, for example 20MiB"}},
      {"SizeRange",
       file("server:\n  message_bytes_max: 257MiB"),
       {"c/t.yaml:2:3: server.message_bytes_max: \"257MiB\" is out of range; from 1KiB to 256MiB "
        "is "
        "allowed"}},
      {"Bool",
       file("server:\n  reflection: yes"),
       {"c/t.yaml:2:3: server.reflection: \"yes\" is neither true nor false"}},
      {"LongValueIsCut",
       file("server:\n  reflection: " + std::string(100, 'x')),
       {"c/t.yaml:2:3: server.reflection: \"" + std::string(60, 'x') +
        "...\" is neither true nor false"}},
      {"LimitsAndEstimation",
       file("limits:\n  line_bytes_max: 1\nestimation:\n  sum: 1\n"
            "features:\n  quota: off"),
       {"c/t.yaml:2:3: limits.line_bytes_max: \"1\" is out of range; from 1KiB to 256MiB is "
        "allowed",
        "c/t.yaml:4:3: estimation.sum: \"1\" is neither true nor false",
        "c/t.yaml:6:3: features.quota: \"off\" is neither true nor false"}},
  };
}

INSTANTIATE_TEST_SUITE_P(Value, BadFileTest, testing::ValuesIn(BadValues()),
                         [](const auto& info) { return info.param.name; });

std::vector<BadFile> BadProviders() {
  const std::string good =
      "providers:\n- {name: p, dialect: openai, base_url: 'http://h', no_key: true}\n";
  return {
      {"BaseUrl",
       "providers:\n- name: p\n  dialect: openai\n  base_url: htp://x\n  api_key: k\n",
       {"c/t.yaml:4:3: providers[0].base_url: \"htp://x\" is not an http or https URL; write for "
        "example https://api.openai.com/v1"}},
      {"BaseUrlSlash",
       "providers:\n- name: p\n  dialect: openai\n  base_url: http://x/\n  api_key: k\n",
       {"c/t.yaml:4:3: providers[0].base_url: \"http://x/\" ends with a slash; remove it"}},
      {"MissingFields",
       "providers:\n- name: p\n",
       {"c/t.yaml:2:3: providers[0].dialect: is missing",
        "c/t.yaml:2:3: providers[0].base_url: is missing",
        "c/t.yaml:2:3: providers[0].api_key: is missing; write api_key, api_key_file, or no_key: "
        "true"}},
      {"Dialect",
       "providers:\n- {name: p, dialect: openia, base_url: 'http://h', no_key: true}\n",
       {"c/t.yaml:2:13: providers[0].dialect: \"openia\" is not known here; did you mean openai? "
        "allowed: openai"}},
      {"Name",
       "providers:\n- {name: My Provider, dialect: openai, base_url: 'http://h', no_key: true}\n",
       {"c/t.yaml:2:4: providers[0].name: \"My Provider\" is not a name; write 1 to 64 of a-z, 0-9 "
        "and "
        "-"}},
      {"NameWithLineBreak",
       good + "- {name: \"a\\nb\", dialect: openai, base_url: 'http://h', no_key: true}\n",
       {"c/t.yaml:3:4: providers[1].name: \"a\\nb\" is not a name; write 1 to 64 of a-z, 0-9 and "
        "-"}},
      {"DuplicateName",
       good + "- {name: p, dialect: openai, base_url: 'http://i', no_key: true}\n",
       {"c/t.yaml:3:4: providers[1].name: has the same name as the entry in line 2"}},
      {"KeyTwice",
       good + "- {name: q, dialect: openai, base_url: '', api_key: a, api_key_file: b}\n",
       {"c/t.yaml:3:56: providers[1].api_key_file: is given together with api_key; remove one of "
        "them"}},
      {"KeyAndNoKey",
       good + "- {name: q, dialect: openai, base_url: '', api_key: a, no_key: true}\n",
       {"c/t.yaml:3:44: providers[1].api_key: is given although no_key is true; remove one of "
        "them"}},
  };
}

std::vector<BadFile> BadSetsOfProviders() {
  const std::string good =
      "providers:\n- {name: p, dialect: openai, base_url: 'http://h', no_key: true}\n";
  return {
      {"UpstreamModelAlone",
       good + "- {name: q, dialect: openai, base_url: '', no_key: true, upstream_model: x}\n",
       {"c/t.yaml:3:58: providers[1].upstream_model: is given without serves_any_model: true; add "
        "that, "
        "or give upstream_model to the models of this provider"}},
      {"TwoServeAny",
       "providers:\n- {name: p, dialect: openai, base_url: 'http://h', no_key: true, "
       "serves_any_model: true}\n"
       "- {name: q, dialect: openai, base_url: 'http://h', no_key: true, serves_any_model: true}\n",
       {"c/t.yaml:3:66: providers[1].serves_any_model: is true although it is for provider p, too, "
        "and "
        "both are on; only one of them may be"}},
      {"UnsupportedField",
       good + "- name: q\n  dialect: openai\n  base_url:\n  no_key: true\n"
              "  unsupported_fields: [sampling.sead, user, user]\n",
       {"c/t.yaml:7:24: providers[1].unsupported_fields[0]: \"sampling.sead\" is not known here; "
        "did you "
        "mean sampling.seed? allowed: sampling.temperature, sampling.top_p, "
        "sampling.max_output_tokens, "
        "sampling.stop, sampling.n, sampling.seed, sampling.presence_penalty, "
        "sampling.frequency_penalty, sampling.logit_bias, sampling.logprobs, "
        "sampling.top_logprobs, "
        "response_format, tools, tool_choice, parallel_tool_calls, reasoning_effort, "
        "provider_fields_json, user or stream_usage",
        "c/t.yaml:7:45: providers[1].unsupported_fields[2]: \"user\" is in the list twice"}},
      {"OwnTimeouts",
       good + "- name: q\n  dialect: openai\n  base_url: ''\n  no_key: true\n"
              "  timeouts:\n    conect: 1s\n",
       {"c/t.yaml:8:5: providers[1].timeouts.conect: is not known here; did you mean connect?"}},
      {"NoneOn",
       "providers:\n- {name: a, dialect: openai, base_url: '${A_URL:-}', api_key: '${A_KEY:-}'}\n"
       "- {name: b, dialect: openai, base_url: 'http://h', api_key: '${B_KEY:-}'}\n",
       {"c/t.yaml:1:1: providers: no provider is on; set at least one of these environment "
        "variables: "
        "A_URL with A_KEY or B_KEY"}},
      {"VariableNotSet",
       "providers:\n- name: p\n  dialect: openai\n  base_url: http://h\n  api_key: ${KEY}\n",
       {"c/t.yaml:5:3: providers[0].api_key: needs the environment variable KEY, which is not set; "
        "set "
        "it, or write ${KEY:-default}"}},
  };
}

INSTANTIATE_TEST_SUITE_P(Provider, BadFileTest, testing::ValuesIn(BadProviders()),
                         [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(Providers, BadFileTest, testing::ValuesIn(BadSetsOfProviders()),
                         [](const auto& info) { return info.param.name; });

std::vector<BadFile> BadCatalogues() {
  auto file = [](const std::string& text) { return text + kProvider; };
  const std::string model = "models:\n- {name: m, provider: p, context_tokens: 1000}\n";
  return {
      {"ModelMissing",
       file("models:\n- {name: m}"),
       {"c/t.yaml:2:3: models[0].provider: is missing",
        "c/t.yaml:2:3: models[0].context_tokens: is missing"}},
      {"ModelProvider",
       file("models:\n- {name: m, provider: q, context_tokens: 1}"),
       {"c/t.yaml:2:13: models[0].provider: \"q\" is not the name of a provider; there is p"}},
      {"ModelOutput",
       file("models:\n- {name: m, provider: p, context_tokens: 5, output_tokens_max: 6}"),
       {"c/t.yaml:2:45: models[0].output_tokens_max: is more than context_tokens, which is 5"}},
      {"ModelContext",
       file("models:\n- {name: m, provider: p, context_tokens: 16K}"),
       {"c/t.yaml:2:26: models[0].context_tokens: \"16K\" is not a whole number from 1 to "
        "100000000"}},
      {"ModelMaxTokensField",
       file("models:\n- {name: m, provider: p, context_tokens: 5, max_tokens_field: maxtokens}"),
       {"c/t.yaml:2:45: models[0].max_tokens_field: \"maxtokens\" is not known here; did you mean "
        "max_tokens? allowed: max_tokens or max_completion_tokens"}},
      {"ModelTwice",
       file(model + "- {name: m, provider: p, context_tokens: 1000}"),
       {"c/t.yaml:3:4: models[1].name: has the same name as the entry in line 2"}},
      {"AliasToNothing",
       file(model + "aliases:\n- {name: a, to: mm}"),
       {"c/t.yaml:4:13: aliases[0].to: \"mm\" is not the name of a model; did you mean m?"}},
      {"AliasToItself",
       file(model + "aliases:\n- {name: m, to: m}"),
       {"c/t.yaml:4:13: aliases[0].to: is the alias itself; write the name of another model"}},
      {"AliasOfAlias",
       file(model + "aliases:\n- {name: a, to: m}\n- {name: b, to: a}"),
       {"c/t.yaml:5:13: aliases[1].to: is itself an alias, and an alias of an alias is not "
        "allowed; "
        "write m"}},
      {"AliasTwice",
       file(model + "aliases:\n- {name: a, to: m}\n- {name: a, to: m}"),
       {"c/t.yaml:5:4: aliases[1].name: has the same name as the entry in line 4"}},
      {"TierLimits",
       file(model + "tiers:\n- name: T\n  classes:\n    m: {requests_per_minute: -1}\n"
                    "  other_classes: {tokens: 1}"),
       {"c/t.yaml:6:9: tiers[0].classes.m.requests_per_minute: \"-1\" is not a whole number from 0 "
        "to "
        "1000000000",
        "c/t.yaml:7:19: tiers[0].other_classes.tokens: is not known here; did you mean "
        "tokens_per_day?"}},
      {"TierClassEmpty",
       file(model + "tiers:\n- name: T\n  classes:\n    m:\n"),
       {"c/t.yaml:6:5: tiers[0].classes.m: is empty; write limits, for example "
        "{requests_per_minute: 500}, or {} for no limit at all"}},
      {"TierClassUnknown",
       file(model + "tiers:\n- name: T\n  classes:\n    mx: {}\n"),
       {"c/t.yaml:6:5: tiers[0].classes.mx: no model has this class; did you mean m?"}},
  };
}

INSTANTIATE_TEST_SUITE_P(Catalogue, BadFileTest, testing::ValuesIn(BadCatalogues()),
                         [](const auto& info) { return info.param.name; });

std::vector<BadFile> BadTenants() {
  auto file = [](const std::string& text) {
    return "tenants:\n" + text + "\ntiers: [{name: T}]" + kModel + kProvider;
  };
  const std::string hex(64, 'a');
  return {
      {"Missing",
       file("- suspended: false"),
       {"c/t.yaml:2:3: tenants[0].name: is missing", "c/t.yaml:2:3: tenants[0].tier: is missing"}},
      {"Tier",
       file("- {name: a, tier: TT}"),
       {"c/t.yaml:2:13: tenants[0].tier: \"TT\" is not the name of a tier; did you mean T?"}},
      {"Models",
       file("- {name: a, tier: T, models: [m, gpt-5]}"),
       {"c/t.yaml:2:34: tenants[0].models[1]: \"gpt-5\" is not the name of a model or alias; there "
        "is m"}},
      {"Twice",
       file("- {name: a, tier: T}\n- {name: a, tier: T}"),
       {"c/t.yaml:3:4: tenants[1].name: has the same name as the entry in line 2"}},
      {"Record",
       file("- name: a\n  tier: T\n  keys:\n  - record: pt_dev1_secret\n  - {}\n"),
       {"c/t.yaml:5:5: tenants[0].keys[0].record: the value, which is not shown, is not the record "
        "of an "
        "API key; write pt_<public id>:<SHA-256 of the whole key as 64 hex digits>, the public id "
        "being "
        "4 to 32 of a-z and 0-9",
        "c/t.yaml:6:5: tenants[0].keys[1].record: is missing; write record or record_file"}},
      {"RecordTwice",
       file("- name: a\n  tier: T\n  keys:\n  - record: pt_dev1:" + hex +
            "\n- name: b\n  tier: T\n  keys:\n" + "  - record: pt_dev1:" + hex),
       {"c/t.yaml:9:5: tenants[1].keys[0].record: has the same public id as the API key in line "
        "5"}},
  };
}

INSTANTIATE_TEST_SUITE_P(Tenant, BadFileTest, testing::ValuesIn(BadTenants()),
                         [](const auto& info) { return info.param.name; });

TEST(LoadErrorsTest, ErrorsOfTheCatalogueFileNameThatFile) {
  const std::string text = std::string("catalogue_file: cat.yaml\n") + kProvider;
  auto with = [](std::string content) -> FileReader {
    return [content](const std::string& path, size_t) -> absl::StatusOr<std::string> {
      if (path != "c/cat.yaml") return absl::NotFoundError("there is no such file");
      return content;
    };
  };
  EXPECT_THAT(
      Errors(text, {}, with("models:\n- {name: m, provider: x, context_tokens: 1}\n")),
      ElementsAre("c/cat.yaml:2:13: models[0].provider: \"x\" is not the name of a provider; "
                  "there is p"));
  EXPECT_THAT(Errors(text, {}, with("server: {}\n")),
              ElementsAre("c/cat.yaml:1:1: server: is not known here; allowed: aliases, models and "
                          "tiers"));
  EXPECT_THAT(Errors(text, {}, with("models: {\n")),
              ElementsAre("c/cat.yaml:2:1: is not valid YAML: end of map flow not found"));
  EXPECT_THAT(Errors("catalogue_file: other.yaml\n" + std::string(kProvider), {}, with("")),
              ElementsAre("c/t.yaml:1:1: catalogue_file: the file cannot be read: there is no such "
                          "file"));
  EXPECT_THAT(Errors(text), ElementsAre("c/t.yaml:1:1: catalogue_file: files cannot be read here"));
  EXPECT_THAT(Errors("catalogue_file:\n" + std::string(kProvider), {}, with("")),
              ElementsAre("c/t.yaml:1:1: catalogue_file: \"\" is empty; write the path of a file, "
                          "relative to this one"));
}

TEST(LoadErrorsTest, ABrokenCatalogueCausesNoFurtherErrors) {
  const std::string text =
      "catalogue_file: cat.yaml\naliases: [{name: a, to: lost}]\n"
      "tenants: [{name: t, tier: Lost, models: [lost]}]\n" +
      std::string(kProvider);
  EXPECT_THAT(Errors(text), ElementsAre(HasSubstr("files cannot be read here")));
}

TEST(LoadErrorsTest, ShowsTheFirstAndCountsTheRest) {
  std::string text = "server:\n";
  for (int i = 0; i < 1000; ++i) text += "  unknown" + std::to_string(i) + ": 1\n";
  const std::vector<std::string> errors = Errors(text + kProvider);
  ASSERT_EQ(errors.size(), kErrorsShownMax + 1);
  EXPECT_THAT(errors[0], HasSubstr("c/t.yaml:2:3: server.unknown0:"));
  EXPECT_EQ(errors.back(), "and 980 more");
}

// Whatever is wrong with a secret, or with a value that holds one by mistake, it is not repeated.
TEST(LoadErrorsTest, NeverShowsASecret) {
  const std::string begin = "providers:\n- name: p\n  dialect: openai\n  base_url: http://h\n";
  const FileReader file = [](const std::string&, size_t) -> absl::StatusOr<std::string> {
    return "canary\nsecond line";
  };
  const Environment environment = {{"KEY", "canary\r\nX-Evil: 1"}, {"URL", "canary"}};
  const std::vector<std::string> texts = {
      begin + "  api_key: \"canary\\nb\"\n",
      begin + "  api_key: \"can ary canary\"\n",
      begin + "  api_key: ${KEY}\n",
      begin + "  api_key: canary${UNSET}\n",
      begin + "  api_key: canary$\n",
      begin + "  api_key: [canary]\n",
      begin + "  api_key: {canary: canary}\n",
      begin + "  api_key: *canary\n",
      begin + "  api_key: &canary canary\n",
      begin + "  api_key: !canary canary\n",
      begin + "  api_key: \"\\canary\"\n",
      begin + "  api_key: |\n    canary\n    b\n",
      begin + "  api_key_file: key\n",
      begin + "  api_key: canary\n  api_key_file: key\n",
      begin + "  api_key: canary\n  no_key: true\n",
      begin + "  api_key: ${KEY}\n  connections_max: ${KEY}\n",
      "providers: [{name: p, dialect: openai, base_url: '${URL}', no_key: true}]",
      "providers: [{name: p, dialect: openai, base_url: canary, no_key: true}]",
      "providers: [{name: p, dialect: openai, base_url: 'http://u:canary@h', no_key: true}]",
      "providers: [{name: p, dialect: openai, base_url: 'htp://u:canary@h', no_key: true}]",
      "providers: [{name: p, dialect: openai, base_url: 'http://h?key=canary', no_key: true}]",
      "providers: [{name: '${KEY}', dialect: openai, base_url: 'http://h', no_key: true}]",
      "tenants: [{name: a, tier: T, keys: [{record: pt_canary_canary}]}]",
      "tenants: [{name: a, tier: T, keys: [{record_file: key}]}]",
      "quota: {redis: {address: 'redis://u:canary@h:1'}}",
      "quota: {redis: {address: 'canary@h:1'}}",
      "quota: {redis: {address: '${URL}'}}",
      "quota: {redis: {address: 'h:1', password: \"canary\\nb\"}}",
      "quota: {redis: {address: 'h:1', password: canary, password_file: key}}",
      "quota: {redis: {address: 'h:1', password_file: key}}",
      "server: {workers: '${KEY}', reflection: '${KEY}', drain_grace: '${KEY}', message_bytes_max: "
      "'${KEY}'}",
  };
  for (const std::string& text : texts) {
    const auto result = LoadFromString(text, "t.yaml", environment, file);
    ASSERT_FALSE(result.ok()) << text;
    EXPECT_THAT(std::string(result.status().message()), Not(HasSubstr("canary"))) << text;
    EXPECT_THAT(std::string(result.status().message()), Not(HasSubstr("X-Evil"))) << text;
  }
}

TEST(LoadErrorsTest, DeepAndLargeFilesAreRefusedSoon) {
  EXPECT_THAT(Errors(std::string(kNestingMax + 1, '[') + std::string(kNestingMax + 1, ']')),
              ElementsAre("c/t.yaml:1:17: is nested too deeply; 16 levels of maps and lists are "
                          "allowed"));
  for (const char* opening : {"[", "{", "[\n", "[a,", "{a: ", "- ", "? "}) {
    std::string unclosed = "a:\n ";
    while (unclosed.size() < kFileBytesMax - 10) unclosed += opening;
    EXPECT_THAT(Errors(unclosed), ElementsAre(HasSubstr("c/t.yaml:"))) << opening;
  }
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += std::string(i, ' ') + "a:\n";
  EXPECT_THAT(Errors(deep), ElementsAre(HasSubstr("nested too deeply")));
  EXPECT_THAT(Errors(std::string(kFileBytesMax + 1, '#')),
              ElementsAre("c/t.yaml: is larger than 1048576 bytes, the most that is allowed"));
  EXPECT_FALSE(Errors(std::string(kFileBytesMax, '#')).empty());
  std::string many = "providers:\n";
  while (many.size() < kFileBytesMax - 10) many += "- {}\n";
  EXPECT_THAT(Errors(many), ElementsAre(HasSubstr("items; at most 10000 are allowed"),
                                        HasSubstr("no provider is on")));
}

// Each level repeats the one before nine times; expanded it would be 9^9 values.
TEST(LoadErrorsTest, ALaughIsRefusedAtItsFirstAnchor) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 1; k < 9; ++k) bomb += ", " + before;
    bomb += "]\n";
  }
  EXPECT_THAT(Errors(bomb), ElementsAre(HasSubstr("c/t.yaml:1:5: anchors")));
}

}  // namespace
}  // namespace pingti::config
