#include "server/admission/gate.h"

#include <algorithm>

#include "absl/time/time.h"

namespace pingti::admission {

bool Gate::Admit(TenantLoad& tenant) {
  const int tenants = tenants_ + (tenant.calls == 0 ? 1 : 0);
  const int share = std::max(1, limit_ / tenants);
  if (limit_ == 0 || (calls_ > limit_ && tenant.calls >= share)) return false;
  tenants_ = tenants;
  ++tenant.calls;
  return true;
}

void Gate::Release(TenantLoad& tenant) {
  if (--tenant.calls == 0) --tenants_;
}

std::shared_ptr<TenantLoad> TenantLoads::Find(const std::string& tenant) {
  std::shared_ptr<TenantLoad>& load = loads_[tenant];
  if (!load) load = std::make_shared<TenantLoad>();
  return load;
}

void TenantLoads::Prune() {
  std::erase_if(loads_, [](const auto& entry) { return entry.second.use_count() == 1; });
}

model::CallError OverloadedError() {
  model::CallError error;
  error.reason = model::ErrorReason::kOverloaded;
  error.message = "the server has more calls than it can serve now";
  error.retry_delay = absl::Seconds(1);
  return error;
}

}  // namespace pingti::admission
