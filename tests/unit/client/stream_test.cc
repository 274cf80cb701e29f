#include "client/stream.h"

#include <gtest/gtest.h>

#include "client/client.h"
#include "tests/unit/client/server_double.h"

namespace pingti::client {
namespace {

using testing::ErrorInfoWith;
using testing::Finished;
using testing::ServerDouble;
using testing::Started;
using testing::StatusWith;
using testing::StreamScript;
using testing::TextDelta;

class CompletionStreamTest : public ::testing::Test {
 protected:
  CompletionStream Open(const StreamScript& script, const StreamOptions& options = {}) {
    server_.streams = {script};
    return OpenAgain(options);
  }

  // The same script once more.
  CompletionStream OpenAgain(const StreamOptions& options) {
    auto client =
        Client::Create({.target = server_.target(), .default_deadline = std::chrono::seconds(100)});
    EXPECT_TRUE(client.ok());
    v1::CompletionSpec spec;
    spec.set_model("gpt-4o");
    return client->Stream(spec, options);
  }

  ServerDouble server_;
};

TEST_F(CompletionStreamTest, YieldsEveryEventInOrder) {
  auto stream = Open({.events = {Started("01J"), TextDelta("Hel"), TextDelta("lo"),
                                 Finished(v1::FINISH_REASON_STOP)}});
  std::string text;
  int events = 0;
  for (const auto& event : stream) {
    ++events;
    text += event.delta().text();
  }
  EXPECT_EQ(events, 4);
  EXPECT_EQ(text, "Hello");
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_FALSE(stream.Finish().answer_started);
  EXPECT_EQ(stream.request_id(), "01J");
  EXPECT_FALSE(stream.Next().has_value()) << "the end stays the end";
}

TEST_F(CompletionStreamTest, FinishReadsWhatIsLeft) {
  auto stream =
      Open({.events = {Started("01J"), TextDelta("a"), Finished(v1::FINISH_REASON_STOP)}});
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(CompletionStreamTest, OkWithoutFinishedIsNotComplete) {
  auto stream = Open({.events = {Started("01J"), TextDelta("Hel")}});
  const Error& error = stream.Finish();
  EXPECT_EQ(error.code, grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(error.reason, kReasonAnswerIncomplete);
  EXPECT_EQ(error.request_id, "01J");
  EXPECT_TRUE(error.answer_started);
}

TEST_F(CompletionStreamTest, AnEmptyStreamIsNotComplete) {
  auto stream = Open({});
  const Error& error = stream.Finish();
  EXPECT_EQ(error.reason, kReasonAnswerIncomplete);
  EXPECT_EQ(error.request_id, "from-header");
  EXPECT_FALSE(error.answer_started);
}

TEST_F(CompletionStreamTest, AnEventAfterFinishedIsAnError) {
  auto stream =
      Open({.events = {Started("01J"), Finished(v1::FINISH_REASON_STOP), TextDelta("x")}});
  int events = 0;
  while (stream.Next()) ++events;
  EXPECT_EQ(events, 2);
  EXPECT_EQ(stream.Finish().code, grpc::StatusCode::INTERNAL);
}

TEST_F(CompletionStreamTest, ABreakAfterContentKeepsItsCause) {
  auto info = ErrorInfoWith("ANSWER_INCOMPLETE", "01J");
  (*info.mutable_metadata())["output_tokens"] = "7";
  auto stream =
      Open({.events = {Started("01J"), TextDelta("Hel")},
            .status = StatusWith(grpc::StatusCode::UNAVAILABLE, "the provider hung up", {&info})});
  const Error& error = stream.Finish();
  EXPECT_EQ(error.reason, "ANSWER_INCOMPLETE");
  EXPECT_EQ(error.metadata.at("output_tokens"), "7");
  EXPECT_TRUE(error.answer_started);
}

TEST_F(CompletionStreamTest, CancelReachesTheServerAndEndsTheStream) {
  auto stream = Open({.events = {Started("01J"), TextDelta("Hel")}, .hang = true});
  ASSERT_TRUE(stream.Next().has_value());
  ASSERT_TRUE(stream.Next().has_value());
  stream.Cancel();
  EXPECT_FALSE(stream.Next().has_value());
  EXPECT_EQ(stream.Finish().code, grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(stream.Finish().answer_started);
  server_.WaitForCancel();
}

TEST_F(CompletionStreamTest, ATokenCancelsFromAnotherThread) {
  std::stop_source stop;
  server_.on_hang = [&stop] { stop.request_stop(); };
  StreamOptions options;
  options.cancel = stop.get_token();
  auto stream = Open({.events = {Started("01J")}, .hang = true}, options);
  EXPECT_EQ(stream.Finish().code, grpc::StatusCode::CANCELLED);
  server_.WaitForCancel();
}

TEST_F(CompletionStreamTest, DestroyingItCancelsTheCall) {
  {
    auto stream = Open({.events = {Started("01J")}, .hang = true});
    ASSERT_TRUE(stream.Next().has_value());
  }
  server_.WaitForCancel();
}

TEST_F(CompletionStreamTest, MovingItKeepsTheCall) {
  auto stream = Open({.events = {Started("01J"), Finished(v1::FINISH_REASON_STOP)}});
  ASSERT_TRUE(stream.Next().has_value());
  CompletionStream moved = std::move(stream);
  EXPECT_TRUE(moved.Finish().ok());
}

TEST_F(CompletionStreamTest, DeadlineEndsAStreamThatHangs) {
  StreamOptions options;
  options.deadline = std::chrono::seconds(2);
  auto stream = Open({.events = {Started("01J"), TextDelta("a")}, .hang = true}, options);
  const Error& error = stream.Finish();
  EXPECT_EQ(error.code, grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(error.request_id, "01J");
}

TEST_F(CompletionStreamTest, AsksForReasoningOnlyWhenTold) {
  StreamOptions options;
  options.include_reasoning = true;
  Open({.events = {Finished(v1::FINISH_REASON_STOP)}}, options).Finish();
  OpenAgain({}).Finish();
  const auto requests = server_.stream_requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_TRUE(requests[0].include_reasoning());
  EXPECT_FALSE(requests[1].include_reasoning());
}

}  // namespace
}  // namespace pingti::client
