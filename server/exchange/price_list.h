// What pingti.v1.Accounts.ListPrices lists: the prices of the catalogue, by which calls are
// charged.
//
// They are list prices, which providers publish, and what bills are checked with: the same for
// tenants and administrators, without a ledger, too.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "server/billing/price_book.h"
#include "server/config/config.h"
#include "server/exchange/view.h"
#include "server/model/failure.h"

namespace pingti::exchange {

struct ListedPrice {
  const config::Model* model = nullptr;
  const billing::Price* price = nullptr;
  std::optional<absl::CivilDay> until;  // first day on which another one is in force
  bool current = false;
};

// The place of a price in the list.
struct PricePlace {
  std::string model;
  absl::CivilDay since;
};

struct PriceFilter {
  std::string provider;       // empty: of all
  std::string model;          // empty: of all
  bool all_versions = false;  // false: only those in force
  int limit = 1000;
  std::optional<PricePlace> after;  // only prices behind it
};

// By model and date; valid as long as `view`. FIELD_INVALID where the configuration has no such
// provider or no such model; what has no price is not listed.
std::variant<std::vector<ListedPrice>, model::CallError> ListPrices(const View& view,
                                                                    const PriceFilter& filter,
                                                                    absl::Time now);

}  // namespace pingti::exchange
