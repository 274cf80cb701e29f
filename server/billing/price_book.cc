#include "server/billing/price_book.h"

#include <utility>

#include "server/base/check.h"
#include "server/base/strings.h"

namespace pingti::billing {
namespace {

Price MakePrice(const std::string& model, const config::PriceVersion& list,
                const config::Billing& billing) {
  Price price;
  price.version = base::StrCat(model, "@", absl::FormatCivilTime(list.since));
  price.since = absl::FromCivil(list.since, absl::UTCTimeZone());
  price.list = list;
  price.charged_in = billing.currency;
  if (list.currency != billing.currency) {
    const config::ExchangeRate* rate = billing.RateFrom(list.currency);
    PINGTI_CHECK(rate != nullptr, "the loader refuses prices that no rate leads from");
    price.rate_nano = rate->rate_nano;
  }
  return price;
}

}  // namespace

PriceBook::PriceBook(const config::Config& config) : currency_(config.billing.currency) {
  for (const config::Model& model : config.models) {
    if (model.prices.empty()) continue;
    std::vector<Price> versions;
    versions.reserve(model.prices.size());
    for (const config::PriceVersion& list : model.prices) {
      versions.push_back(MakePrice(model.name, list, config.billing));
    }
    by_model_.emplace(model.name, ModelPrices(std::move(versions)));
  }
}

const ModelPrices* PriceBook::Find(std::string_view model) const {
  const auto it = by_model_.find(model);
  return it == by_model_.end() ? nullptr : &it->second;
}

}  // namespace pingti::billing
