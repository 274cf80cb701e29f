#include "server/exchange/key_terms.h"

#include <string>
#include <string_view>

#include "absl/strings/str_join.h"
#include "server/base/strings.h"

namespace pingti::exchange {
namespace {

using Error = std::optional<model::CallError>;

std::string AllKinds() {
  return absl::StrJoin(config::kLimitKinds, ", ",
                       [](std::string* out, const auto& kind) { base::StrAppend(out, kind.name); });
}

Error CheckBurst(const KeyLimit& from, const std::string& path) {
  const int64_t burst = from.limit.burst;
  const std::string field = path + ".burst";
  if (burst == 0) return std::nullopt;
  if (!from.kind->refills) {
    return model::InvalidField(
        field, "is for limits that refill with time, not for calls at once; leave it out");
  }
  if (burst < 0 || burst > from.limit.limit) {
    return model::InvalidField(field, base::StrCat("is ", burst,
                                                   "; must be from 0, which means limit, to "
                                                   "limit, which is ",
                                                   from.limit.limit));
  }
  return std::nullopt;
}

}  // namespace

Error ReadKeyLimits(const std::vector<KeyLimit>& from, config::ClassLimits* limits) {
  *limits = {};
  for (size_t i = 0; i < from.size(); ++i) {
    const KeyLimit& one = from[i];
    const std::string path = base::StrCat("limits[", i, "]");
    if (one.kind == nullptr) {
      return model::InvalidField(path + ".dimension",
                                 base::StrCat("is none that there is; write one of ", AllKinds()));
    }
    std::optional<config::Limit>& limit = limits->*one.kind->limit;
    if (limit) {
      return model::InvalidField(
          path + ".dimension",
          base::StrCat("is ", one.kind->name, ", which has a limit already; leave one of them"));
    }
    if (one.limit.limit < 0 || one.limit.limit > one.kind->max) {
      return model::InvalidField(
          path + ".limit",
          base::StrCat("is ", one.limit.limit, "; must be from 0 to ", one.kind->max));
    }
    if (auto error = CheckBurst(one, path)) return error;
    limit = one.limit;
  }
  return std::nullopt;
}

Error ReadKeyBudget(const KeyBudgetRequest& from, base::Currency currency,
                    config::KeyBudget* budget) {
  const std::string_view code = base::CurrencyCode(currency);
  if (!from.currency.empty() && from.currency != code) {
    return model::InvalidField("budget.amount.currency",
                               base::StrCat("is not ", code, ", in which the ledger is kept"));
  }
  if (from.nano < 1 || from.nano > config::kKeyBudgetMax) {
    return model::InvalidField(
        "budget.amount",
        base::StrCat("must be from 0.000000001 to ", config::kKeyBudgetMax / base::kNanoPerUnit,
                     " ", code, "; leave the budget out for none"));
  }
  if (!from.period) {
    return model::InvalidField("budget.period", "is none that there is; write day or month");
  }
  *budget = {from.nano, *from.period};
  return std::nullopt;
}

Error ReadKeyRights(const std::vector<std::optional<config::KeyRight>>& from,
                    config::KeyRights* rights) {
  *rights = from.empty() ? config::KeyRights() : config::KeyRights::None();
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i] && !rights->Has(*from[i])) {
      rights->Add(*from[i]);
      continue;
    }
    return model::InvalidField(
        base::StrCat("rights[", i, "]"),
        from[i] ? "is there twice; leave one of them"
                : base::StrCat("is none that there is; write one of ",
                               absl::StrJoin(config::kKeyRightNames, ", ",
                                             [](std::string* out, std::string_view name) {
                                               base::StrAppend(out, name);
                                             })));
  }
  return std::nullopt;
}

}  // namespace pingti::exchange
