// What a person types and reads of an API key's limits, rights and budget.
//
// Thread-safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pingti/v1/accounts_service.pb.h"

namespace pingti::command {

// `requests_per_minute=60`, or `requests_per_minute=60:10` with a burst of 10; `:shadow` behind
// either: counted, not enforced. Nothing: it is none.
std::optional<v1::KeyLimit> ParseKeyLimit(std::string_view text);

// `complete` or `read_account`. Nothing: it is none.
std::optional<v1::KeyRight> ParseKeyRight(std::string_view text);

std::string FormatKeyRights(const v1::Key& key);

// `50/day`, `12.5/month`: in the currency of the ledger. Nothing: it is none.
std::optional<v1::KeyBudget> ParseKeyBudget(std::string_view text);

// `50.00 CNY/day`; empty: it has none.
std::string FormatKeyBudget(const v1::Key& key);

// As ParseKeyLimit() reads them; several with a comma between.
std::string FormatKeyLimits(const v1::Key& key);

}  // namespace pingti::command
