// What models cost, and in what tenants are charged. See config.h; docs/billing.md has the rules.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/civil_time.h"
#include "server/base/money.h"

namespace pingti::config {

// One entry of `prices:` of a model. Prices of tokens are in pico-units of the currency per token;
// files have units per million tokens. Each from 0 to kPriceMax units.
struct PriceVersion {
  absl::CivilDay since;  // in force from its midnight on, UTC, until the next version's
  base::Currency currency = base::Currency::kCny;
  int64_t input_pico = 0;
  int64_t cached_input_pico = 0;  // input that the provider read from its cache; default: input
  int64_t output_pico = 0;
  int64_t request_nano = 0;  // of each call, in nano-units
  std::string source;        // where it was read
  bool verified = false;     // it was read there, not recalled

  friend bool operator==(const PriceVersion&, const PriceVersion&) = default;
};

// Units per million tokens, or per request.
inline constexpr int64_t kPriceMax = 1'000'000;

// What happens to a call that a model without a price would serve. `free`: it is served, costs
// nothing, says so, and is counted. `refuse`: nothing is sent.
enum class Unpriced { kFree, kRefuse };

// One entry of `billing.exchange_rates`: 1 unit of `from` is rate_nano / 10^9 units of `to`.
struct ExchangeRate {
  base::Currency from = base::Currency::kUsd;
  base::Currency to = base::Currency::kCny;
  int64_t rate_nano = base::kNanoPerUnit;  // from 1 to kRateMax x 10^9
  absl::CivilDay date;
  std::string source;
};

inline constexpr int64_t kRateMax = 1'000'000;

// `billing:`
struct Billing {
  base::Currency currency = base::Currency::kCny;  // what tenants are charged in
  // One for each other currency that a price is in, leading to `currency`; others may be there.
  std::vector<ExchangeRate> exchange_rates;
  Unpriced unpriced = Unpriced::kFree;  // where neither alias nor model says it

  // From `from` to what tenants are charged in; null: none is needed, or none is there.
  const ExchangeRate* RateFrom(base::Currency from) const {
    for (const ExchangeRate& rate : exchange_rates) {
      if (rate.from == from && rate.to == currency) return &rate;
    }
    return nullptr;
  }
};

}  // namespace pingti::config
