#include "client/command/run.h"

#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>

#include "tests/unit/command/run_fixture.h"

namespace pingti::command {
namespace {

using testing::ErrorInfoWith;
using testing::Finished;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Started;
using testing::StatusWith;
using testing::TextDelta;

testing::StreamScript Hello() {
  return {.events = {Started("01J"), TextDelta("你"), TextDelta("好"),
                     Finished(v1::FINISH_REASON_STOP)}};
}

TEST_F(RunTest, StreamsThePromptOfTheArguments) {
  server_.streams = {Hello()};
  EXPECT_EQ(Pingti({"chat", "-s", "be brief", "say", "hello"}), kExitOk);
  EXPECT_EQ(out(), "你好\n");
  EXPECT_THAT(err(), IsEmpty()) << "no statistics where standard error is no terminal";
  const auto request = server_.stream_requests().at(0);
  ASSERT_EQ(request.spec().messages_size(), 2);
  EXPECT_EQ(request.spec().messages(1).parts(0).text(), "say hello");
  EXPECT_EQ(request.spec().model(), "gpt-4o");
}

TEST_F(RunTest, ReadsThePromptFromStandardInput) {
  server_.streams = {Hello()};
  Type("first line\nsecond line\n");
  CloseInput();
  EXPECT_EQ(Pingti({"chat"}), kExitOk);
  EXPECT_EQ(server_.stream_requests().at(0).spec().messages(0).parts(0).text(),
            "first line\nsecond line\n");
}

TEST_F(RunTest, AnEmptyPromptIsWrongUsage) {
  CloseInput();
  EXPECT_EQ(Pingti({"chat"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("the prompt is empty"));
}

TEST_F(RunTest, FlushesEachDelta) {
  // Sees how much text there is at every flush.
  struct CountingBuf : std::stringbuf {
    std::vector<std::string> flushed;
    int sync() override {
      flushed.push_back(str());
      return 0;
    }
  } counting;
  out_stream_.rdbuf(&counting);
  server_.streams = {Hello()};
  EXPECT_EQ(Pingti({"chat", "hi"}), kExitOk);
  EXPECT_EQ(counting.flushed, (std::vector<std::string>{"你", "你好", "你好\n"}));
}

TEST_F(RunTest, StatisticsOnlyOnATerminal) {
  server_.streams = {Hello()};
  err_is_terminal_ = true;
  EXPECT_EQ(Pingti({"chat", "hi"}), kExitOk);
  EXPECT_EQ(err(),
            "yi-large by yi, 12 + 34 tokens, first after 300 ms, 2.0 s, 20.0 tokens/s "
            "[request 01J]\n");
}

TEST_F(RunTest, ColourOnlyWhereAllowed) {
  server_.streams = {Hello()};
  err_is_terminal_ = true;
  color_allowed_ = true;
  EXPECT_EQ(Pingti({"chat", "hi"}), kExitOk);
  EXPECT_THAT(err(), HasSubstr("\x1b[2m"));
  EXPECT_THAT(out(), Not(HasSubstr("\x1b")));
}

TEST_F(RunTest, ControlsOfTheModelAreShownOnATerminal) {
  server_.streams = {
      {.events = {Started("01J"), TextDelta("\x1b[2Jx\x07\n"), Finished(v1::FINISH_REASON_STOP)}}};
  out_is_terminal_ = true;
  EXPECT_EQ(Pingti({"chat", "hi"}), kExitOk);
  EXPECT_EQ(out(), "^[[2Jx^G\n");
}

TEST_F(RunTest, ControlsOfTheModelPassIntoAPipe) {
  server_.streams = {{.events = {Started("01J"), TextDelta("\x1b[2Jx\x07\r\n"),
                                 Finished(v1::FINISH_REASON_STOP)}}};
  EXPECT_EQ(Pingti({"chat", "hi"}), kExitOk);
  EXPECT_EQ(out(), "\x1b[2Jx\x07\r\n");
}

TEST_F(RunTest, JsonIsOneLinePerEvent) {
  server_.streams = {Hello()};
  EXPECT_EQ(Pingti({"chat", "--json", "hi"}), kExitOk);
  EXPECT_THAT(out(), ::testing::StartsWith("{\"started\":{\"request_id\":\"01J\"}}\n"
                                           "{\"delta\":{\"text\":\"你\"}}\n"
                                           "{\"delta\":{\"text\":\"好\"}}\n"
                                           "{\"finished\":{"));
  EXPECT_THAT(out(), HasSubstr("\"finish_reason\":\"FINISH_REASON_STOP\""));
  const std::string lines = out();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 4);
}

TEST_F(RunTest, WithoutStreamingThereIsOneAnswer) {
  server_.generate = [](const auto&, auto& response) {
    response.set_request_id("01K");
    response.add_choices()->set_text("hello");
    response.mutable_choices(0)->set_finish_reason(v1::FINISH_REASON_LENGTH);
    auto& citation = *response.mutable_choices(0)->add_citations();
    citation.set_number("1");
    citation.set_url("https://source");
    citation.set_title("Source");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Pingti({"chat", "--no-stream", "hi"}), kExitOk);
  EXPECT_EQ(out(), "hello\n\n[1] Source <https://source>\n");
  EXPECT_THAT(err(), HasSubstr("limit of tokens"));
  out_.str("");
  EXPECT_EQ(Pingti({"chat", "--no-stream", "--json", "hi"}), kExitOk);
  EXPECT_THAT(out(), ::testing::StartsWith("{\"request_id\":\"01K\""));
  EXPECT_THAT(out(), ::testing::EndsWith("}\n"));
}

TEST_F(RunTest, ReasoningGoesToStandardError) {
  v1::StreamCompletionResponse thought;
  thought.mutable_delta()->set_reasoning("hmm");
  server_.streams = {
      {.events = {Started("01J"), thought, TextDelta("yes"), Finished(v1::FINISH_REASON_STOP)}}};
  EXPECT_EQ(Pingti({"chat", "--reasoning", "hi"}), kExitOk);
  EXPECT_EQ(out(), "yes\n");
  EXPECT_EQ(err(), "hmm\n\n");
  EXPECT_TRUE(server_.stream_requests().at(0).include_reasoning());
}

TEST_F(RunTest, ALimitSaysWhenToTryAgain) {
  const auto info = ErrorInfoWith("QUOTA_EXCEEDED", "01J");
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  retry.mutable_retry_delay()->set_nanos(150'000'000);
  server_.streams = {
      {.status = StatusWith(grpc::StatusCode::RESOURCE_EXHAUSTED, "no tokens", {&info, &retry})}};
  EXPECT_EQ(Pingti({"chat", "hi"}), kExitTryLater);
  EXPECT_EQ(err(), "pingti: quota exceeded: no tokens (try again in 1.2 s) [request 01J]\n");
  EXPECT_EQ(out(), "");
}

TEST_F(RunTest, AnAnswerThatBreaksOffIsNeverReportedAsComplete) {
  server_.streams = {{.events = {Started("01J"), TextDelta("half")}}};
  EXPECT_EQ(Pingti({"chat", "hi"}), kExitIncomplete);
  EXPECT_EQ(out(), "half\n");
  EXPECT_THAT(err(), ::testing::StartsWith("pingti: answer incomplete: "));
  EXPECT_THAT(err(), HasSubstr("[request 01J]"));
}

TEST_F(RunTest, DeadlineHasItsOwnExitCode) {
  server_.streams = {{.events = {Started("01J")}, .hang = true}};
  EXPECT_EQ(Pingti({"chat", "--deadline", "2s", "hi"}), kExitDeadline);
  EXPECT_EQ(err(), "pingti: deadline exceeded [request 01J]\n");
}

TEST_F(RunTest, CtrlCCancelsTheAnswer) {
  server_.streams = {{.events = {Started("01J"), TextDelta("half")}, .hang = true}};
  server_.on_hang = [] { ::kill(::getpid(), SIGINT); };
  EXPECT_EQ(Pingti({"chat", "hi"}), kExitCancelled);
  server_.WaitForCancel();
  EXPECT_THAT(err(), HasSubstr("cancelled"));
}

TEST_F(RunTest, CtrlCEndsWaitingForStandardInput) {
  ASSERT_EQ(::raise(SIGINT), 0);
  EXPECT_EQ(Pingti({"chat"}), kExitCancelled);
}

TEST_F(RunTest, NoServerIsUnavailable) {
  // Nobody listens on port 0.
  const char* argv[] = {"pingti", "--target", "127.0.0.1:0", "quota"};
  const Console console{.in_fd = 0, .out = out_stream_, .err = err_stream_};
  EXPECT_EQ(command::Run(4, argv, console, interrupts_), kExitUnavailable);
  EXPECT_THAT(err(), HasSubstr("(target 127.0.0.1:0)"));
}

TEST_F(RunTest, BrokenStandardOutputStopsTheCall) {
  server_.streams = {{.events = {Started("01J"), TextDelta("x")}, .hang = true}};
  out_stream_.setstate(std::ios::badbit);
  EXPECT_EQ(Pingti({"chat", "hi"}), kExitOther);
  server_.WaitForCancel();
  EXPECT_THAT(err(), HasSubstr("standard output"));
}

TEST_F(RunTest, KeyComesFromFlagEnvironmentOrFile) {
  server_.streams = {Hello()};
  home_.Write("pingti/key", "pt_file\n", 0600);
  EXPECT_EQ(Pingti({"chat", "hi"}), kExitOk);
  EXPECT_EQ(server_.headers().at("authorization"), "Bearer pt_file");
  ::setenv("PINGTI_API_KEY", "pt_env", 1);
  EXPECT_EQ(Pingti({"chat", "hi"}), kExitOk);
  EXPECT_EQ(server_.headers().at("authorization"), "Bearer pt_env");
  EXPECT_EQ(Pingti({"chat", "--key", "pt_flag", "hi"}), kExitOk);
  EXPECT_EQ(server_.headers().at("authorization"), "Bearer pt_flag");
}

TEST_F(RunTest, AKeyFileThatOthersMayReadIsRefused) {
  server_.streams = {Hello()};
  home_.Write("pingti/key", "pt_file\n", 0640);
  EXPECT_EQ(Pingti({"chat", "hi"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("chmod 600"));
  EXPECT_TRUE(server_.stream_requests().empty());
  EXPECT_EQ(Pingti({"chat", "--key", "pt_flag", "hi"}), kExitOk) << "the file is not needed then";
}

TEST_F(RunTest, MissingKeyIsExplained) {
  const auto info = ErrorInfoWith("KEY_MISSING", "01J");
  server_.streams = {{.status = StatusWith(grpc::StatusCode::UNAUTHENTICATED, "no key", {&info})}};
  EXPECT_EQ(Pingti({"chat", "hi"}), kExitNotAllowed);
  EXPECT_THAT(err(), HasSubstr("PINGTI_API_KEY"));
}

TEST_F(RunTest, ModelsAreATable) {
  server_.models = [](const auto&, auto& response) {
    auto& model = *response.add_models();
    model.set_name("gpt-4o");
    model.set_serves("yi-large");
    model.set_provider("零一万物");
    model.set_model_class("gpt-4o");
    model.set_context_tokens(32768);
    response.add_models()->set_name("yi-large");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Pingti({"models"}), kExitOk);
  EXPECT_EQ(out(),
            "NAME      SERVES    PROVIDER  CLASS   CONTEXT  PRICE PER MILLION\n"
            "gpt-4o    yi-large  零一万物  gpt-4o   32,768                  -\n"
            "yi-large                                    -                  -\n");
  out_.str("");
  EXPECT_EQ(Pingti({"models", "--json"}), kExitOk);
  EXPECT_THAT(out(), HasSubstr("\"context_tokens\":\"32768\""));
}

TEST_F(RunTest, QuotaIsATable) {
  server_.quota = [](const auto& request, auto& response) {
    EXPECT_EQ(request.model(), "gpt-4o");
    response.set_tenant("acme");
    response.set_tier("Tier3");
    auto& bucket = *response.add_buckets();
    bucket.set_name("tenant:acme/class:gpt-4o/requests_per_minute");
    bucket.set_limit(5000);
    bucket.set_remaining(2500);
    bucket.mutable_full_in()->set_seconds(30);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Pingti({"quota", "--model", "gpt-4o"}), kExitOk);
  EXPECT_EQ(out(),
            "tenant acme, Tier3\n\n"
            "BUCKET                            LIMIT   LEFT                          "
            "FULL AGAIN IN  AT\n"
            "class:gpt-4o/requests_per_minute  5,000  2,500  [##########----------]         "
            "30.0 s\n");
  out_.str("");
  EXPECT_EQ(Pingti({"quota", "--model", "gpt-4o", "--json"}), kExitOk);
  EXPECT_THAT(out(), HasSubstr("\"name\":\"tenant:acme/class:gpt-4o/requests_per_minute\""));
}

TEST_F(RunTest, OnATerminalTheQuotaHasColoursAndBlocks) {
  server_.quota = [](const auto&, auto& response) {
    auto& bucket = *response.add_buckets();
    bucket.set_limit(10);
    bucket.set_remaining(5);
    return grpc::Status::OK;
  };
  out_is_terminal_ = true;
  color_allowed_ = true;
  EXPECT_EQ(Pingti({"quota"}), kExitOk);
  EXPECT_THAT(out(), HasSubstr("\x1b[32m██████████░░░░░░░░░░\x1b[0m"));
}

TEST_F(RunTest, CountIsATable) {
  server_.count = [](const auto& request, auto& response) {
    response.set_input_tokens(request.spec().messages_size() == 1 ? 1234 : 0);
    response.set_likely_output_tokens(500);
    response.set_reserved_tokens(1734);
    response.set_source(v1::USAGE_SOURCE_ESTIMATED);
    response.set_upstream_model("yi-large");
    response.set_context_tokens(32768);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Pingti({"count", "hello"}), kExitOk);
  EXPECT_EQ(out(),
            "               TOKENS\n"
            "input           1,234  estimated\n"
            "likely output     500\n"
            "reserved        1,734  from tokens per minute\n"
            "context        32,768  of yi-large\n");
}

TEST_F(RunTest, TargetsAndKeysThatCannotBeAreWrongUsage) {
  EXPECT_EQ(Pingti({"models", "--key", "pt a"}), kExitUsage);
  EXPECT_EQ(Pingti({"models", "--ca", "/nonexistent"}), kExitUsage);
  EXPECT_EQ(Pingti({"chat", "--image", "/nonexistent", "hi"}), kExitUsage);
}

}  // namespace
}  // namespace pingti::command
