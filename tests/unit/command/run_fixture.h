// Runs the whole command against a server double, with a console of strings and pipes.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <sstream>
#include <string>
#include <vector>

#include "client/command/run.h"
#include "tests/fakes/scratch_folder.h"
#include "tests/unit/client/server_double.h"

namespace pingti::command {

class RunTest : public ::testing::Test {
 protected:
  RunTest() : interrupts_([] { ADD_FAILURE() << "nothing hangs"; }) {
    EXPECT_EQ(::pipe(input_), 0);
    for (const char* name : {"PINGTI_TARGET", "PINGTI_API_KEY", "PINGTI_MODEL"}) ::unsetenv(name);
    ::setenv("XDG_CONFIG_HOME", home_.path().c_str(), 1);
  }
  ~RunTest() override {
    ::close(input_[0]);
    CloseInput();
    ::unsetenv("XDG_CONFIG_HOME");
  }

  // What stands on standard input; it stays open until CloseInput().
  void Type(const std::string& text) {
    ASSERT_EQ(::write(input_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void CloseInput() {
    if (input_[1] >= 0) ::close(input_[1]);
    input_[1] = -1;
  }

  // Runs `pingti --target <the double> <arguments>`. Before that, set the terminal's flags.
  ExitCode Pingti(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"pingti", "--target", server_.target()});
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    const Console console{.in_fd = input_[0],
                          .out = out_stream_,
                          .err = err_stream_,
                          .in_is_terminal = in_is_terminal_,
                          .out_is_terminal = out_is_terminal_,
                          .err_is_terminal = err_is_terminal_,
                          .color_allowed = color_allowed_};
    return command::Run(static_cast<int>(argv.size()), argv.data(), console, interrupts_);
  }
  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }

  fakes::ScratchFolder home_;
  testing::ServerDouble server_;
  Interrupts interrupts_;
  std::stringbuf out_;
  std::stringbuf err_;
  std::ostream out_stream_{&out_};
  std::ostream err_stream_{&err_};
  bool in_is_terminal_ = false;
  bool out_is_terminal_ = false;
  bool err_is_terminal_ = false;
  bool color_allowed_ = false;

 private:
  int input_[2] = {-1, -1};
};

}  // namespace pingti::command
