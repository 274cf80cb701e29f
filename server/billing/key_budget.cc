#include "server/billing/key_budget.h"

#include "absl/time/civil_time.h"

namespace pingti::billing {

std::string PeriodOf(config::BudgetPeriod period, absl::Time at) {
  const bool is_day = period == config::BudgetPeriod::kDay;
  const absl::TimeZone utc = absl::UTCTimeZone();
  return is_day ? absl::FormatCivilTime(absl::ToCivilDay(at, utc))
                : absl::FormatCivilTime(absl::ToCivilMonth(at, utc));
}

absl::Time PeriodEnd(config::BudgetPeriod period, absl::Time at) {
  const bool is_day = period == config::BudgetPeriod::kDay;
  const absl::TimeZone utc = absl::UTCTimeZone();
  return is_day ? absl::FromCivil(absl::ToCivilDay(at, utc) + 1, utc)
                : absl::FromCivil(absl::ToCivilMonth(at, utc) + 1, utc);
}

}  // namespace pingti::billing
