// What the calls of each model cost, with the exchange rate that leads from its price to what
// tenants are charged in.
//
// Made from a configuration when it is loaded; immutable and thread-safe. Keep what Find() returns:
// then the price of a call is a comparison or two away. A price of the future comes into force by
// itself, when its day begins.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "server/base/money.h"
#include "server/config/config.h"

namespace pingti::billing {

// One version of a model's price.
struct Price {
  std::string version;  // `<model>@<since>`, for example `yi-large@2024-06-01`
  absl::Time since;     // midnight UTC
  config::PriceVersion list;
  // From list.currency to `charged_in`; 10^9 where they are the same.
  int64_t rate_nano = base::kNanoPerUnit;
  base::Currency charged_in = base::Currency::kCny;
};

// The versions of one model's price.
class ModelPrices {
 public:
  // `versions` are ordered by date.
  explicit ModelPrices(std::vector<Price> versions) : versions_(std::move(versions)) {}

  // The last one that has begun. Null: the first is still to come.
  const Price* At(absl::Time now) const {
    for (auto price = versions_.rbegin(); price != versions_.rend(); ++price) {
      if (price->since <= now) return &*price;
    }
    return nullptr;
  }
  // By date; at least one.
  const std::vector<Price>& versions() const { return versions_; }

 private:
  std::vector<Price> versions_;
};

class PriceBook {
 public:
  explicit PriceBook(const config::Config& config);

  // Of a model of the catalogue; valid as long as the book. Null: it has no price, or there is no
  // such model.
  const ModelPrices* Find(std::string_view model) const;

  // What tenants are charged in.
  base::Currency currency() const { return currency_; }

 private:
  const base::Currency currency_;
  std::map<std::string, ModelPrices, std::less<>> by_model_;
};

// The price of `prices`, which may be null, at `now`; null where there is none.
inline const Price* PriceAt(const ModelPrices* prices, absl::Time now) {
  return prices == nullptr ? nullptr : prices->At(now);
}

}  // namespace pingti::billing
