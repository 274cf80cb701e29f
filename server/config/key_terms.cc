#include "server/config/key_terms.h"

#include "server/base/strings.h"

namespace pingti::config {

std::optional<KeyRight> FindKeyRight(std::string_view name) {
  for (size_t i = 0; i < kKeyRightNames.size(); ++i) {
    if (kKeyRightNames[i] == name) return static_cast<KeyRight>(i);
  }
  return std::nullopt;
}

std::string FormatKeyRights(const KeyRights& rights) {
  std::string text;
  for (size_t i = 0; i < kKeyRightNames.size(); ++i) {
    if (!rights.Has(static_cast<KeyRight>(i))) continue;
    base::StrAppend(&text, text.empty() ? "" : " ", kKeyRightNames[i]);
  }
  return text;
}

std::string_view BudgetPeriodName(BudgetPeriod period) {
  return period == BudgetPeriod::kDay ? "day" : "month";
}

std::optional<BudgetPeriod> FindBudgetPeriod(std::string_view name) {
  for (const BudgetPeriod period : {BudgetPeriod::kDay, BudgetPeriod::kMonth}) {
    if (BudgetPeriodName(period) == name) return period;
  }
  return std::nullopt;
}

}  // namespace pingti::config
