#include "server/providers/sse_parser.h"

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/providers/reference_sse.h"

namespace pingti::providers {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NamedData;
using ::testing::Pair;

constexpr size_t kLimit = 1 << 20;

struct Outcome {
  std::vector<NamedData> events;
  SseResult end = SseResult::kNeedMore;  // or why it stopped
  bool operator==(const Outcome&) const = default;
};

// Feeds the pieces one after the other, each from memory of its own that is freed after it.
Outcome Parse(const std::vector<std::string_view>& pieces, size_t limit = kLimit) {
  SseParser parser(limit);
  Outcome outcome;
  SseEvent event;
  auto take = [&] { outcome.events.emplace_back(event.name, event.data); };
  for (std::string_view piece : pieces) {
    std::vector<char> bytes(piece.begin(), piece.end());
    parser.Feed({bytes.data(), bytes.size()});
    while ((outcome.end = parser.Next(&event)) == SseResult::kEvent) take();
    if (outcome.end != SseResult::kNeedMore) return outcome;
  }
  outcome.end = parser.Finish(&event);
  if (outcome.end == SseResult::kEvent) {
    take();
    outcome.end = SseResult::kNeedMore;
  }
  return outcome;
}

std::vector<NamedData> Events(std::string_view stream) { return Parse({stream}).events; }

// The same outcome whole, byte by byte, and cut in two at every place.
void ExpectSameHoweverCut(std::string_view stream, size_t limit = kLimit) {
  Outcome whole = Parse({stream}, limit);
  std::vector<std::string_view> bytes;
  for (size_t i = 0; i < stream.size(); ++i) bytes.push_back(stream.substr(i, 1));
  EXPECT_EQ(Parse(bytes, limit), whole);
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    EXPECT_EQ(Parse({stream.substr(0, cut), stream.substr(cut)}, limit), whole) << "at " << cut;
  }
}

TEST(SseParserTest, TakesEveryLineEnd) {
  for (std::string_view end : {"\n", "\r", "\r\n"}) {
    std::string stream;
    for (std::string_view line : {"data: one", "", "data: two", "data: three", ""}) {
      stream.append(line).append(end);
    }
    EXPECT_THAT(Events(stream), ElementsAre(Pair("", "one"), Pair("", "two\nthree")));
    ExpectSameHoweverCut(stream);
  }
}

TEST(SseParserTest, TakesMixedLineEnds) {
  std::string_view stream = "data: a\r\n\ndata: b\r\rdata: c\n\r\ndata: d\r\n\r\n";
  EXPECT_THAT(Events(stream),
              ElementsAre(Pair("", "a"), Pair("", "b"), Pair("", "c"), Pair("", "d")));
  ExpectSameHoweverCut(stream);
}

TEST(SseParserTest, StripsOneSpaceOnly) {
  EXPECT_THAT(Events("data:x\n\ndata: x\n\ndata:  x\n\ndata:\tx\n\n"),
              ElementsAre(Pair("", "x"), Pair("", "x"), Pair("", " x"), Pair("", "\tx")));
}

TEST(SseParserTest, JoinsDataLines) {
  std::string_view stream = "data: a\ndata:\ndata\ndata: b\n\n";
  EXPECT_THAT(Events(stream), ElementsAre(Pair("", "a\n\n\nb")));
  ExpectSameHoweverCut(stream);
}

TEST(SseParserTest, IgnoresCommentsAndUnknownFields) {
  std::string_view stream =
      ": ping\n\n:\n\nid: 7\nretry: 3\nfoo\ndatax: no\n data: no\ndata: yes\n: in between\n\n";
  EXPECT_THAT(Events(stream), ElementsAre(Pair("", "yes")));
  ExpectSameHoweverCut(stream);
}

TEST(SseParserTest, NamesEvents) {
  std::string_view stream = "event: ping\n\nevent: a\nevent: b\ndata: x\n\ndata: y\n\n";
  EXPECT_THAT(Events(stream), ElementsAre(Pair("b", "x"), Pair("", "y")));
  ExpectSameHoweverCut(stream);
}

TEST(SseParserTest, TakesAByteOrderMarkAtTheBeginningOnly) {
  ExpectSameHoweverCut(
      "\xEF\xBB\xBF"
      "data: x\n\n");
  EXPECT_THAT(Events("\xEF\xBB\xBF"
                     "data: x\n\n"),
              ElementsAre(Pair("", "x")));
  EXPECT_THAT(Events("\xEF\xBB"
                     "data: x\n\n"),
              IsEmpty());
  EXPECT_THAT(Events("\n\xEF\xBB\xBF"
                     "data: x\n\n"),
              IsEmpty());
  ExpectSameHoweverCut(
      "\xEF\xBB"
      "data: x\n\ndata: y\n\n");
}

