// The configuration as the program sees it: typed, validated, immutable.
//
// load.h makes one from YAML files; everything in it has been checked, so users of a Config need no
// checks of their own. A Config is shared between threads as `std::shared_ptr<const Config>` and
// never changes. The YAML keys are the names of the members; docs in config/pingti.yaml. Secrets
// are in `Secret`, which no log can print.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "server/config/key_terms.h"
#include "server/config/prices.h"
#include "server/config/secret.h"
#include "server/config/targets.h"

namespace pingti::config {

// `listen:` addresses, `host:port`; port 0 picks a free one.
struct Listen {
  std::string grpc = "127.0.0.1:50051";
  std::string metrics = "127.0.0.1:9464";
};

// `server:` process and gRPC listener.
struct Server {
  int workers = 0;                               // 0: the CPUs that the cgroup grants; 0 to 256
  int64_t message_bytes_max = 20 * 1024 * 1024;  // largest request; 1 KiB to 256 MiB
  int64_t metadata_bytes_max = 16 * 1024;        // 1 KiB to 1 MiB
  int concurrent_streams_max = 1000;             // per connection; 1 to 1,000,000
  int64_t memory_quota_bytes = 0;                // gRPC's resource quota; 0: none
  absl::Duration keepalive_time = absl::Seconds(30);  // server pings an idle peer; at least 1 s
  absl::Duration keepalive_timeout = absl::Seconds(20);
  absl::Duration ping_interval_min = absl::Seconds(10);  // a peer that pings more often is dropped
  absl::Duration connection_age = absl::Minutes(30);     // 0: unlimited
  absl::Duration connection_age_grace = absl::Minutes(15);
  absl::Duration drain_delay;                      // between NOT_SERVING and GOAWAY; 0 to 1 min
  absl::Duration drain_grace = absl::Seconds(60);  // streams may finish within it; 0 to 1 h
  bool reflection = false;
  int calls_in_flight_max = 20'000;  // per worker; past it OVERLOADED; 1 to 1,000,000
  // A worker that lets its calls wait longer than this has fewer of them; 0: never. 0 to 1 min.
  absl::Duration overload_delay = absl::Milliseconds(100);
  // Percent of the memory that the process may use: from low on it has fewer calls, from high on no
  // new ones. 0 to 100; 0: whatever it uses.
  int memory_low_watermark = 85;
  int memory_high_watermark = 95;
};

// `limits:` of one request and of one answer.
struct Limits {
  int64_t image_bytes_max = 10 * 1024 * 1024;
  int64_t answer_bytes_max = 64 * 1024 * 1024;  // a provider's answer, decoded
  int64_t line_bytes_max = 16 * 1024 * 1024;    // one line of a provider's stream
  int64_t stream_buffer_bytes_max = 64 * 1024;  // per stream: content waiting for a slow reader
};

// One limit of a tier, a tenant or a key. In YAML a number, or `{limit: N, burst: N, shadow:
// true}`.
struct Limit {
  // Per window, or at once. 0: no access.
  int64_t limit = 0;
  // The most that may be taken in one go after a pause, 1 to limit; 0: limit. Not for calls at
  // once.
  int64_t burst = 0;
  // Counted as if it refused, but never enforced.
  bool shadow = false;

  Limit() = default;
  Limit(int64_t limit, int64_t burst = 0, bool shadow = false)  // NOLINT: a number is a limit
      : limit(limit), burst(burst), shadow(shadow) {}
  int64_t capacity() const { return burst == 0 ? limit : burst; }
  friend bool operator==(const Limit&, const Limit&) = default;
};

// Limits of one model class. Absent: no limit of this kind.
struct ClassLimits {
  std::optional<Limit> requests_per_minute;  // 0 to 1,000,000,000
  std::optional<Limit> tokens_per_minute;    // 0 to 10,000,000,000
  std::optional<Limit> requests_per_day;     // 0 to 1,000,000,000
  std::optional<Limit> tokens_per_day;       // 0 to 10,000,000,000
  std::optional<Limit> calls_at_once;        // 0 to 1,000,000
  friend bool operator==(const ClassLimits&, const ClassLimits&) = default;
};

struct ClassRow : ClassLimits {
  std::optional<bool> verified;  // of a tier: read in its `source`; absent: a tenant's own
  using ClassLimits::operator=;
};

// Limits by model class: of a tier, or of a tenant instead of its tier's.
struct LimitTable {
  std::map<std::string, ClassRow> classes;  // by model class
  ClassRow other_classes;                   // for every class without an entry

