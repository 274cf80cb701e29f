#include "client/command/command_line.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <sstream>

namespace pingti::command {
namespace {

using std::chrono::milliseconds;

class CommandLineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"PINGTI_TARGET", "PINGTI_API_KEY", "PINGTI_MODEL"}) ::unsetenv(name);
  }
  void TearDown() override { SetUp(); }

  std::variant<CommandLine, ExitCode> Parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "pingti");
    out_.str("");
    err_.str("");
    return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data(), out_, err_);
  }
  CommandLine Accepted(std::vector<const char*> arguments) {
    const auto parsed = Parse(std::move(arguments));
    EXPECT_TRUE(std::holds_alternative<CommandLine>(parsed)) << err_.str();
    return std::holds_alternative<CommandLine>(parsed) ? std::get<CommandLine>(parsed)
                                                       : CommandLine{};
  }
  void ExpectUsage(std::vector<const char*> arguments, const std::string& named) {
    const auto parsed = Parse(std::move(arguments));
    ASSERT_TRUE(std::holds_alternative<ExitCode>(parsed));
    EXPECT_EQ(std::get<ExitCode>(parsed), kExitUsage);
    EXPECT_NE(err_.str().find(named), std::string::npos) << err_.str();
  }

  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(CommandLineTest, Defaults) {
  const CommandLine line = Accepted({"chat"});
  EXPECT_EQ(line.verb, Verb::kChat);
  EXPECT_EQ(line.connection.target, "127.0.0.1:50051");
  EXPECT_EQ(line.connection.key, "");
  EXPECT_EQ(line.connection.deadline, std::chrono::seconds(120));
  EXPECT_EQ(line.request.model, "gpt-4o");
  EXPECT_TRUE(line.stream);
  EXPECT_FALSE(line.json);
  EXPECT_FALSE(line.request.temperature.has_value());
  EXPECT_FALSE(line.request.seed.has_value());
}

