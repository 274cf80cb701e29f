#include "client/command/conversation.h"

#include <gmock/gmock.h>
#include <signal.h>

#include "tests/unit/command/run_fixture.h"

namespace pingti::command {
namespace {

using testing::Finished;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Started;
using testing::TextDelta;

testing::StreamScript Says(const std::string& text) {
  return {.events = {Started("01J"), TextDelta(text), Finished(v1::FINISH_REASON_STOP)}};
}

class ConversationTest : public RunTest {
 protected:
  ConversationTest() {
    in_is_terminal_ = true;
    out_is_terminal_ = true;
  }
  // `role: text` of every message of a request.
  std::vector<std::string> Turns(std::size_t request) const {
    std::vector<std::string> turns;
    const v1::StreamCompletionRequest sent = server_.stream_requests().at(request);
    for (const auto& message : sent.spec().messages()) {
      turns.push_back(v1::Role_Name(message.role()).substr(5) + ": " + message.parts(0).text());
    }
    return turns;
  }
};

TEST_F(ConversationTest, KeepsTheHistory) {
  server_.streams = {Says("one"), Says("two")};
  Type("first\n\n   \nsecond\n");
  CloseInput();
  EXPECT_EQ(Pingti({"chat", "--system", "be brief"}), kExitOk);
  EXPECT_EQ(out(), "> one\n> > > two\n> ");
  ASSERT_EQ(server_.stream_requests().size(), 2u);
  EXPECT_EQ(Turns(1), (std::vector<std::string>{"SYSTEM: be brief", "USER: first", "ASSISTANT: one",
                                                "USER: second"}));
}

TEST_F(ConversationTest, AFailedTurnIsForgotten) {
  server_.streams = {{.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "busy")}, Says("two")};
  Type("first\nsecond\n");
  CloseInput();
  EXPECT_EQ(Pingti({"chat"}), kExitOk);
  EXPECT_THAT(err(), HasSubstr("busy"));
  EXPECT_EQ(Turns(1), (std::vector<std::string>{"USER: second"}));
}

TEST_F(ConversationTest, CtrlCStopsTheAnswerAndReturnsToThePrompt) {
  server_.streams = {{.events = {Started("01J"), TextDelta("half")}, .hang = true}, Says("two")};
  server_.on_hang = [] { ::kill(::getpid(), SIGINT); };
  Type("first\nsecond\n");
  CloseInput();
  EXPECT_EQ(Pingti({"chat"}), kExitOk);
  server_.WaitForCancel();
  EXPECT_THAT(err(), HasSubstr("cancelled"));
  ASSERT_EQ(server_.stream_requests().size(), 2u);
  // Whether "half" was read before the cancel is a race that both sides may win; the question stays
  // exactly when its answer began.
  const auto turns = Turns(1);
  EXPECT_EQ(turns.back(), "USER: second");
  EXPECT_TRUE(turns.size() == 1 || (turns.size() == 3 && turns[1] == "ASSISTANT: half"));
}

// Presses Ctrl-C each time a prompt has been shown, from the second one on.
class PromptBuf : public std::stringbuf {
 public:
  explicit PromptBuf(int first) : first_(first) {}
  int sync() override {
    if (str().ends_with("> ") && ++prompts_ >= first_) ::raise(SIGINT);
    return 0;
  }
  int prompts() const { return prompts_; }

 private:
  const int first_;
  int prompts_ = 0;
};

TEST_F(ConversationTest, ASecondCtrlCLeaves) {
  PromptBuf prompts(2);
  out_stream_.rdbuf(&prompts);
  server_.streams = {{.events = {Started("01J")}, .hang = true}};
  server_.on_hang = [] { ::kill(::getpid(), SIGINT); };
  Type("first\n");
  EXPECT_EQ(Pingti({"chat"}), kExitOk);
  EXPECT_EQ(prompts.prompts(), 2);
  EXPECT_THAT(err(), Not(HasSubstr("Ctrl-C again")));
}

TEST_F(ConversationTest, CtrlCAtThePromptAsksOnce) {
  PromptBuf prompts(1);
  out_stream_.rdbuf(&prompts);
  EXPECT_EQ(Pingti({"chat"}), kExitOk);
  EXPECT_EQ(prompts.prompts(), 2);
  EXPECT_THAT(err(), HasSubstr("Ctrl-C again"));
}

TEST_F(ConversationTest, PromptsStayOutOfAFile) {
  out_is_terminal_ = false;
  server_.streams = {Says("one")};
  Type("first\n");
  CloseInput();
  EXPECT_EQ(Pingti({"chat"}), kExitOk);
  EXPECT_EQ(out(), "one\n");
  EXPECT_EQ(err(), "> > \n");
}

TEST_F(ConversationTest, PicturesBelongToTheFirstTurn) {
  server_.streams = {Says("one"), Says("two")};
  Type("what is it\nand now\n");
  CloseInput();
  EXPECT_EQ(Pingti({"chat", "--image", "https://i/a.png"}), kExitOk);
  const auto request = server_.stream_requests().at(1);
  EXPECT_EQ(request.spec().messages(0).parts_size(), 2);
  EXPECT_EQ(request.spec().messages(2).parts_size(), 1);
}

TEST_F(ConversationTest, ARequestIdIsForOneCall) {
  EXPECT_EQ(Pingti({"chat", "--request-id", "r-1"}), kExitUsage);
}

}  // namespace
}  // namespace pingti::command
