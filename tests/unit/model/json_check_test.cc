#include "server/model/json_check.h"

#include <string>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/model/request_fields.h"

namespace pingti::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Members(std::string_view json) {
  auto members = JsonObjectMembers(json);
  EXPECT_TRUE(std::holds_alternative<std::vector<std::string>>(members)) << json;
  return std::get<std::vector<std::string>>(members);
}

std::string Refusal(std::string_view json) {
  auto members = JsonObjectMembers(json);
  EXPECT_TRUE(std::holds_alternative<std::string>(members)) << json;
  return std::get<std::string>(members);
}

TEST(JsonProblemTest, TakesEveryKindOfValue) {
  for (const char* json : {"{}", "[]", "3", "-0.5e3", "\"x\"", "true", "null", " {\"a\": [1, {}]} ",
                           "\"\\ud83d\\ude00\"", "\"\xE4\xBD\xA0\""}) {
    EXPECT_FALSE(JsonProblem(json).has_value()) << json << ": " << *JsonProblem(json);
  }
}

TEST(JsonProblemTest, RefusesWhatIsNotJson) {
  for (const char* json : {"",
                           " ",
                           "{",
                           "[1,2",
                           "{a:1}",
                           "{\"a\" 1}",
                           "{\"a\":1,}",
                           "[1,]",
                           "NaN",
                           "01",
                           "1.",
                           "tru",
                           "{} {}",
                           "'x'",
                           "// c\n1",
                           "\xEF\xBB\xBF{}",
                           "\"\\ud83d\"",
                           "\"\\x\"",
                           "\"a\nb\"",
                           "\"\xFF\"",
                           "\"\xC0\xAF\"",
                           "1e999"}) {
    EXPECT_TRUE(JsonProblem(json).has_value()) << json;
  }
}

TEST(JsonProblemTest, SaysWhere) {
  EXPECT_THAT(*JsonProblem("{\"a\":1,}"), HasSubstr("at byte 7"));
}

TEST(JsonProblemTest, RefusesNul) {
  EXPECT_EQ(*JsonProblem(std::string_view("{}\0", 3)), "NUL at byte 2");
}

TEST(JsonProblemTest, RefusesHalfASurrogatePair) {
  for (const char* json : {R"("\ud83d")", R"("\ude00")", R"("a\ude00b")", R"("\ude00\ud83d")",
                           R"({"\udc00":1})", R"({"a":["\udfff"]})"}) {
    EXPECT_TRUE(JsonProblem(json).has_value()) << json;
    EXPECT_TRUE(std::holds_alternative<std::string>(JsonObjectMembers(json))) << json;
  }
  EXPECT_THAT(*JsonProblem(R"({"\udc00":1})"), HasSubstr("half a surrogate pair at byte "));
}

TEST(JsonProblemTest, BoundsTheDepth) {
  auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_FALSE(JsonProblem(nested(kJsonDepthMax)).has_value());
  EXPECT_THAT(*JsonProblem(nested(kJsonDepthMax + 1)), HasSubstr("nested deeper"));
  EXPECT_THAT(*JsonProblem(nested(1'000'000)), HasSubstr("nested deeper"));
}

TEST(JsonObjectMembersTest, NamesTheOutermostMembersOnly) {
  EXPECT_THAT(Members("{}"), IsEmpty());
  EXPECT_THAT(Members(R"({"a":{"x":1},"b":[{"y":2}],"\u0063":3})"), ElementsAre("a", "b", "c"));
}

TEST(JsonObjectMembersTest, RefusesOtherValues) {
  for (const char* json : {"3", "[]", "[{\"a\":1}]", "\"x\"", "null"}) {
    EXPECT_THAT(Refusal(json), HasSubstr("not a JSON object")) << json;
  }
  EXPECT_THAT(Refusal("{"), HasSubstr("at byte 1"));
}

TEST(JsonObjectMembersTest, RefusesANameThatOccursTwice) {
  EXPECT_THAT(Refusal(R"({"a":1,"\u0061":2})"), HasSubstr("\"a\" occurs twice"));
}

TEST(IsKnownRequestFieldTest, KnowsWhatCompletionSpecCovers) {
  EXPECT_TRUE(IsKnownRequestField("model"));
  EXPECT_TRUE(IsKnownRequestField("max_completion_tokens"));
  EXPECT_TRUE(IsKnownRequestField("user"));
  EXPECT_FALSE(IsKnownRequestField("enable_search"));
  EXPECT_FALSE(IsKnownRequestField("Model"));
}

}  // namespace
}  // namespace pingti::model
