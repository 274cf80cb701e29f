#include "server/rpc/prices_query.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/civil_time.h"
#include "pingti/v1/accounts_service.pb.h"
#include "server/config/value.h"
#include "server/exchange/price_list.h"
#include "server/rpc/query_fields.h"
#include "server/rpc/write_response.h"

namespace pingti::rpc {
namespace {

// A token is the version of the last price, `<model>@<since>`.
std::optional<exchange::PricePlace> ParseToken(std::string_view token) {
  const size_t at = token.rfind('@');
  if (at == std::string_view::npos) return std::nullopt;
  const std::optional<absl::CivilDay> since = config::ParseDate(token.substr(at + 1));
  if (!since) return std::nullopt;
  return exchange::PricePlace{std::string(token.substr(0, at)), *since};
}

}  // namespace

base::Task<QueryError> AnswerListPrices(QueryContext context) {
  const auto& request = static_cast<const v1::ListPricesRequest&>(*context.in);
  exchange::PriceFilter filter;
  filter.provider = request.provider();
  filter.model = request.model();
  filter.all_versions = request.all_versions();
  if (auto error = ReadPageSize(request.page_size(), &filter.limit)) co_return error;
  if (!request.page_token().empty()) {
    filter.after = ParseToken(request.page_token());
    if (!filter.after) co_return BadToken();
  }
  auto read = exchange::ListPrices(context.view, filter, context.worker.clock().Now());
  if (auto* error = std::get_if<model::CallError>(&read)) co_return std::move(*error);
  auto* response = static_cast<v1::ListPricesResponse*>(context.out);
  for (const auto& listed : std::get<std::vector<exchange::ListedPrice>>(read)) {
    if (response->prices_size() == filter.limit - 1) {
      response->set_next_page_token(response->prices(filter.limit - 2).price().version());
      break;
    }
    v1::ListedPrice* to = response->add_prices();
    to->set_model(listed.model->name);
    to->set_provider(listed.model->provider);
    to->set_upstream_model(listed.model->upstream_model);
    WritePrice(*listed.price, context.view.config().billing, to->mutable_price());
    if (listed.until) to->set_until(absl::FormatCivilTime(*listed.until));
    to->set_current(listed.current);
  }
  co_return std::nullopt;
}

}  // namespace pingti::rpc
