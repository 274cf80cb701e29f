// The HTTP listener that Prometheus scrapes: GET /metrics.
//
// One thread of its own; a scrape never runs on a worker. Thread-safe. The Registry outlives it.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/telemetry/registry.h"

namespace prometheus {
class Exposer;
}

namespace pingti::telemetry {

class MetricsServer {
 public:
  // Listens on `address`, `host:port`, IPv6 hosts in brackets; port 0 picks a free one. Errors name
  // the address: INVALID_ARGUMENT where it is none, UNAVAILABLE where it cannot be had (port in
  // use, not an address of this machine).
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& address,
                                                              Registry& registry);
  // Stops listening; waits for a scrape that runs.
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // The port that it listens on.
  int port() const { return port_; }

 private:
  MetricsServer(std::unique_ptr<prometheus::Exposer> exposer, std::string host, int port);

  std::unique_ptr<prometheus::Exposer> exposer_;
  const std::string host_;
  const int port_;
};

}  // namespace pingti::telemetry
