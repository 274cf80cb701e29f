// What an API key may be used for, and how much its calls may cost: values for config.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pingti::config {

enum class KeyRight {
  kComplete,     // calls models: completions, counting tokens, embeddings
  kReadAccount,  // sees the balance, the transfers and the usage of its tenant
};
// In files, database and errors; in the order above.
inline constexpr std::array<std::string_view, 2> kKeyRightNames = {"complete", "read_account"};

// `rights:` of a key; all of them where it has no list.
struct KeyRights {
  bool complete = true;
  bool read_account = true;

  static constexpr KeyRights None() { return {.complete = false, .read_account = false}; }
  bool Has(KeyRight right) const { return right == KeyRight::kComplete ? complete : read_account; }
  void Add(KeyRight right) { (right == KeyRight::kComplete ? complete : read_account) = true; }
  friend bool operator==(const KeyRights&, const KeyRights&) = default;
};

// Nothing: there is no right of this name.
std::optional<KeyRight> FindKeyRight(std::string_view name);
// Their names with a space between.
std::string FormatKeyRights(const KeyRights& rights);

enum class BudgetPeriod { kDay, kMonth };  // of the calendar, in UTC

// Most of one, in nano-units.
inline constexpr int64_t kKeyBudgetMax = 1'000'000'000'000'000'000;

// `budget:` of a key: what its calls of one period may cost together, in `billing.currency`.
struct KeyBudget {
  int64_t nano = 0;  // 1 to kKeyBudgetMax
  BudgetPeriod period = BudgetPeriod::kDay;
  friend bool operator==(const KeyBudget&, const KeyBudget&) = default;
};

// `day` or `month`.
std::string_view BudgetPeriodName(BudgetPeriod period);
std::optional<BudgetPeriod> FindBudgetPeriod(std::string_view name);

}  // namespace pingti::config
