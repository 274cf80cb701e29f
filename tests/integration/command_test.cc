// The command `pingti` against the real server: what it prints, where, and its exit codes.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

using testing::HasSubstr;

class CommandTest : public WorldTest<CommandTest> {
 public:
  static WorldOptions MakeOptions() { return {}; }

 protected:
  static CommandEnd Pingti(std::vector<std::string> arguments, const std::string& tenant = "acme") {
    return RunCommand(server(), std::move(arguments),
                      {{"PINGTI_API_KEY", tenant.empty() ? "" : world().key(tenant)}});
  }
};

TEST_F(CommandTest, ChatPrintsTheAnswer) {
  const std::string prompt = "say hello in Chinese";
  const std::string expected = provider().AnswerTo(prompt);
  EXPECT_THAT(expected, HasSubstr("你好"));
  for (const char* how : {"", "--no-stream"}) {
    std::vector<std::string> arguments = {"chat", "--model", "chat", prompt};
    if (*how != 0) arguments.push_back(how);
    const CommandEnd ended = Pingti(arguments);
    EXPECT_EQ(ended.code, 0) << ended.errors;
    EXPECT_EQ(ended.output, expected + "\n") << how;
    EXPECT_EQ(ended.errors, "");
  }
}

TEST_F(CommandTest, ModelsQuotaAndCount) {
  EXPECT_THAT(Pingti({"models"}).output, HasSubstr("old-chat"));
  EXPECT_THAT(Pingti({"quota"}, "tiny").output, HasSubstr("6,000"));
  EXPECT_EQ(Pingti({"count", "--model", "chat", "Hello"}).code, 0);
}

TEST_F(CommandTest, ExitCodesTellErrorsApart) {
  EXPECT_EQ(Pingti({"chat", "--model", "chat", "Hi"}, "suspended").code, 3);
  const CommandEnd unknown = Pingti({"chat", "--model", "chta", "Hi"});
  EXPECT_EQ(unknown.code, 4);
  EXPECT_THAT(unknown.errors, HasSubstr("chat"));
  EXPECT_EQ(std::count(unknown.errors.begin(), unknown.errors.end(), '\n'), 1) << unknown.errors;
  EXPECT_EQ(Pingti({"chat", "--model", "dead", "Hi"}).code, 6);
  EXPECT_EQ(
      Pingti({"--deadline", "200ms", "chat", "--model", "chat", "Hi [sim:latency_ms=60000]"}).code,
      7);
  const CommandEnd cut = Pingti({"chat", "--model", "chat", "Hi [sim:fault=18]"});
  EXPECT_EQ(cut.code, 9);
  EXPECT_THAT(cut.errors, HasSubstr("answer incomplete"));
  // Without starting a program for each: one comes back every 12 s.
  const client::Client tiny = world().Client("tiny");
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(tiny.Generate(Ask("Hi")).ok());
  EXPECT_EQ(Pingti({"chat", "--model", "chat", "Hi"}, "tiny").code, 5);
}

}  // namespace
}  // namespace pingti::integration
