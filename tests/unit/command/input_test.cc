// Input and Interrupts: what waits for a person.
#include "client/command/input.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <future>

#include "client/command/interrupts.h"

namespace pingti::command {
namespace {

class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe(fds_), 0); }
  ~Pipe() {
    ::close(fds_[0]);
    Close();
  }
  int read_end() const { return fds_[0]; }
  void Write(const std::string& text) {
    ASSERT_EQ(::write(fds_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void Close() {
    if (fds_[1] >= 0) ::close(fds_[1]);
    fds_[1] = -1;
  }

 private:
  int fds_[2] = {-1, -1};
};

TEST(Input, SplitsLines) {
  Pipe pipe;
  pipe.Write("one\ntwo\r\n\n平替");
  pipe.Close();
  Input input(pipe.read_end(), -1);
  for (const char* expected : {"one", "two", "", "平替"}) {
    const Input::Read read = input.ReadLine();
    EXPECT_EQ(read.kind, Input::Kind::kText);
    EXPECT_EQ(read.text, expected);
  }
  EXPECT_EQ(input.ReadLine().kind, Input::Kind::kEnd);
}

TEST(Input, ReadsAll) {
  Pipe pipe;
  pipe.Write("one\ntwo\n");
  pipe.Close();
  EXPECT_EQ(Input(pipe.read_end(), -1).ReadAll().text, "one\ntwo\n");
}

TEST(Input, WakesUpForAnInterrupt) {
  Pipe pipe;
  Pipe wake;
  wake.Write("i");
  Input input(pipe.read_end(), wake.read_end());
  EXPECT_EQ(input.ReadLine().kind, Input::Kind::kInterrupted);
  EXPECT_EQ(input.ReadAll().kind, Input::Kind::kInterrupted);
}

TEST(Input, ABrokenDescriptorIsAFailure) {
  EXPECT_EQ(Input(::testing::internal::posix::FileNo(stdin) + 1000, -1).ReadLine().kind,
            Input::Kind::kFailed);
}

TEST(Input, ALineWithoutEndIsTooLong) {
  Pipe pipe;
  Input input(pipe.read_end(), -1);
  auto writer = std::async(std::launch::async, [&pipe] {
    const std::string piece(65536, 'x');
    for (std::size_t written = 0; written <= kLineBytesMax; written += piece.size()) {
      pipe.Write(piece);
    }
  });
  EXPECT_EQ(input.ReadLine().kind, Input::Kind::kTooLong);
  writer.get();
}

// The next SIGINT is delivered to this thread before raise() returns.
void PressCtrlC() { ASSERT_EQ(::raise(SIGINT), 0); }

void WaitUntilReadable(int fd) {
  pollfd waiting = {fd, POLLIN, 0};
  while (::poll(&waiting, 1, -1) < 0) {
  }
}

TEST(Interrupts, StopTheAnswerThatRuns) {
  Interrupts interrupts([] { ADD_FAILURE() << "one Ctrl-C does not leave"; });
  std::promise<void> stopped;
  {
    const Interrupts::Answer answer(interrupts);
    const std::stop_callback on_stop(answer.token(), [&stopped] { stopped.set_value(); });
    PressCtrlC();
    stopped.get_future().wait();
  }
  EXPECT_FALSE(interrupts.TakeIdle());
}

TEST(Interrupts, ASecondOneLeaves) {
  std::promise<void> left;
  Interrupts interrupts([&left] { left.set_value(); });
  const Interrupts::Answer answer(interrupts);
  PressCtrlC();
  PressCtrlC();
  left.get_future().wait();
  EXPECT_TRUE(answer.token().stop_requested());
}

TEST(Interrupts, WakeTheInputWhereNoAnswerRuns) {
  Interrupts interrupts([] { ADD_FAILURE() << "nothing hangs"; });
  EXPECT_FALSE(interrupts.TakeIdle());
  PressCtrlC();
  WaitUntilReadable(interrupts.idle_fd());
  EXPECT_TRUE(interrupts.TakeIdle());
  EXPECT_FALSE(interrupts.TakeIdle());
}

TEST(Interrupts, RestoreTheFormerHandler) {
  struct sigaction before = {};
  ::sigaction(SIGINT, nullptr, &before);
  {
    const Interrupts interrupts([] {});
  }
  struct sigaction after = {};
  ::sigaction(SIGINT, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

}  // namespace
}  // namespace pingti::command
