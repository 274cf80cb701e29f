#include "client/command/price_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>
#include <string>

#include "absl/numeric/int128.h"
#include "client/command/format.h"

namespace pingti::command {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string File(const std::string& name) {
  std::ifstream file(PINGTI_SOURCE "/tests/integration/prices/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

ImportRequest Of(std::vector<std::string> models, const std::string& provider = "") {
  ImportRequest request;
  request.models = std::move(models);
  request.provider = provider;
  request.date = "2024-11-20";
  return request;
}

std::size_t Count(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

// The one error of this model.
std::string WrongOf(const std::string& fields, const std::string& key = "m") {
  const Imported imported = ImportPrices(
      "{\"" + key + "\": {\"mode\": \"chat\", \"litellm_provider\": \"p\", " + fields + "}}",
      Of({}, "p"));
  EXPECT_EQ(imported.yaml, "");
  EXPECT_EQ(imported.errors.size(), 1u);
  return imported.errors.empty() ? "" : imported.errors[0];
}

TEST(PriceImportTest, NumbersOfTokensThatAreWrongAreNotPassedOver) {
  const std::string prices = R"("input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6, )";
  for (const std::string wrong : {"1e6", "\"8192\"", "-1", "0", "1.5", "200000000", "[]"}) {
    EXPECT_THAT(WrongOf(prices + R"("max_tokens": 8192, "max_input_tokens": )" + wrong),
                HasSubstr("max_input_tokens is "))
        << wrong;
    EXPECT_THAT(WrongOf(prices + R"("max_input_tokens": 8192, "max_output_tokens": )" + wrong),
                HasSubstr("write a whole number from 1 to 100000000"))
        << wrong;
  }
  EXPECT_THAT(WrongOf(prices + R"("max_input_tokens": null)"), HasSubstr("no max_input_tokens"));
}

TEST(PriceImportTest, TokensMayHaveAPointAndAZero) {
  const Imported imported = ImportPrices(
      R"({"m": {"mode": "chat", "litellm_provider": "p", "input_cost_per_token": 1e-6,
          "output_cost_per_token": 1e-6, "max_tokens": 8192.0}})",
      Of({}, "p"));
  EXPECT_THAT(imported.errors, IsEmpty());
  EXPECT_THAT(imported.yaml, HasSubstr("context_tokens: 8192\n"));
}

TEST(PriceImportTest, Golden) {
  const Imported imported =
      ImportPrices(File("sample.json"),
                   Of({"gpt-4o", "gpt-3.5-turbo-0125", "deepseek/deepseek-chat", "finest"}));
  EXPECT_THAT(imported.errors, IsEmpty());
  EXPECT_EQ(imported.yaml, File("sample.golden.yaml"));
}

TEST(PriceImportTest, AllChatModelsOfAProvider) {
  ImportRequest request = Of({}, "openai");
  request.provider_name = "ours";
  const Imported imported = ImportPrices(File("sample.json"), request);
  EXPECT_THAT(imported.errors, IsEmpty());
  EXPECT_EQ(Count(imported.yaml, "  - name:"), 2u);
  EXPECT_EQ(Count(imported.yaml, "provider: ours"), 2u);
  EXPECT_THAT(imported.yaml, Not(HasSubstr("embedding")));
}

