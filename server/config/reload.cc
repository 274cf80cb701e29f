#include "server/config/reload.h"

#include <string_view>

namespace pingti::config {

namespace {

class Keeper {
 public:
  template <typename T>
  void Keep(std::string_view name, const T& running, T* next) {
    if (*next == running) return;
    names_.emplace_back(name);
    *next = running;
  }

  std::vector<std::string> names() const { return names_; }

 private:
  std::vector<std::string> names_;
};

}  // namespace

std::vector<std::string> KeepWhatTakesARestart(const Config& running, Config* next) {
  Keeper k;
  const Server& from = running.server;
  Server& to = next->server;
  k.Keep("listen.grpc", running.listen.grpc, &next->listen.grpc);
  k.Keep("listen.metrics", running.listen.metrics, &next->listen.metrics);
  k.Keep("server.workers", from.workers, &to.workers);
  k.Keep("server.message_bytes_max", from.message_bytes_max, &to.message_bytes_max);
  k.Keep("server.metadata_bytes_max", from.metadata_bytes_max, &to.metadata_bytes_max);
  k.Keep("server.concurrent_streams_max", from.concurrent_streams_max, &to.concurrent_streams_max);
  k.Keep("server.memory_quota_bytes", from.memory_quota_bytes, &to.memory_quota_bytes);
  k.Keep("server.keepalive_time", from.keepalive_time, &to.keepalive_time);
  k.Keep("server.keepalive_timeout", from.keepalive_timeout, &to.keepalive_timeout);
  k.Keep("server.ping_interval_min", from.ping_interval_min, &to.ping_interval_min);
  k.Keep("server.connection_age", from.connection_age, &to.connection_age);
  k.Keep("server.connection_age_grace", from.connection_age_grace, &to.connection_age_grace);
  k.Keep("server.reflection", from.reflection, &to.reflection);
  k.Keep("server.calls_in_flight_max", from.calls_in_flight_max, &to.calls_in_flight_max);
  k.Keep("server.overload_delay", from.overload_delay, &to.overload_delay);
  k.Keep("server.memory_low_watermark", from.memory_low_watermark, &to.memory_low_watermark);
  k.Keep("server.memory_high_watermark", from.memory_high_watermark, &to.memory_high_watermark);
  k.Keep("quota.redis", running.quota.redis, &next->quota.redis);
  k.Keep("billing.database", running.billing.database, &next->billing.database);
  k.Keep("billing.data_dir", running.billing.data_dir, &next->billing.data_dir);
  if (running.billing.has_ledger()) {
    k.Keep("billing.currency", running.billing.currency, &next->billing.currency);
  }
  k.Keep("features.quota", running.features.quota, &next->features.quota);
  k.Keep("features.metrics", running.features.metrics, &next->features.metrics);
  k.Keep("features.access_record", running.features.access_record, &next->features.access_record);
  return k.names();
}

}  // namespace pingti::config
