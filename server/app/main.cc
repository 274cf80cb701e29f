// pingti-server: see --help, and docs/architecture.md for what happens inside.
#include <cstdio>

#include "absl/synchronization/mutex.h"
#include "server/app/flags.h"
#include "server/app/server_app.h"
#include "server/config/load.h"
#include "server/tenancy/api_key.h"

// What jemalloc reads as it starts. Memory of a burst goes back to the system within seconds, by a
// thread of its own, so that no call has to do it.
extern "C" const char* const malloc_conf =
    "background_thread:true,dirty_decay_ms:2000,muzzy_decay_ms:0";

namespace {

int CheckConfig(const std::string& path) {
  const auto loaded = pingti::config::Load(path, pingti::config::ProcessEnvironment());
  if (!loaded.ok()) {
    const auto message = loaded.status().message();
    std::fprintf(stderr, "%.*s\n", static_cast<int>(message.size()), message.data());
    return 1;
  }
  for (const std::string& note : loaded->notes) std::printf("%s\n", note.c_str());
  std::printf("%s is right\n", path.c_str());
  return 0;
}

int PrintNewKey() {
  const pingti::tenancy::NewKey made = pingti::tenancy::MakeKey();
  std::printf("key: %s\nrecord: %s\n", made.key.c_str(), made.record.c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // Debian builds abseil with the deadlock detector on, which costs a fifth of a bare call.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const auto parsed = pingti::app::ParseFlags(argc, argv);
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  const auto& flags = std::get<pingti::app::Flags>(parsed);
  if (flags.make_key) return PrintNewKey();
  if (flags.check_config) return CheckConfig(flags.config);
  return pingti::app::RunServer(flags);
}
