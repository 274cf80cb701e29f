// The overload gate of one worker: a bound on its calls in flight, and who is refused at it.
//
// Two limits: the configured bound, at which everybody is refused before anything is looked at, and
// below it the limit of the overload controller (overload.h), at which those tenants are refused
// that have their equal share of it already. So the newest work of the largest tenant goes first,
// and a tenant with few calls is served while another one floods the worker. What runs at a
// provider is not ended: it has been paid for. Thread-safety: none; belongs to the loop thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "server/model/failure.h"

namespace pingti::admission {

// The calls in flight of one tenant at one worker, from their admission on.
struct TenantLoad {
  int calls = 0;
};

class Gate {
 public:
  explicit Gate(int calls_max) : calls_max_(calls_max), limit_(calls_max) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // A call has come. False: the worker is full, answer with OverloadedError(). True must be
  // followed by one Leave().
  bool Enter() {
    if (calls_ >= calls_max_) return false;
    ++calls_;
    return true;
  }
  void Leave() { --calls_; }

  // It is known whose call it is. False: the worker is overloaded and this tenant has its share of
  // the limit. True must be followed by one Release() with the same tenant.
  bool Admit(TenantLoad& tenant);
  void Release(TenantLoad& tenant);

  // Calls that have entered.
  int calls() const { return calls_; }
  // By how many they are too many.
  int excess() const { return calls_ > limit_ ? calls_ - limit_ : 0; }
  int limit() const { return limit_; }
  // 0: nobody is admitted.
  void set_limit(int limit) { limit_ = limit; }

 private:
  const int calls_max_;
  int limit_;
  int calls_ = 0;
  int tenants_ = 0;  // with calls
};

// The load of all tenants by name, so that it survives a reload of the configuration. Bounded by
// the configuration: Prune() forgets those that are held by nobody else.
class TenantLoads {
 public:
  // Never null; the same object for the same name.
  std::shared_ptr<TenantLoad> Find(const std::string& tenant);
  void Prune();

 private:
  std::map<std::string, std::shared_ptr<TenantLoad>> loads_;
};

// What a call is answered that is refused at the gate, or ended while it waits.
model::CallError OverloadedError();

}  // namespace pingti::admission
