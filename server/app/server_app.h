// The composition root: starts everything in order, waits for a signal, drains and stops everything
// in the reverse order.
#pragma once

#include "server/app/flags.h"

namespace pingti::app {

// Runs until SIGTERM or SIGINT has been served; SIGHUP reads the configuration again. Returns the
// exit code: 0 after a clean drain, 1 where the server could not start (the reason is on stderr). A
// second signal during `server.drain_delay` ends the delay and all calls at once; at any other time
// it does nothing.
int RunServer(const Flags& flags);

// The number of CPUs that this process may use: the smaller of its affinity and its cgroup's quota,
// rounded up; at least 1.
int GrantedCpus();

}  // namespace pingti::app
