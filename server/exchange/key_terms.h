// What an administrator may give a new API key beside its models and its lifetime: checked before
// it is kept.
//
// Thread-safety: values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/base/money.h"
#include "server/config/config.h"
#include "server/config/limit_kinds.h"
#include "server/model/failure.h"

namespace pingti::exchange {

// One of the limits that were asked for.
struct KeyLimit {
  const config::LimitKind* kind = nullptr;  // null: none that we know
  config::Limit limit;
};

// Into `limits`. FIELD_INVALID: the kind is not known or given twice, a number is out of its range,
// or a burst is more than its limit or is for calls at once. It names `limits[i]` and its part.
std::optional<model::CallError> ReadKeyLimits(const std::vector<KeyLimit>& from,
                                              config::ClassLimits* limits);

struct KeyBudgetRequest {
  std::string currency;  // empty: that of the ledger
  int64_t nano = 0;
  std::optional<config::BudgetPeriod> period;  // nothing: none that we know
};

// Into `budget`. FIELD_INVALID of `budget.amount`, `budget.amount.currency` or `budget.period`.
std::optional<model::CallError> ReadKeyBudget(const KeyBudgetRequest& from, base::Currency currency,
                                              config::KeyBudget* budget);

// Into `rights`; an empty list is all of them. FIELD_INVALID: one is not known or given twice.
std::optional<model::CallError> ReadKeyRights(
    const std::vector<std::optional<config::KeyRight>>& from, config::KeyRights* rights);

}  // namespace pingti::exchange
