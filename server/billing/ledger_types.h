// What goes into the ledger and comes out of it: values, for ledger.h and who asks it.
//
// Amounts are nano-units of the ledger's one currency (billing.currency); times are wall time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "server/model/usage.h"

namespace pingti::billing {

// Accounts of the double entry. The first two are each tenant's own; the others are the operator's.
inline constexpr char kCash[] = "cash";
inline constexpr char kBonus[] = "bonus";
inline constexpr char kRevenue[] = "revenue";
inline constexpr char kTopUps[] = "top-ups";           // money that came in
inline constexpr char kBonuses[] = "bonuses";          // what was given away
inline constexpr char kExpired[] = "expired";          // of it, what was not used in time
inline constexpr char kAdjustments[] = "adjustments";  // corrections, each with its reason
inline constexpr char kRefunds[] = "refunds";          // money that went back
inline constexpr char kUncovered[] = "uncovered";      // cost of calls past the tenant's balance

struct Balance {
  int64_t cash = 0;
  int64_t bonus = 0;
  int64_t held = 0;  // by calls that run
  int64_t available() const { return cash + bonus - held; }
  friend bool operator==(const Balance&, const Balance&) = default;
};

// The budget of the key of a call, for the day or month that the call belongs to.
struct HoldBudget {
  int64_t nano = 0;
  std::string period;  // key_budget.h; empty: the key has no budget
};

// What has been used of it.
struct BudgetUse {
  int64_t spent = 0;  // charged for calls of the period
  int64_t held = 0;   // by those that run
  friend bool operator==(const BudgetUse&, const BudgetUse&) = default;
};

// A call's hold. Its id is (tenant, request_id).
struct HoldRequest {
  std::string tenant;
  std::string request_id;
  uint64_t token = 0;       // random: tells this request from another with the same id
  std::string fingerprint;  // digest of the call's body; empty: the id is the server's own
  std::string owner;        // the process that holds
  std::string key_id;
  std::string model;
  int64_t nano = 0;  // from 0
  absl::Time at;
  HoldBudget budget{};
};

enum class HoldVerdict {
  kHeld,
  kBalanceTooLow,       // less is available; nothing was held
  kKeyBudgetExhausted,  // less is left of the key's budget; nothing was held
  kIdInUse,             // a call of this id runs, or was charged: it is not served twice
  kIdOfOther,           // a call of this id had another body
  kNoAccount,           // the tenant has none
};

struct HoldReply {
  HoldVerdict verdict = HoldVerdict::kHeld;
  Balance balance{};    // afterwards
  int64_t charged = 0;  // kIdInUse: for the call that had the id
  // Of the key's budget, afterwards; nothing: it has none, or was not looked at.
  std::optional<BudgetUse> budget{};
};

// How a call ended. `cost` 0 and an empty `price` where it has no price.
struct CallEnd {
  std::string tenant;
  std::string request_id;
  uint64_t token = 0;
  // As far as who ends it knows: its hold, and what is held by now. Null: it is looked up.
  std::shared_ptr<const HoldRequest> hold{};
  int64_t held = 0;
  bool post = false;  // false: void, nothing is charged
  int64_t cost = 0;
  std::optional<int64_t> would_have_cost;
  std::string price;   // version
  std::string result;  // OK or the reason of its error
  std::string provider{};
  std::string upstream_model{};
  model::Usage usage{};
  std::string labels{};  // JSON object, or empty
  absl::Time at;
};

struct EndReply {
  // It had ended before, by whoever found its owner dead; nothing was changed.
  bool late = false;
  int64_t charged = 0;  // at most the cost; less where the balance did not cover it
  int64_t held = 0;     // for it, until now
  Balance balance{};    // afterwards
};

// What a plan gives and takes; billing.plan.
struct Plan {
  int64_t newcomer_bonus = 0;
  int64_t bonus_percent = 0;  // of each top-up, from 0
  absl::Duration bonus_lifetime = absl::InfiniteDuration();
  // The first top-up lifts a tenant from one of these tiers to that one; empty: none.
  std::vector<std::string> lifted_tiers{};
  std::string tier_on_top_up{};
};

struct TopUp {
  std::string tenant;
  int64_t nano = 0;       // from 1
  std::string reference;  // idempotency key, 1 to 128 characters
  std::string actor;      // who does it
  std::string reason;
  absl::Time at;
};

struct TopUpReply {
  enum class Verdict { kDone, kDoneBefore, kOtherAmount, kTooLittle, kNoAccount };
  Verdict verdict = Verdict::kDone;
  int64_t bonus = 0;
  Balance balance{};
  bool first = false;  // kDone, of a top-up: the account's first one
};

// A correction by a person: positive gives cash, negative takes it. `refund`: the money goes back
// to who paid it, else it is a mistake that is put right.
struct Adjustment {
  std::string tenant;
  int64_t nano = 0;
  bool refund = false;    // nano < 0 then
  std::string reference;  // idempotency key
  std::string reason;     // required
  std::string actor;
  absl::Time at;
};

// One entry of the ledger.
struct Transfer {
  int64_t id = 0;
  std::string tenant;
  std::string kind;
  std::string debit;
  std::string credit;
  int64_t nano = 0;
  absl::Time at;
  std::string request_id;
  std::string reference;
  std::string reason;
  std::string actor;
};

struct TransferFilter {
  std::string tenant;     // empty: of all
  std::string kind;       // empty: of all
  int64_t before_id = 0;  // 0: from the newest
  absl::Time from = absl::InfinitePast();
  absl::Time until = absl::InfiniteFuture();  // exclusive
  int limit = 100;
};

// What usage can be summed up by. `kLabel`: the value of one label, empty for calls without it.
enum class UsageDimension { kDay, kTenant, kKey, kModel, kLabel };

// What calls used and cost, summed up. What it is not summed up by is empty.
struct UsageRow {
  std::string day;  // 2024-06-27, UTC
  std::string tenant;
  std::string key_id;
  std::string model;
  std::string label;  // value of UsageFilter::label
  int64_t calls = 0;
  int64_t input_tokens = 0;
  int64_t cached_input_tokens = 0;
  int64_t output_tokens = 0;
  int64_t charged = 0;
  int64_t would_have_cost = 0;
};

// The place of a row in a list; of its parts only those of UsageFilter::group_by count.
struct UsageKey {
  absl::CivilDay day;
  std::string tenant;
  std::string key_id;
  std::string model;
  std::string label{};
};

struct UsageFilter {
  std::string tenant;    // empty: of all
  std::string key_id{};  // this and the next: empty: of every one
  std::string model{};
  // Name and value: calls with exactly this value; an empty one also means calls without the label.
  std::map<std::string, std::string> labels{};
  absl::Time from = absl::InfinitePast();
  absl::Time until = absl::InfiniteFuture();  // exclusive
  // Rows are ordered by these, texts by their bytes. At least one, none twice.
  std::vector<UsageDimension> group_by = {UsageDimension::kDay, UsageDimension::kTenant,
                                          UsageDimension::kKey, UsageDimension::kModel};
  std::string label{};  // name, for UsageDimension::kLabel; any text
  int limit = 1000;
  std::optional<UsageKey> after;  // only rows behind it
};

// One thing that the ledger should be and is not.
struct Finding {
  std::string tenant;
  std::string what;
};

struct VerifyReply {
  int64_t accounts = 0;
  int64_t transfers = 0;
  int64_t calls = 0;
  std::vector<Finding> findings;  // at most kFindingsMax; empty: all is right
};
inline constexpr int kFindingsMax = 100;

}  // namespace pingti::billing