  const ClassRow& limits(const std::string& model_class) const {
    auto it = classes.find(model_class);
    return it == classes.end() ? other_classes : it->second;
  }
};

// What a reservation takes of the tokens. `likely`: what the call will probably use. `strict`: the
// most it can use; that cap is forwarded to the provider, so that nothing is ever over-admitted.
enum class ReservePolicy { kLikely, kStrict };

// What a limit does while the store that all replicas share cannot be reached. `local`: this
// replica enforces its share, limit / quota.replicas. `deny`: refuses. `allow`: admits.
enum class StoreDownPolicy { kLocal, kDeny, kAllow };

// One entry of `tiers:`.
struct Tier : LimitTable {
  std::string name;
  ReservePolicy policy = ReservePolicy::kLikely;
  StoreDownPolicy when_store_is_down = StoreDownPolicy::kLocal;
  bool verified = false;  // each row that does not say so itself
  std::string source;     // where the facts of the verified rows come from
};

// An API key as it is stored: `pt_<public id>_<secret>` is known by its public id and SHA-256 of
// the whole key.
struct KeyRecord {
  std::string public_id;
  std::string sha256;  // 32 bytes
  // `limits:` of the key over all models, beside those of its tenant.
  ClassLimits limits{};
  // That calls with it may name; empty: those of its tenant.
  std::vector<std::string> models{};
  // `rights:` what it may be used for.
  KeyRights rights{};
  // `budget:` of its calls in a day or a month. Takes a ledger.
  std::optional<KeyBudget> budget{};
  // From then on it is no key any more. Files have none.
  absl::Time expires_at = absl::InfiniteFuture();
};

// A tenant of this tier is suspended. The loader makes it where it is used; files cannot define it.
inline constexpr std::string_view kClosedTier = "0";

// One entry of `tenants:`.
struct Tenant {
  std::string name;  // 1 to 64 of a-z, 0-9, `-`; a metric label
  std::string tier;  // name of an entry of `tiers:`; `0`: suspended
  bool suspended = false;
  // `limits:` of the tenant; each that is given for a class replaces the tier's for that class.
  // `other_classes` is for those that `classes` here does not name, also where the tier does.
  LimitTable limits;
  std::vector<KeyRecord> keys;
  std::vector<std::string> models;  // that it may use; empty: all
  // Of clients that prove who they are by TLS, and so need no key; nobody else's.
  std::vector<std::string> identities;
  bool stored = false;  // it comes from the database (add_tenants.h)
};

// One entry of `admin_keys:` that is on. It manages the accounts of all tenants and completes no
// calls.
struct AdminKey {
  std::string name;  // as a tenant's; the ledger keeps it with what it does
  KeyRecord record;  // without limits
};

// `estimation:` what a quota reservation assumes.
struct Estimation {
  int64_t output_tokens_default = 512;  // likely output where neither limit nor history is known
  bool sum = true;  // reserve input + output; false: max(input, output) as OpenAI does
};

// `quota.redis:` the store that all replicas share. TLS is a local proxy's business.
struct Redis {
  std::string address;   // `host:port` or `unix:/path`
  std::string username;  // ACL user; empty: the default one
  Secret password;       // `password`, or `password_file`; empty: none
  int database = 0;      // 0 to 1023
  // The budget of one operation; past it the store counts as down. 1 ms to 1 s.
  absl::Duration timeout = absl::Milliseconds(20);
  // The slots of calls at once are leased for so long at a time: those of a replica that died come
  // back after it. 1 s to 10 min.
  absl::Duration slot_lease = absl::Seconds(15);
  // Names in Redis start with it: several installations may share one Redis. 1 to 32 of a-z, 0-9,
  // `-`.
  std::string prefix = "pingti";
  friend bool operator==(const Redis&, const Redis&) = default;
};

// `quota:`
struct Quota {
  std::optional<Redis> redis;  // absent: the limits are this process's own
  int replicas = 1;            // that share the limits; used while Redis is down; 1 to 10,000
  int waiting_max = 1000;      // calls in one line: tenant and class, or provider key; 0 to 100,000
  absl::Duration wait_max = absl::Minutes(1);  // longest max_queue_wait honoured; 0 to 10 min
};

// `features:` switches for measurements; all on in production.
struct Features {
  bool quota = true;
  bool metrics = true;
  bool access_record = true;
};

struct Config {
  Listen listen;
  Server server;
  Limits limits;
  Estimation estimation;
  Quota quota;
  Routing routing;
  Billing billing;
  Features features;
  std::vector<Provider> providers;
  std::vector<Model> models;
  std::vector<Alias> aliases;
  std::vector<Tier> tiers;
  std::vector<Tenant> tenants;
  std::vector<AdminKey> admin_keys;
};

using Snapshot = std::shared_ptr<const Config>;

}  // namespace pingti::config
