// The command `pingti`; everything is in client/command/.
#include <cstdlib>

#include "client/command/run.h"

int main(int argc, char** argv) {
  using namespace pingti::command;
  // The second Ctrl-C: something hangs, so nothing is waited for any more.
  Interrupts interrupts([] { std::_Exit(kExitCancelled); });
  return Run(argc, argv, ProcessConsole(), interrupts);
}
