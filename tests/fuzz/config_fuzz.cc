// A configuration of any bytes: it is refused with places and reasons or becomes what the server
// can start with, twice the same, and no secret gets into a message.
#include <cstdint>
#include <string>
#include <string_view>

#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/strings.h"
#include "server/billing/price_book.h"
#include "server/config/load.h"
#include "server/quota/quota_book.h"
#include "server/routing/route_table.h"
#include "server/tenancy/tenant_directory.h"

namespace pingti::config {
namespace {

constexpr std::string_view kSecret = "c0nf1dential";
constexpr char kName[] = "c/fuzz.yaml";
constexpr size_t kMessageBytesMax = 256 * 1024;

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t /*bytes_max*/) {
  if (path == "c/secret") return std::string(kSecret);
  if (path == "c/catalogue.yaml") {
    return std::string(
        "models: [{name: m, provider: p, context_tokens: 1000}]\n"
        "tiers: [{name: T, other_classes: {requests_per_minute: 10}}]\n");
  }
  return absl::InvalidArgumentError("there is no such file");
}

// What a server makes of it before it serves.
void CheckUsable(const LoadResult& result) {
  const routing::RouteTable routes(result.config);
  for (const routing::Route& route : routes.routes()) {
    PINGTI_CHECK(!route.targets.empty(), "a route leads somewhere");
    PINGTI_CHECK(routes.Find(route.name) == &route, "a route is found by its name");
    for (const routing::Target& target : route.targets) {
      PINGTI_CHECK(target.timeouts.total > absl::ZeroDuration(), "an attempt ends");
    }
  }
  const tenancy::TenantDirectory directory(result.config);
  PINGTI_CHECK(!directory.Find("pt_x_y"), "nobody has that key");
  const billing::PriceBook prices(result.config);
  for (const Model& model : result.config.models) {
    const billing::Price* price = billing::PriceAt(prices.Find(model.name), absl::InfiniteFuture());
    PINGTI_CHECK((price != nullptr) == !model.prices.empty(), "each price comes into force");
    PINGTI_CHECK(price == nullptr || price->rate_nano >= 1, "a price leads to what is charged");
  }
  const quota::QuotaBook book(result.config, nullptr, base::Instant::FromNanos(1'000'000'000));
}

void Run(std::string_view text) {
  const Environment environment = {{"SECRET", std::string(kSecret)}, {"EMPTY", ""}};
  const bool told = text.find(kSecret) != std::string_view::npos;
  const auto first = LoadFromString(text, kName, environment, ReadFile);
  const auto second = LoadFromString(text, kName, environment, ReadFile);
  PINGTI_CHECK(first.status() == second.status(), "twice the same");
  if (!first.ok()) {
    const std::string message(first.status().message());
    PINGTI_CHECK(message.find("c/") != std::string::npos, "an error names its file");
    PINGTI_CHECK(told || message.find(kSecret) == std::string::npos, "no error tells a secret");
    PINGTI_CHECK(message.size() <= kMessageBytesMax, "errors are bounded");
    return;
  }
  for (const std::string& note : first->notes) {
    PINGTI_CHECK(told || note.find(kSecret) == std::string::npos, "no note tells a secret");
  }
  CheckUsable(*first);
}

}  // namespace
}  // namespace pingti::config

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pingti::config::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
