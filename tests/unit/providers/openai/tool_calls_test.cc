#include "server/providers/openai/tool_calls.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pingti::providers::openai {
namespace {

using ::testing::ElementsAre;

struct Fragment {
  std::optional<int64_t> index;
  std::string_view id;
  std::string_view name;
  std::string_view arguments;
};

// The calls that the fragments add up to, each as `id name arguments`.
std::vector<std::string> Calls(const std::vector<Fragment>& fragments) {
  ToolCallTracker tracker;
  model::StreamEvents events;
  for (const Fragment& f : fragments) {
    ToolFragment fragment;
    fragment.index = f.index;
    fragment.id = f.id;
    fragment.name = f.name;
    fragment.arguments = f.arguments;
    EXPECT_TRUE(tracker.Take(fragment, 0, &events));
  }
  struct Whole {
    std::string id, name, arguments;
  };
  std::vector<Whole> calls;
  for (const model::ContentDelta& event : events.deltas) {
    const auto& delta = std::get<model::ToolCallDelta>(event);
    size_t index = static_cast<size_t>(delta.index);
    EXPECT_LE(index, calls.size()) << "numbers without gaps";
    if (index == calls.size()) calls.emplace_back();
    calls[index].id += delta.id;
    calls[index].name += delta.name;
    calls[index].arguments += delta.arguments_json;
  }
  std::vector<std::string> lines;
  for (const Whole& call : calls) lines.push_back(call.id + " " + call.name + " " + call.arguments);
  return lines;
}

constexpr std::nullopt_t kNone = std::nullopt;

TEST(ToolCallTrackerTest, FollowsTheIndex) {
  EXPECT_THAT(Calls({{0, "a", "f", ""},
                     {1, "b", "g", ""},
                     {0, "", "", "x"},
                     {1, "", "", "y"},
                     {0, "", "", "z"}}),
              ElementsAre("a f xz", "b g y"));
}

TEST(ToolCallTrackerTest, NumbersFromZeroWhateverTheProviderBeginsWith) {
  EXPECT_THAT(Calls({{1, "a", "f", "x"}, {2, "b", "g", "y"}, {1, "", "", "z"}}),
              ElementsAre("a f xz", "b g y"));
}

TEST(ToolCallTrackerTest, BeginsACallWithANewIdWhereThereIsNoIndex) {
  EXPECT_THAT(Calls({{kNone, "a", "f", "x"},
                     {kNone, "", "", "y"},
                     {kNone, "b", "g", ""},
                     {kNone, "b", "", "z"},
                     {kNone, "a", "", "!"}}),
              ElementsAre("a f xy!", "b g z"));
}

TEST(ToolCallTrackerTest, BeginsACallWithANameWhereThereIsNeitherIndexNorId) {
  EXPECT_THAT(Calls({{kNone, "", "f", "{}"}, {kNone, "", "f", "{}"}}),
              ElementsAre(" f {}", " f {}"));
}

TEST(ToolCallTrackerTest, TakesARepeatedIdAndNameForTheSameCall) {
  EXPECT_THAT(Calls({{0, "a", "f", "x"}, {0, "a", "f", "y"}, {0, "", "", "z"}}),
              ElementsAre("a f xyz"));
}

TEST(ToolCallTrackerTest, KeepsCallsApartThatShareAnIndex) {
  EXPECT_THAT(Calls({{0, "a", "f", "x"}, {0, "b", "f", "y"}, {0, "", "", "z"}}),
              ElementsAre("a f x", "b f yz"));
  EXPECT_THAT(Calls({{0, "a", "f", "x"}, {1, "b", "g", ""}, {0, "b", "", "y"}}),
              ElementsAre("a f x", "b g y"));
  EXPECT_THAT(Calls({{0, "", "f", "{}"}, {0, "", "g", "{}"}}), ElementsAre(" f {}", " g {}"));
}

TEST(ToolCallTrackerTest, KeepsCallsApartThatShareAnId) {
  EXPECT_THAT(Calls({{0, "a", "f", "x"}, {1, "a", "g", "y"}, {1, "", "", "z"}}),
              ElementsAre("a f x", "a g yz"));
}

TEST(ToolCallTrackerTest, GoesOnWithACallWhoseIdChangesWithoutAName) {
  EXPECT_THAT(Calls({{0, "a", "f", "x"}, {0, "q", "", "y"}}), ElementsAre("a f xy"));
}

TEST(ToolCallTrackerTest, TakesAnIdThatComesLate) {
  EXPECT_THAT(Calls({{0, "", "f", ""}, {0, "a", "", "x"}}), ElementsAre("a f x"));
}

TEST(ToolCallTrackerTest, BoundsTheNumberOfCalls) {
  ToolCallTracker tracker;
  model::StreamEvents events;
  ToolFragment fragment;
  fragment.name = "f";
  for (size_t i = 0; i < kToolCallsMax; ++i) EXPECT_TRUE(tracker.Take(fragment, 0, &events));
  EXPECT_FALSE(tracker.Take(fragment, 0, &events));
}

}  // namespace
}  // namespace pingti::providers::openai
