#include "server/quota/token_counter.h"

#include <ostream>
#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace pingti::quota {
namespace {

// A text and how many tokens OpenAI's two encodings make of it (counted with their tables).
struct Sample {
  const char* name;
  std::string_view text;
  int o200k_base;
  int cl100k_base;
};

void PrintTo(const Sample& sample, std::ostream* out) { *out << sample.name; }

constexpr Sample kSamples[] = {
    {"English",
     "When the rain stopped, my grandmother opened the windows and let the cool air into the "
     "kitchen. She had been baking since dawn, and the whole house smelled of cinnamon and apples. "
     "\"You never know who might come by,\" she used to say, setting two extra plates on the "
     "table. Nobody came that afternoon, but we didn't mind: there was more cake for us.",
     75, 76},
    {"Chinese",
     "随着城市的发展,越来越多的人选择在周末离开市中心,到郊外去散步、爬山或者钓鱼。去年秋天,"
     "我们全家一起去了一个小村庄,那里只有几十户人家,路边种满了柿子树。请把上面这段话翻译成英文,"
     "并解释其中的语法难点。",
     84, 123},
    {"Japanese",
     "昨日の夕方、友達と駅前の喫茶店で会いました。窓の外では雨が降っていて、道を歩く人はみんな傘を"
     "さしていました。次の会議の資料を三ページ以内にまとめてください。",
     60, 82},
    {"Russian",
     "Вчера вечером мы встретились в небольшом кафе у вокзала и долго говорили о работе. "
     "Пожалуйста, переведите это письмо на английский язык и сделайте его короче.",
     42, 82},
    {"German",
     "Gestern Abend haben wir uns in einem kleinen Café am Bahnhof getroffen und lange über die "
     "Arbeit gesprochen. Bitte übersetze diesen Brief ins Englische und kürze ihn auf höchstens "
     "fünf Sätze.",
     39, 53},
    {"Cpp",
     "std::optional<int> FindFirst(const std::vector<int>& values, int wanted) {\n"
     "  for (size_t i = 0; i < values.size(); ++i) {\n"
     "    if (values[i] == wanted) return static_cast<int>(i);\n"
     "  }\n"
     "  return std::nullopt;\n"
     "}\n",
     64, 65},
    {"Python",
     "def moving_average(samples, window=5):\n"
     "    \"\"\"Mean of the last `window` samples, one for each position.\"\"\"\n"
     "    total, result = 0.0, []\n"
     "    for i, value in enumerate(samples):\n"
     "        total += value\n"
     "        if i >= window:\n"
     "            total -= samples[i - window]\n"
     "        result.append(total / min(i + 1, window))\n"
     "    return result\n",
     81, 81},
    {"JsonSchema",
     R"({"type":"object","properties":{"city":{"type":"string","description":"Where to look"},)"
     R"("days":{"type":"integer","minimum":1,"maximum":14},"unit":{"type":"string","enum":)"
     R"(["celsius","fahrenheit"]}},"required":["city"]})",
     55, 53},
    {"Log",
     "2026-03-01T09:15:42.118Z INFO worker=3 tenant=acme status=OK ms=842 bytes=19344\n"
     "2026-03-01T09:15:42.377Z WARN worker=1 tenant=duck status=LATE ms=5120 bytes=88\n",
     67, 67},
    {"Base64",
     "iVBORw0KGgoAAAANSUhEUgAAASwAAADICAYAAABS39xVAAAACXBIWXMAAAsTAAALEwEAmpwYAAAKT2lDQ1BQaG90b3No"
     "b3AgSUNDIHByb2ZpbGUAAHjanVNnVFPpFj333vRCS4iAlEtvUhUIIFJCi4AUkSYq",
     95, 97},
};

class TokenSampleTest : public testing::TestWithParam<Sample> {};

TEST_P(TokenSampleTest, IsWithinAQuarterOfWhatTheEncodingsMake) {
  const Sample& sample = GetParam();
  const double real = (sample.o200k_base + sample.cl100k_base) / 2.0;
  const auto estimate = static_cast<double>(EstimateTextTokens(sample.text));
  EXPECT_GE(estimate / real, 0.78) << estimate;
  EXPECT_LE(estimate / real, 1.25) << estimate;
}

INSTANTIATE_TEST_SUITE_P(Samples, TokenSampleTest, testing::ValuesIn(kSamples),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(EstimateTextTest, CountsLettersAndWords) {
  EXPECT_EQ(EstimateTextTokens(""), 0);
  EXPECT_EQ(EstimateTextTokens("a"), 1);
  EXPECT_EQ(EstimateTextTokens("word"), 1);
  EXPECT_EQ(EstimateTextTokens("thinking"), 2);
  // 21 letters at 0.15 and 5 words at 0.5: 5.65.
  EXPECT_EQ(EstimateTextTokens("the quick brown fox jumps"), 6);
}

TEST(EstimateTextTest, CountsNumbers) {
  EXPECT_EQ(EstimateTextTokens("1234567"), 3);    // 1.15 + 7 x 0.3 = 3.25
  EXPECT_EQ(EstimateTextTokens("12 345 67"), 6);  // 3 x 1.15 + 7 x 0.3 = 5.55
}

TEST(EstimateTextTest, CountsEachChineseJapaneseAndKoreanCharacter) {
  EXPECT_EQ(EstimateTextTokens("你好世界"), 4);
  EXPECT_EQ(EstimateTextTokens("こんにちは"), 5);
  EXPECT_EQ(EstimateTextTokens("안녕"), 2);
  // 2; 11 letters and 3 words, for the sign ends one: 3.15; 1 sign: 0.5.
  EXPECT_EQ(EstimateTextTokens("平替 means drop-in"), 6);
}

TEST(EstimateTextTest, CodeCostsMoreThanProseOfTheSameLength) {
  const std::string_view code = "if(a[i]!=b[j]){x->y(z,&w);return*p++;}";
  const std::string_view prose = "the letters of this line are as many..";
  ASSERT_EQ(code.size(), prose.size());
  EXPECT_EQ(EstimateTextTokens(code), 17);
  EXPECT_EQ(EstimateTextTokens(prose), 9);
}

TEST(EstimateTextTest, SignsInARunCostLessThanSignsAlone) {
  EXPECT_EQ(EstimateTextTokens("){};):({};"), 4);           // 10 x 0.35 + 0.15 = 3.65
  EXPECT_EQ(EstimateTextTokens("+ - * / = < > ! & |"), 5);  // 10 x (0.35 + 0.15)
}

TEST(EstimateTextTest, AnIndentIsAboutOneTokenHoweverDeep) {
  const int64_t flat = EstimateTextTokens("one\ntwo\nthree\nfour\nfive");
  EXPECT_EQ(EstimateTextTokens("one\n  two\n  three\n  four\n  five"),
            EstimateTextTokens("one\n\t\t\ttwo\n        three\n\n\n\nfour\n            five"));
  EXPECT_NEAR(EstimateTextTokens("one\n  two\n  three\n  four\n  five") - flat, 4 * 1.35, 1);
  EXPECT_EQ(EstimateTextTokens(" "), 0);
}

TEST(EstimateTextTest, CamelCaseIsSeveralTokens) {
  EXPECT_GE(EstimateTextTokens("getUserNameFromRequestContext"), 6);
  EXPECT_EQ(EstimateTextTokens("GETUSERNAMEFROMREQUESTCONTEXT"), 5);  // 29 x 0.15 + 0.5
}

TEST(EstimateTextTest, CountsOtherScriptsByTheirLeadBytes) {
  EXPECT_EQ(EstimateTextTokens("привет"), 3);  // 6 x 0.47
  EXPECT_EQ(EstimateTextTokens("é"), 1);       // anything is something
  EXPECT_EQ(EstimateTextTokens("สวัสดี"), 5);    // 6 x 0.78
  EXPECT_EQ(EstimateTextTokens("😀😀"), 4);
}

TEST(EstimateTextTest, TakesAnyBytes) {
  std::string all;
  for (int round = 0; round < 3; ++round) {
    for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>((c * (2 * round + 1)) & 0xff));
  }
  EXPECT_GT(EstimateTextTokens(all), 0);
  EXPECT_EQ(EstimateTextTokens("\x80\xbf\x80"), 0);
}

TEST(TokenCounterTest, PiecesCountAsTheWholeAtEverySplit) {
  const std::string text = "Hello,  世界! fooBar(x) = 12345;\n    привет 😀 \n\n done.";
  const int64_t whole = EstimateTextTokens(text);
  for (size_t first = 0; first <= text.size(); ++first) {
    for (size_t second = first; second <= text.size(); ++second) {
      TokenCounter counter;
      counter.Add(std::string_view(text).substr(0, first));
      counter.Add(std::string_view(text).substr(first, second - first));
      counter.Add(std::string_view(text).substr(second));
      ASSERT_EQ(counter.tokens(), whole) << first << " " << second;
    }
  }
}

}  // namespace
}  // namespace pingti::quota
