// bench-load: drives a chat endpoint, over HTTP or over gRPC, and prints what it measured as JSON.
#include <cstdlib>
#include <iostream>
#include <string>

#include "absl/synchronization/mutex.h"
#include "bench/load/grpc_load.h"
#include "bench/load/http_load.h"
#include "bench/load/options.h"

int main(int argc, char** argv) {
  // Debian builds abseil with the detector on; it would cost the load generator a fifth of its CPU.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const pingti::bench::Options options = pingti::bench::ParseOptions(argc, argv);
  std::string error;
  const std::string json = options.http_url.empty() ? pingti::bench::GrpcLoad(options).Run(&error)
                                                    : pingti::bench::HttpLoad(options).Run(&error);
  if (json.empty()) {
    std::cerr << "bench-load: " << error << "\n";
    return EXIT_FAILURE;
  }
  std::cout << json << std::endl;
  return EXIT_SUCCESS;
}
