#include "server/quota/output_cap.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace pingti::quota {
namespace {

CallerLimits Read(std::string provider_fields_json) {
  model::CompletionRequest request;
  request.provider_fields_json = std::move(provider_fields_json);
  return ReadCallerLimits(request);
}

TEST(CallerLimitsTest, AreNoneWithoutAField) {
  const CallerLimits limits = ReadCallerLimits({});
  EXPECT_EQ(limits.output_cap, 0);
  EXPECT_EQ(limits.choices, 1);
}

TEST(CallerLimitsTest, KnowEveryName) {
  for (const char* name :
       {"max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens", "max_gen_len",
        "num_predict", "maxOutputTokens", "maxTokens"}) {
    EXPECT_EQ(Read("{\"" + std::string(name) + "\": 77}").output_cap, 77) << name;
    for (const char* section : {"generationConfig", "generation_config", "options", "parameters"}) {
      EXPECT_EQ(
          Read("{\"" + std::string(section) + "\": {\"a\": 1, \"" + name + "\": 78}}").output_cap,
          78)
          << section << "." << name;
    }
  }
  for (const char* name : {"n", "best_of", "num_return_sequences", "candidateCount"}) {
    EXPECT_EQ(Read("{\"" + std::string(name) + "\": 3}").choices, 3) << name;
  }
}

TEST(CallerLimitsTest, AreTheLargestOfAll) {
  model::CompletionRequest request;
  request.sampling.max_output_tokens = 100;
  request.sampling.n = 2;
  request.provider_fields_json =
      R"({"max_tokens": 50, "max_new_tokens": 900, "options": {"num_predict": 300}, "best_of": 5})";
  EXPECT_EQ(ReadCallerLimits(request).output_cap, 900);
  EXPECT_EQ(ReadCallerLimits(request).choices, 5);
  request.sampling.max_output_tokens = 1'000;
  request.sampling.n = 6;
  EXPECT_EQ(ReadCallerLimits(request).output_cap, 1'000);
  EXPECT_EQ(ReadCallerLimits(request).choices, 6);
}

TEST(CallerLimitsTest, CountEveryOneOfARepeatedName) {
  EXPECT_EQ(Read(R"({"max_tokens": 900, "max_tokens": 5})").output_cap, 900);
  EXPECT_EQ(Read(R"({"max_tokens": 5, "max_tokens": 900})").output_cap, 900);
}

TEST(CallerLimitsTest, ReadANameThatIsEscaped) {
  EXPECT_EQ(Read(R"({"max\u005ftokens": 900})").output_cap, 900);
}

TEST(CallerLimitsTest, TakeNumbersAsLenientProvidersDo) {
  EXPECT_EQ(Read(R"({"max_tokens": 1e3})").output_cap, 1'000);
  EXPECT_EQ(Read(R"({"max_tokens": 99.5})").output_cap, 99);
  EXPECT_EQ(Read(R"({"max_tokens": "4096"})").output_cap, 4'096);
  EXPECT_EQ(Read(R"({"max_tokens": 18446744073709551615})").output_cap, kOutputCapMax);
  EXPECT_EQ(Read(R"({"max_tokens": 1e300})").output_cap, kOutputCapMax);
  EXPECT_EQ(Read(R"({"max_tokens": "99999999999999999999999"})").output_cap, kOutputCapMax);
  EXPECT_EQ(Read(R"({"n": 1e9})").choices, kChoicesMax);
}

TEST(CallerLimitsTest, IgnoreWhatIsNoLimit) {
  for (const char* value : {"0", "-5", "null", "true", "\"many\"", "\"-99999999999999999999999\"",
                            "\"\"", "[500]", "{\"max_tokens\": 500}", "\"12x\""}) {
    EXPECT_EQ(Read("{\"max_tokens\": " + std::string(value) + "}").output_cap, 0) << value;
    EXPECT_EQ(Read("{\"n\": " + std::string(value) + "}").choices, 1) << value;
  }
}

TEST(CallerLimitsTest, LookOnlyWhereAProviderWould) {
  EXPECT_EQ(Read(R"({"metadata": {"max_tokens": 500}})").output_cap, 0);
  EXPECT_EQ(Read(R"({"options": [{"max_tokens": 500}]})").output_cap, 0);
  EXPECT_EQ(Read(R"({"options": {"deeper": {"max_tokens": 500}}})").output_cap, 0);
  EXPECT_EQ(Read(R"(["max_tokens", 500])").output_cap, 0);
  EXPECT_EQ(Read(R"({"note": "max_tokens", "other": 500})").output_cap, 0);
  // After a section, and after an array in it, the outer object goes on.
  EXPECT_EQ(Read(R"({"options": {"a": [1, {}]}, "max_tokens": 5})").output_cap, 5);
  EXPECT_EQ(Read(R"({"options": 1, "x": {"max_tokens": 500}})").output_cap, 0);
}

TEST(CallerLimitsTest, SurviveAnyText) {
  EXPECT_EQ(Read(R"({"max_tokens": 5, "broken)").output_cap, 5);
  EXPECT_EQ(Read("nonsense").output_cap, 0);
  EXPECT_EQ(Read(std::string(1'000'000, '[')).output_cap, 0);
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += R"({"options":)";
  EXPECT_EQ(Read(deep).output_cap, 0);
}

}  // namespace
}  // namespace pingti::quota