TEST_F(CommandLineTest, EveryChatOption) {
  const CommandLine line = Accepted({"chat",
                                     "--model",
                                     "yi-large",
                                     "--system",
                                     "be brief",
                                     "--json",
                                     "--no-stream",
                                     "--temperature",
                                     "0",
                                     "--max-output-tokens",
                                     "50",
                                     "--stop",
                                     "a",
                                     "--stop",
                                     "b",
                                     "--seed",
                                     "-7",
                                     "--image",
                                     "x.png",
                                     "--image",
                                     "https://i/y.png",
                                     "--deadline",
                                     "1.5s",
                                     "--reasoning",
                                     "--reasoning-effort",
                                     "low",
                                     "--request-id",
                                     "r-1",
                                     "--label",
                                     "team=a=b",
                                     "--label",
                                     "empty=",
                                     "say",
                                     "hello"});
  EXPECT_EQ(line.request.model, "yi-large");
  EXPECT_EQ(line.request.system, "be brief");
  EXPECT_TRUE(line.json);
  EXPECT_FALSE(line.stream);
  EXPECT_EQ(line.request.temperature, 0.0);
  EXPECT_EQ(line.request.max_output_tokens, 50);
  EXPECT_EQ(line.request.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(line.request.seed, -7);
  EXPECT_EQ(line.request.images, (std::vector<std::string>{"x.png", "https://i/y.png"}));
  EXPECT_EQ(line.connection.deadline, milliseconds(1500));
  EXPECT_TRUE(line.show_reasoning);
  EXPECT_EQ(line.request.reasoning_effort, v1::REASONING_EFFORT_LOW);
  EXPECT_EQ(line.request.request_id, "r-1");
  EXPECT_EQ(line.request.labels,
            (std::map<std::string, std::string>{{"team", "a=b"}, {"empty", ""}}));
  EXPECT_EQ(line.request.words, (std::vector<std::string>{"say", "hello"}));
}

TEST_F(CommandLineTest, RepeatedOptionsLeaveThePromptAlone) {
  const CommandLine line = Accepted({"chat", "--stop", "END", "what", "is", "this"});
  EXPECT_EQ(line.request.stop, (std::vector<std::string>{"END"}));
  EXPECT_EQ(line.request.words.size(), 3u);
}

TEST_F(CommandLineTest, PromptMayNameSubcommandsAndBeginWithADash) {
  EXPECT_EQ(Accepted({"chat", "models", "quota", "chat"}).request.words,
            (std::vector<std::string>{"models", "quota", "chat"}));
  EXPECT_EQ(Accepted({"chat", "--", "--verbose", "means"}).request.words,
            (std::vector<std::string>{"--verbose", "means"}));
}

TEST_F(CommandLineTest, GlobalOptionsStandOnEitherSide) {
  EXPECT_EQ(Accepted({"--target", "a:1", "models"}).connection.target, "a:1");
  EXPECT_EQ(Accepted({"models", "--target", "a:1"}).connection.target, "a:1");
  EXPECT_TRUE(Accepted({"quota", "--tls"}).connection.tls);
}

TEST_F(CommandLineTest, EnvironmentCountsWhereNoFlagDoes) {
  ::setenv("PINGTI_TARGET", "env:1", 1);
  ::setenv("PINGTI_API_KEY", "pt_env", 1);
  ::setenv("PINGTI_MODEL", "yi-medium", 1);
  const CommandLine from_env = Accepted({"chat", "hi"});
  EXPECT_EQ(from_env.connection.target, "env:1");
  EXPECT_EQ(from_env.connection.key, "pt_env");
  EXPECT_EQ(from_env.request.model, "yi-medium");
  const CommandLine from_flags =
      Accepted({"chat", "--target", "flag:1", "--key", "pt_flag", "-m", "gpt-4", "hi"});
  EXPECT_EQ(from_flags.connection.target, "flag:1");
  EXPECT_EQ(from_flags.connection.key, "pt_flag");
  EXPECT_EQ(from_flags.request.model, "gpt-4");
  EXPECT_EQ(Accepted({"quota"}).quota_model, "") << "PINGTI_MODEL does not narrow the quota";
}

TEST_F(CommandLineTest, Verbs) {
  EXPECT_EQ(Accepted({"models", "--json"}).verb, Verb::kModels);
  EXPECT_EQ(Accepted({"quota", "--model", "gpt-4o"}).quota_model, "gpt-4o");
  const CommandLine count = Accepted({"count", "--json", "a", "b"});
  EXPECT_EQ(count.verb, Verb::kCount);
  EXPECT_TRUE(count.json);
  EXPECT_EQ(count.request.words.size(), 2u);
}

TEST_F(CommandLineTest, WrongUsageIsNamed) {
  ExpectUsage({}, "subcommand");
  ExpectUsage({"chat", "--bogus"}, "--bogus");
  ExpectUsage({"chat", "--temperature", "warm"}, "temperature");
  ExpectUsage({"chat", "--seed", "1.5"}, "seed");
  ExpectUsage({"chat", "--deadline", "soon"}, "soon");
  ExpectUsage({"chat", "--deadline", "0s"}, "0s");
  ExpectUsage({"chat", "--label", "novalue"}, "novalue");
  ExpectUsage({"chat", "--label", "=x"}, "=x");
  ExpectUsage({"chat", "--label", "a=1", "--label", "a=2"}, "twice");
  ExpectUsage({"chat", "--reasoning-effort", "insane"}, "reasoning-effort");
  ExpectUsage({"models", "extra"}, "extra");
}

TEST_F(CommandLineTest, HelpListsTheExitCodes) {
  for (const auto& arguments :
       {std::vector<const char*>{"--help"}, std::vector<const char*>{"chat", "--help"}}) {
    const auto parsed = Parse(arguments);
    ASSERT_TRUE(std::holds_alternative<ExitCode>(parsed));
    EXPECT_EQ(std::get<ExitCode>(parsed), kExitOk);
    EXPECT_NE(out_.str().find(kExitCodeHelp), std::string::npos);
    EXPECT_EQ(err_.str(), "");
  }
}

TEST_F(CommandLineTest, HelpDoesNotShowAKey) {
  ::setenv("PINGTI_API_KEY", "pt_secret", 1);
  Parse({"--help"});
  EXPECT_EQ(out_.str().find("pt_secret"), std::string::npos);
}

TEST_F(CommandLineTest, Version) {
  const auto parsed = Parse({"--version"});
  ASSERT_TRUE(std::holds_alternative<ExitCode>(parsed));
  EXPECT_EQ(out_.str(), "pingti " PINGTI_VERSION "\n");
}

TEST(ParseDuration, KnowsItsUnits) {
  EXPECT_EQ(ParseDuration("500ms"), milliseconds(500));
  EXPECT_EQ(ParseDuration("120s"), milliseconds(120'000));
  EXPECT_EQ(ParseDuration("120"), milliseconds(120'000));
  EXPECT_EQ(ParseDuration("1.5m"), milliseconds(90'000));
  EXPECT_EQ(ParseDuration("24h"), std::chrono::hours(24));
  EXPECT_EQ(ParseDuration("0.1ms"), milliseconds(1));
}

TEST(ParseDuration, RefusesTheRest) {
  for (const char* text : {"", "s", "-1s", "0", "25h", "1d", "1 s", "1s ", "nan", "inf", "1e400"}) {
    EXPECT_FALSE(ParseDuration(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace pingti::command
