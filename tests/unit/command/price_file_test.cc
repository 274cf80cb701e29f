#include "client/command/price_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pingti::command {
namespace {

using ::testing::HasSubstr;
using Kind = PriceField::Kind;

std::vector<PriceEntry> Good(const std::string& json) {
  std::vector<PriceEntry> entries;
  EXPECT_EQ(ReadPriceFile(json, &entries), "") << json;
  return entries;
}

std::string Bad(const std::string& json) {
  std::vector<PriceEntry> entries;
  const std::string wrong = ReadPriceFile(json, &entries);
  EXPECT_NE(wrong, "") << json;
  return wrong;
}

TEST(PriceFileTest, NumbersStayTheTextThatTheyAre) {
  const auto entries = Good(
      "{\"a\":{\"x\": 1.50e-07 ,\"y\":123456789012345678901234567890,\"z\":-0.0},"
      "\"\\u56e2队\\n\":{\"s\":\"1e-06\\u0022\",\"t\":true,\"f\":false,\"n\":null,"
      "\"l\":[1,{\"d\":[]}],\"m\":{\"k\":\"v\"}},\"no\":[1]}");
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].Find("x")->text, "1.50e-07");
  EXPECT_EQ(entries[0].Find("x")->kind, Kind::kNumber);
  EXPECT_EQ(entries[0].Find("y")->text, "123456789012345678901234567890");
  EXPECT_EQ(entries[0].Find("z")->text, "-0.0");
  EXPECT_EQ(entries[0].Find("w"), nullptr);
  EXPECT_EQ(entries[1].key, "团队\n");
  EXPECT_EQ(entries[1].Find("s")->text, "1e-06\"");
  EXPECT_EQ(entries[1].Find("t")->kind, Kind::kTrue);
  EXPECT_EQ(entries[1].Find("n"), nullptr);
  EXPECT_EQ(entries[1].Find("l")->kind, Kind::kOther);
  EXPECT_EQ(entries[1].Find("m")->kind, Kind::kOther);
  EXPECT_FALSE(entries[2].is_map);
  EXPECT_TRUE(Good("{}").empty());
}

TEST(PriceFileTest, WhatIsNoJsonIsRefusedWhereverItIs) {
  for (const char* json : {"",
                           " ",
                           "{",
                           "{\"a\":{}",
                           "{\"a\":{},}",
                           "{\"a\":{\"x\":01}}",
                           "{\"a\":{\"x\":1.}}",
                           "{\"a\":{\"x\":.5}}",
                           "{\"a\":{\"x\":+1}}",
                           "{\"a\":{\"x\":1e}}",
                           "{\"a\":{\"x\":NaN}}",
                           "{\"a\":{\"x\":tru}}",
                           "{\"a\":{\"x\":nulll}}",
                           "{\"a\":{\"x\":\"\\q\"}}",
                           "{\"a\":{\"x\":\"\xff\"}}",
                           "{\"a\":{\"x\":[1,]}}",
                           "{\"a\":{\"x\":[01]}}",
                           "{\"a\":{\"x\":{\"y\":1.}}}",
                           "{\"a\":{\"x\":{\"y\":\"\\q\"}}}",
                           "{\"a\":[tru]}",
                           "{\"a\":{}} {}",
                           "{\"a\":{}}]",
                           "{\"a\" {}}",
                           "{a:{}}",
                           "{'a':{}}",
                           "{\"a\":{\"x\":1 2}}"}) {
    EXPECT_THAT(Bad(json), HasSubstr("is no JSON")) << json;
  }
  EXPECT_THAT(Bad("{\n\"a\": {\n\"x\": 01}}"), HasSubstr("line 3"));
  for (const char* json : {"[]", "1", "\"a\"", "null"}) {
    EXPECT_THAT(Bad(json), HasSubstr("is no")) << json;
  }
}

TEST(PriceFileTest, EachModelAndFieldIsThereOnce) {
  EXPECT_EQ(Bad("{\"a\":{},\"b\":{},\"a\":{}}"), "a: is there twice; leave one of them");
  EXPECT_EQ(Bad("{\"a\":{\"x\":1,\"\\u0078\":2}}"), "a: x is there twice; leave one of them");
}

TEST(PriceFileTest, DepthIsBounded) {
  const auto nested = [](int depth) {
    return "{\"a\":{\"x\":" + std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']') + "}}";
  };
  Good(nested(kJsonDepthMax - 1));
  Bad(nested(kJsonDepthMax + 1));
  Bad(nested(100'000));
}

}  // namespace
}  // namespace pingti::command
