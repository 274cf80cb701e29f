// Where the state of the limits is, and what a call asks of it.
//
// A QuotaStore is one worker's; everything in it is called on the worker's loop thread. There are
// two: MemoryStore (this process alone) and RedisStore (all replicas that share a Redis).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/signal.h"
#include "server/quota/bucket.h"
#include "server/quota/bucket_set.h"
#include "server/quota/dimension.h"

namespace pingti::quota {

// Scopes of one reservation: tenant per class, and API key. All of one reservation belong to the
// same tenant, or to the same provider key.
inline constexpr int kScopesMax = 2;

// Buckets in shadow mode that would have refused and took nothing: one bit per Dimension
// (ShadowBit) for each scope of a reservation.
using ShadowByScope = std::array<uint8_t, kScopesMax>;

// What a call wants from all scopes at once.
struct Demand {
  std::array<BucketSet*, kScopesMax> scopes{};  // the first scope_count; they outlive the call
  int scope_count = 0;
  int64_t tokens = 0;

  std::span<BucketSet* const> all() const { return {scopes.data(), size_t(scope_count)}; }
};

// Why a call was not admitted. Nothing was taken anywhere.
struct Refusal {
  const BucketSet* scope = nullptr;
  Dimension dimension = Dimension::kRequestsPerMinute;
  Bucket::State state;
  int64_t requested = 0;
  // Until the request would fit if nobody else takes any: exact for buckets; for calls at once a
  // guess, because a slot comes back when somebody's call ends. InfiniteDuration: never, the
  // request is larger than the whole bucket.
  absl::Duration wait;
  // The shared store cannot be reached and the tier says `deny`; only `scope` and `wait` hold then.
  bool store_down = false;
};

// Who granted a reservation, and therefore is told of its end.
enum class GrantedBy : uint8_t {
  kStore,
  kLocalShare,  // the shared store was down: this replica's share of the limits
  kNobody       // it was down and the tier says `allow`
};

// The answer to Reserve(). Belongs to the caller and must stay where it is until it is there.
struct ReserveReply {
  enum class State { kPending, kGranted, kRefused };
  State state = State::kPending;
  GrantedBy granted_by = GrantedBy::kStore;
  uint64_t id = 0;  // of the reservation, when granted; unique in this process
  std::optional<Refusal> refusal;
  // Of the first scope, after the reservation or at the refusal; absent dimensions are not limited.
  ScopeStates first_scope;
  // Limits in shadow mode that would have refused, where granted.
  ShadowByScope shadow_by_scope{};
  // Those of any scope, to be counted.
  uint8_t shadow_refusals = 0;
};

// The end of a reservation, or its growth.
struct Change {
  uint64_t id = 0;
  Demand demand;  // as it was reserved
  GrantedBy granted_by = GrantedBy::kStore;
  int64_t tokens = 0;  // to take more (above 0, also into debt), or to give back (below 0)
  bool give_request_back = false;
  bool free_slot = false;  // the call has ended
  // As in the reply: these buckets took nothing, so nothing is changed there, either.
  ShadowByScope shadow_by_scope{};
};

// The answer to Read().
struct ReadReply {
  bool ready = false;
  // The shared store cannot be reached and the tier says `deny` or `allow`: what is used up is not
  // known, and `states` are the limits as they are configured, full. Under `local` they are those
  // of this replica's share, which decides then.
  bool store_down = false;
  std::array<ScopeStates, kScopesMax> states;
};

class QuotaStore {
 public:
  virtual ~QuotaStore() = default;

  // One request and `demand.tokens` from every limit of every scope, or nothing from any. The
  // answer is in `reply` either when this returns, or later: then `signal` is notified. It comes
  // within the store's budget, also when the store is down. A caller that no longer wants it must
  // still wait for it.
  virtual void Reserve(const Demand& demand, base::Instant now, ReserveReply* reply,
                       base::Signal* signal) = 0;

  // Never waits. In a shared store the change may be lost if the store is lost: what was taken is
  // then not given back and heals with the clock.
  virtual void Apply(const Change& change, base::Instant now) = 0;

  // State of up to kScopesMax scopes of one tenant; as Reserve() answers.
  virtual void Read(std::span<BucketSet* const> scopes, base::Instant now, ReadReply* reply,
                    base::Signal* signal) = 0;

  // What a provider told of its own bucket: `remaining` units are left there now, and one more call
  // is welcome `not_before` from now (zero: it did not say; at most kNotBeforeMax). Ours then
  // admits one unit at that time, and not a microsecond earlier; see Bucket::Correct(). Never
  // raises ours: calls may be on their way. Never waits, and is lost if the store is lost.
  virtual void Correct(BucketSet& scope, Dimension dimension, int64_t remaining,
                       absl::Duration not_before, base::Instant now) = 0;
};

}  // namespace pingti::quota
