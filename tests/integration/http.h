// One HTTP exchange with a local port, for what the programs say about themselves. Not the library
// under test, and no more than those answers need: a length, or the end of the connection.
//
// Thread-safety: pure functions. Bounded by process.h's WaitMax() between two pieces.
#pragma once

#include <string>

namespace pingti::integration {

struct HttpAnswer {
  int status = 0;  // 0: there was no answer
  std::string body;
};

HttpAnswer HttpCall(int port, const std::string& method, const std::string& path,
                    const std::string& body = "");

}  // namespace pingti::integration