TEST(PriceImportTest, TheSameModelUnderTwoNamesIsOne) {
  const Imported imported = ImportPrices(File("sample.json"), Of({}, "deepseek"));
  EXPECT_THAT(imported.errors, IsEmpty());
  EXPECT_EQ(Count(imported.yaml, "  - name:"), 1u);
  // But not where they differ.
  const std::string two =
      R"({"p/m": {"mode": "chat", "litellm_provider": "p", "max_tokens": 10,
                  "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6},
          "m": {"mode": "chat", "litellm_provider": "p", "max_tokens": 10,
                "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}})";
  EXPECT_THAT(
      ImportPrices(two, Of({}, "p")).errors,
      ::testing::ElementsAre(HasSubstr("m: another entry has the name m, too, and differs")));
}

TEST(PriceImportTest, EachMistakeIsNamedAndNothingPrinted) {
  const Imported imported = ImportPrices(File("sample.json"), Of({}, "odd"));
  EXPECT_EQ(imported.yaml, "");
  EXPECT_EQ(imported.errors.size(), 6u);
  for (const char* part :
       {"too-fine: input_cost_per_token is 1.00000005e-05, which is no whole number of 1e-12",
        "no-output: it has no output_cost_per_token", "endless: it has no max_input_tokens",
        "refund: input_cost_per_token is -1e-06, which is below zero",
        "dear: input_cost_per_token is 1e999999, which is more than any price",
        "cheap: input_cost_per_token is 1e-999999, which is no whole number"}) {
    EXPECT_THAT(imported.errors, Contains(HasSubstr(part)));
  }
}

TEST(PriceImportTest, APriceInQuotesOrAModelThatIsNotThere) {
  const std::string sample = File("sample.json");
  EXPECT_THAT(ImportPrices(sample, Of({"quoted"})).errors,
              Contains(HasSubstr("'1e-06', which is no number")));
  const Imported missing = ImportPrices(sample, Of({"gpt-4o", "gpt-4x"}));
  EXPECT_EQ(missing.yaml, "");
  EXPECT_THAT(missing.errors, ::testing::ElementsAre("there is no model gpt-4x"));
  // One that another provider has is no less missing.
  const Imported others =
      ImportPrices(File("sample.json"), Of({"gpt-4o", "deepseek-chat"}, "openai"));
  EXPECT_EQ(others.yaml, "");
  EXPECT_THAT(others.errors, ::testing::ElementsAre("there is no model deepseek-chat of openai"));
  EXPECT_THAT(ImportPrices(sample, Of({"text-embedding-3-small"})).errors,
              Contains(HasSubstr("mode is 'embedding', not 'chat'")));
  // A provider that nobody has: those that there are.
  EXPECT_THAT(
      ImportPrices(sample, Of({}, "opnai")).errors,
      ::testing::ElementsAre(HasSubstr("no chat model of this provider; there are deepseek, "
                                       "fine, odd, openai, text")));
}

TEST(PriceImportTest, SaysWhichFieldAndWhatWouldBeRight) {
  const std::string rest = R"(, "output_cost_per_token": 1e-6, "max_input_tokens": 10)";
  EXPECT_EQ(WrongOf(R"("input_cost_per_token": -1)" + rest),
            "m: input_cost_per_token is -1, which is below zero; a price is from 0 to 1 per token");
  EXPECT_THAT(WrongOf(R"("input_cost_per_token": true)" + rest), HasSubstr("is true, which is no"));
  EXPECT_THAT(WrongOf(R"("input_cost_per_token": [1])" + rest), HasSubstr("is a list, which is"));
  EXPECT_THAT(WrongOf(R"("input_cost_per_token": null)" + rest),
              HasSubstr("it has no input_cost_per_token"));
  EXPECT_THAT(WrongOf(R"("input_cost_per_token": 1e-13)" + rest),
              HasSubstr("write at most 12 digits after the point"));
  EXPECT_THAT(WrongOf(R"("input_cost_per_token": 1e-6, "max_tokens": 1.5)" +
                      std::string(R"(, "output_cost_per_token": 1e-6)")),
              HasSubstr("whole number from 1 to 100000000"));
  EXPECT_THAT(WrongOf(R"("input_cost_per_token": 1e-6)" + rest, "a b"), HasSubstr("a b: its name"));
  EXPECT_THAT(WrongOf(R"("input_cost_per_token": 1e-6)" + rest, "a\\\\b"), HasSubstr("its name"));
  EXPECT_THAT(WrongOf(R"("input_cost_per_token": 1e-6)" + rest, "团队"), HasSubstr("its name"));
  // LiteLLM's names of providers may be none of ours.
  const std::string vertex =
      R"({"m": {"mode": "chat", "litellm_provider": "vertex_ai", "max_tokens": 10,
                "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}})";
  EXPECT_THAT(ImportPrices(vertex, Of({"m"})).errors,
              ::testing::ElementsAre(HasSubstr("its litellm_provider is 'vertex_ai'")));
  ImportRequest named = Of({"m"});
  named.provider_name = "vertex";
  EXPECT_THAT(ImportPrices(vertex, named).yaml, HasSubstr("provider: vertex\n"));
  EXPECT_THAT(ImportPrices("nothing", Of({"m"})).errors,
              ::testing::ElementsAre(HasSubstr("is no JSON")));
}

TEST(PriceImportTest, NothingForeignBecomesYaml) {
  ImportRequest request = Of({"m"});
  request.source = "a \"b\" \\ ${HOME} # 价格";
  const Imported imported = ImportPrices(
      R"({"m": {"mode": "chat", "litellm_provider": "p", "max_tokens": 10, "x_cost\n- evil: 1": 5,
                "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}})",
      request);
  EXPECT_THAT(imported.errors, IsEmpty());
  EXPECT_THAT(imported.yaml, HasSubstr("source: \"a \\\"b\\\" \\\\ $${HOME} # 价格\"\n"));
  EXPECT_THAT(imported.yaml, HasSubstr("# Not taken over: x_cost?- evil: 1.\n"));
}

// 10^count, or nothing where it does not fit.
std::optional<absl::int128> Power(int count) {
  if (count > 36) return std::nullopt;
  absl::int128 power = 1;
  while (count-- > 0) power *= 10;
  return power;
}

TEST(ParsePicoTest, IsExactOrRefused) {
  std::mt19937_64 chance(20240611);
  int taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto digits = static_cast<std::int64_t>(
        chance() % static_cast<std::uint64_t>(*Power(static_cast<int>(1 + chance() % 11))));
    const int exponent = -static_cast<int>(chance() % 21);
    const std::string text = std::to_string(digits) + "e" + std::to_string(exponent);
    // digits x 10^(exponent + 12), where that is a whole number.
    std::optional<absl::int128> exact;
    if (exponent >= -12) {
      exact = absl::int128(digits) * *Power(exponent + 12);
    } else if (digits % *Power(-exponent - 12) == 0) {
      exact = digits / *Power(-exponent - 12);
    }
    if (exact && *exact > *Power(12)) exact.reset();
    std::string wrong;
    const auto pico = ParsePico(text, &wrong);
    ASSERT_EQ(pico.has_value(), exact.has_value()) << text << wrong;
    EXPECT_EQ(wrong.empty(), pico.has_value()) << text;
    if (!pico) continue;
    ++taken;
    EXPECT_EQ(absl::int128(*pico), *exact) << text;
    EXPECT_EQ(ParseUnits(FormatUnits(*pico, 6, 0), 6), *pico) << text;
  }
  EXPECT_GT(taken, 1'000);
}

TEST(ParsePicoTest, AnyWayOfWritingItIsTheSame) {
  std::string wrong;
  for (const char* text : {"1.5e-07", "1.50E-7", "0.00000015", "15e-8", "0.15e-6", "150e-9",
                           "0.000000150000000000000000000000000", "1.5e-0000007"}) {
    EXPECT_EQ(ParsePico(text, &wrong), 150'000) << text;
  }
  EXPECT_EQ(ParsePico("1", &wrong), 1'000'000'000'000);
  EXPECT_EQ(ParsePico("0.1e+1", &wrong), 1'000'000'000'000);
  EXPECT_EQ(ParsePico("1e-12", &wrong), 1);
  for (const char* zero : {"0", "-0.0", "0e99999999999999999999", "0.000e-99999999999999999999"}) {
    EXPECT_EQ(ParsePico(zero, &wrong), 0) << zero;
  }
  EXPECT_EQ(wrong, "");
  for (const char* text :
       {"1.0000000000001", "1.1", "2", "1e1", "1e-13", "1e99999999999999999999",
        "1e-99999999999999999999", "-1e-12", "0.0000000000001", "9223372036854775808"}) {
    EXPECT_EQ(ParsePico(text, &wrong), std::nullopt) << text;
  }
  // A million zeros and the exponent that takes them away again.
  EXPECT_EQ(ParsePico("1" + std::string(1'000'000, '0') + "e-1000007", &wrong), 100'000);
}

}  // namespace
}  // namespace pingti::command
