// What models cost, and in what tenants are charged. See config.h; docs/billing.md has the rules.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "server/base/money.h"
#include "server/config/secret.h"

namespace pingti::config {

// One entry of `prices:` of a model. Prices of tokens are in pico-units of the currency per token;
// files have units per million tokens. Each from 0 to kPriceMax units.
struct PriceVersion {
  absl::CivilDay since;  // in force from its midnight on, UTC, until the next version's
  base::Currency currency = base::Currency::kCny;
  int64_t input_pico = 0;
  int64_t cached_input_pico = 0;  // input that the provider read from its cache; default: input
  int64_t output_pico = 0;
  int64_t request_nano = 0;                   // of each call, in nano-units
  std::string source;                         // where it was read
  std::optional<absl::CivilDay> source_date;  // its day; nothing: not said
  bool verified = false;                      // it was read there, not recalled

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

inline constexpr int64_t kAmountMax = 1'000'000'000;  // of a plan, in units

// `billing.plan:` what tenants are given. Amounts are nano-units of `billing.currency`.
struct Plan {
  int64_t newcomer_bonus = 0;     // with a new account; 0 to kAmountMax
  int bonus_percent = 0;          // of each top-up; 0 to 1,000
  absl::Duration bonus_lifetime;  // then what is left of it expires; 0: never; up to 10 years
  // The first top-up lifts a tenant of the database from a tier before this one to it; empty: none.
  std::string tier_on_top_up;
  friend bool operator==(const Plan&, const Plan&) = default;
};

// `billing:`
struct Billing {
  // The ledger. PostgreSQL, which replicas share: `database` or `database_file`, a connection
  // string of libpq. Else SQLite in the folder `data_dir`. Neither: calls have a price but nobody
  // is charged.
  Secret database;
  std::string data_dir;
  Plan plan;
  int64_t low_balance = 0;  // tenants with less are counted in the metrics; 0 to kAmountMax
  // A replica that was not heard of for so long is dead: its holds are ended. 1 s to 1 h.
  absl::Duration dead_after = absl::Minutes(1);
  bool has_ledger() const { return !database.empty() || !data_dir.empty(); }

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
