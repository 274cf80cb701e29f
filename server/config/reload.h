// What a running process can take from a configuration that was read again, and what it cannot.
#pragma once

#include <string>
#include <vector>

#include "server/config/config.h"

namespace pingti::config {

// Puts what a process was started with back into `next`: listen, server except for the drain's
// times, features and quota.redis. Returns the names of those that would have changed, as the file
// has them, for example `listen.grpc`: they take a restart.
std::vector<std::string> KeepWhatTakesARestart(const Config& running, Config* next);

}  // namespace pingti::config