TEST(SseParserTest, EndsLinesWithNothingElse) {
  std::string_view stream =
      "data: a\xE2\x80\xA8"
      "b\xC2\x85"
      "c\x0B"
      "d\n\n";
  EXPECT_THAT(Events(stream), ElementsAre(Pair("",
                                               "a\xE2\x80\xA8"
                                               "b\xC2\x85"
                                               "c\x0B"
                                               "d")));
  ExpectSameHoweverCut(stream);
}

TEST(SseParserTest, GivesTheEventThatTheEndCutsOff) {
  EXPECT_THAT(Events("data: a\n\ndata: b"), ElementsAre(Pair("", "a"), Pair("", "b")));
  EXPECT_THAT(Events("data: a\n\nevent: e\ndata: b\n"), ElementsAre(Pair("", "a"), Pair("e", "b")));
  EXPECT_THAT(Events("data: a\ndata: b"), ElementsAre(Pair("", "a\nb")));
  EXPECT_THAT(Events("event: e"), IsEmpty());
  ExpectSameHoweverCut("data: a\n\ndata: b");
}

TEST(SseParserTest, RefusesNul) {
  std::string_view stream("data: a\n\ndata: b\0c\n\n", 19);
  Outcome outcome = Parse({stream});
  EXPECT_EQ(outcome.end, SseResult::kNul);
  EXPECT_THAT(outcome.events, ElementsAre(Pair("", "a")));
  ExpectSameHoweverCut(stream);
}

TEST(SseParserTest, BoundsLines) {
  EXPECT_THAT(Parse({"data: 4567\n\n"}, 10).events, ElementsAre(Pair("", "4567")));
  EXPECT_EQ(Parse({"data: 45678\n\n"}, 10).end, SseResult::kTooLong);
  EXPECT_EQ(Parse({": 456789 "}, 8).end, SseResult::kTooLong);
  for (std::string_view stream : {"data: 4567\n\n", "data: 45678\n\n", "data: a\n\ndata: 345678"}) {
    ExpectSameHoweverCut(stream, 10);
  }
  // Which verdict comes first does not depend on the cuts either.
  ExpectSameHoweverCut(std::string_view("data: 456789\0\n", 14), 10);
  ExpectSameHoweverCut(std::string_view("data: 4\0"
                                        "6789012\n",
                                        16),
                       10);
}

TEST(SseParserTest, BoundsTheDataOfAnEvent) {
  std::string stream;
  for (int i = 0; i < 4; ++i) stream += "data: 12\n";
  EXPECT_EQ(Parse({stream + "\n"}, 11).end, SseResult::kNeedMore);
  EXPECT_EQ(Parse({stream + "data: 12\n\n"}, 11).end, SseResult::kTooLong);
  ExpectSameHoweverCut(stream + "data: 12\n\n", 11);
}

TEST(SseParserTest, DoesNotCopyAnEventThatIsWhole) {
  std::string stream = "data: first\n\ndata: second\n\n";
  SseParser parser(kLimit);
  parser.Feed(stream);
  SseEvent event;
  for (size_t at : {6u, 19u}) {
    ASSERT_EQ(parser.Next(&event), SseResult::kEvent);
    EXPECT_EQ(event.data.data(), stream.data() + at);
  }
}

TEST(SseParserTest, TakesALineOfMegabytes) {
  std::string text(4 << 20, 'x');
  std::string stream = "data: " + text + "\n\n";
  EXPECT_THAT(Parse({stream}, 5 << 20).events, ElementsAre(Pair("", text)));
  std::vector<std::string_view> pieces;
  for (size_t at = 0; at < stream.size(); at += 16'384) {
    pieces.push_back(std::string_view(stream).substr(at, 16'384));
  }
  EXPECT_THAT(Parse(pieces, 5 << 20).events, ElementsAre(Pair("", text)));
}

TEST(SseParserTest, AgreesWithTheReferenceOnRandomStreams) {
  std::mt19937 random(20240625);
  constexpr std::string_view kPieces[] = {
      "data",         ":",  " ",    "\n",      "\r",          "\r\n", "event", "x", "\n", "data: ",
      "\xE4\xBD\xA0", "id", "\n\n", "event: ", "\xEF\xBB\xBF"};
  for (int round = 0; round < 3000; ++round) {
    std::string stream;
    int count = static_cast<int>(random() % 40);
    for (int i = 0; i < count; ++i) stream += kPieces[random() % std::size(kPieces)];
    std::vector<std::string_view> pieces;
    for (size_t at = 0; at < stream.size();) {
      size_t size = 1 + random() % 9;
      pieces.push_back(std::string_view(stream).substr(at, size));
      at += size;
    }
    EXPECT_EQ(Parse(pieces).events, testing::ReferenceEvents(stream)) << "round " << round;
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace pingti::providers
