// Points at which a test has the process killed, to see what it leaves behind.
//
//   PINGTI_FAULT_POINT("post");
//
// A build with tests kills itself with SIGKILL when it passes the point that the environment
// variable PINGTI_FAULT_POINT names for the n-th time: `post:3`. A build without tests
// (PINGTI_TESTS=OFF, as the image is built) has nothing there at all.
#pragma once

#ifdef PINGTI_FAULT_POINTS

#include <string_view>

namespace pingti::base {

// Thread-safe.
void PassFaultPoint(std::string_view name);

}  // namespace pingti::base

#define PINGTI_FAULT_POINT(name) ::pingti::base::PassFaultPoint(name)

#else

#define PINGTI_FAULT_POINT(name) static_cast<void>(0)

#endif
