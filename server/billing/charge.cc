#include "server/billing/charge.h"

#include <algorithm>

#include "absl/numeric/int128.h"

namespace pingti::billing {
namespace {

// From pico-units x rate_nano to nano-units.
constexpr int64_t kScale = base::kPicoPerNano * base::kNanoPerUnit;

}  // namespace

std::optional<base::Money> ChargeFor(const model::Usage& usage, const Price& price) {
  base::Money money{0, price.charged_in};
  if (usage.source == model::UsageSource::kNone) return money;
  const int64_t input = std::max<int64_t>(usage.input_tokens, 0);
  const int64_t output = std::max<int64_t>(usage.output_tokens, 0);
  const int64_t cached = std::clamp<int64_t>(usage.cached_input_tokens, 0, input);
  // Each product is below 2^63 x 10^12: 128 bits have room for their sum.
  const absl::int128 pico = absl::int128(cached) * price.list.cached_input_pico +
                            absl::int128(input - cached) * price.list.input_pico +
                            absl::int128(output) * price.list.output_pico +
                            absl::int128(price.list.request_nano) * base::kPicoPerNano;
  if (pico > absl::Int128Max() / price.rate_nano) return std::nullopt;
  const std::optional<int64_t> nano = base::DivideUp(pico * price.rate_nano, kScale);
  if (!nano) return std::nullopt;
  money.nano = *nano;
  return money;
}

}  // namespace pingti::billing
