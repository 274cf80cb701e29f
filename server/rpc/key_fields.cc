#include "server/rpc/key_fields.h"

#include <string>

#include "absl/time/time.h"
#include "server/config/limit_kinds.h"
#include "server/rpc/query_fields.h"

namespace pingti::rpc {
namespace {

constexpr int64_t kDurationSecondsMax = 315'576'000'000;  // of google.protobuf.Duration

// Both have the same order.
static_assert(v1::QuotaDimension_ARRAYSIZE == config::kLimitKinds.size() + 1);

void WriteLimits(const config::ClassLimits& from, v1::Key* to) {
  for (size_t i = 0; i < config::kLimitKinds.size(); ++i) {
    const std::optional<config::Limit>& limit = from.*config::kLimitKinds[i].limit;
    if (!limit) continue;
    v1::KeyLimit* written = to->add_limits();
    written->set_dimension(static_cast<v1::QuotaDimension>(i + 1));
    written->set_limit(limit->limit);
    written->set_burst(limit->burst);
    written->set_shadow(limit->shadow);
  }
}

exchange::KeyLimit ReadLimit(const v1::KeyLimit& from) {
  exchange::KeyLimit read;
  const bool known = v1::QuotaDimension_IsValid(from.dimension()) &&
                     from.dimension() != v1::QUOTA_DIMENSION_UNSPECIFIED;
  if (known) read.kind = &config::kLimitKinds[static_cast<size_t>(from.dimension()) - 1];
  read.limit = config::Limit(from.limit(), from.burst(), from.shadow());
  return read;
}

v1::KeyRight Written(config::KeyRight right) {
  return right == config::KeyRight::kComplete ? v1::KEY_RIGHT_COMPLETE : v1::KEY_RIGHT_READ_ACCOUNT;
}

std::optional<config::KeyRight> ReadRight(int from) {
  if (from == v1::KEY_RIGHT_COMPLETE) return config::KeyRight::kComplete;
  if (from == v1::KEY_RIGHT_READ_ACCOUNT) return config::KeyRight::kReadAccount;
  return std::nullopt;
}

std::optional<config::BudgetPeriod> ReadPeriod(v1::BudgetPeriod from) {
  if (from == v1::BUDGET_PERIOD_DAY) return config::BudgetPeriod::kDay;
  if (from == v1::BUDGET_PERIOD_MONTH) return config::BudgetPeriod::kMonth;
  return std::nullopt;
}

}  // namespace

void WriteKey(const tenancy::StoredKey& from, base::Currency currency, v1::Key* to) {
  to->set_id(from.id);
  to->set_tenant(from.tenant);
  to->set_name(from.name);
  for (const std::string& model : from.models) to->add_models(model);
  WriteTime(from.created_at, to->mutable_create_time());
  if (from.expires_at < absl::InfiniteFuture()) {
    WriteTime(from.expires_at, to->mutable_expire_time());
  }
  if (from.revoked_at < absl::InfiniteFuture()) {
    WriteTime(from.revoked_at, to->mutable_revoke_time());
  }
  to->set_replaced_by(from.replaced_by);
  if (from.used_at > absl::InfinitePast()) WriteTime(from.used_at, to->mutable_last_use_time());
  WriteLimits(from.limits, to);
  for (const config::KeyRight right :
       {config::KeyRight::kComplete, config::KeyRight::kReadAccount}) {
    if (from.rights.Has(right)) to->add_rights(Written(right));
  }
  if (!from.budget) return;
  v1::Money* amount = to->mutable_budget()->mutable_amount();
  amount->set_currency(std::string(base::CurrencyCode(currency)));
  amount->set_nano_units(from.budget->nano);
  const bool is_day = from.budget->period == config::BudgetPeriod::kDay;
  to->mutable_budget()->set_period(is_day ? v1::BUDGET_PERIOD_DAY : v1::BUDGET_PERIOD_MONTH);
}

QueryError ReadKeyRequest(const v1::CreateKeyRequest& from, exchange::KeyRequest* to) {
  to->tenant = from.tenant();
  to->name = from.name();
  to->models.assign(from.models().begin(), from.models().end());
  for (const v1::KeyLimit& limit : from.limits()) to->limits.push_back(ReadLimit(limit));
  for (const int right : from.rights()) to->rights.push_back(ReadRight(right));
  if (from.has_budget()) {
    const v1::Money& amount = from.budget().amount();
    to->budget = exchange::KeyBudgetRequest{amount.currency(), amount.nano_units(),
                                            ReadPeriod(from.budget().period())};
  }
  if (!from.has_lifetime()) return std::nullopt;
  return ReadDuration("lifetime", from.lifetime(), &to->lifetime.emplace());
}

QueryError ReadDuration(const char* field, const google::protobuf::Duration& from,
                        absl::Duration* to) {
  const bool fits = from.seconds() >= 0 && from.seconds() <= kDurationSecondsMax &&
                    from.nanos() >= 0 && from.nanos() <= kNanosMax;
  if (!fits) return model::InvalidField(field, "is no time from 0 s on");
  *to = absl::Seconds(from.seconds()) + absl::Nanoseconds(from.nanos());
  return std::nullopt;
}

}  // namespace pingti::rpc
