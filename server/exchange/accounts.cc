#include "server/exchange/accounts.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "server/admission/validate.h"
#include "server/base/money.h"
#include "server/base/strings.h"
#include "server/billing/ledger_client.h"
#include "server/exchange/tenant_accounts.h"

namespace pingti::exchange {
namespace {

using billing::TopUpReply;
using Error = std::optional<model::CallError>;

// Of the name of a model or a key that is looked for.
constexpr size_t kNameBytesMax = 128;

// A process that was not heard of for `billing.dead_after` is dead, and its calls are ended soon;
// where they still hold after so many times that, somebody has to look.
constexpr int kTimesDead = 2;

enum class Empty { kAllTenants, kWrong };

// Whose account is asked for, into `tenant`; `empty`: what that means to an administrator.
Error Resolve(const View& view, const tenancy::KeyOwner& who, Empty empty, std::string* tenant) {
  if (who.is_admin) {
    if (!tenant->empty() || empty == Empty::kAllTenants) return std::nullopt;
    return model::InvalidField("tenant", "is empty; an administrator says whose account it is");
  }
  const std::string& own = view.config().tenants[who.index].name;
  if (tenant->empty()) *tenant = own;
  if (*tenant == own) return std::nullopt;
  return model::Refuse(
      model::ErrorReason::kNotAdmin,
      base::StrCat("the key belongs to tenant ", own,
                   "; another tenant's account takes the key of an administrator"));
}

Error CheckAmount(int64_t nano) {
  constexpr int64_t kMax = kAmountUnitsMax * base::kNanoPerUnit;
  if (nano != 0 && nano <= kMax && nano >= -kMax) return std::nullopt;
  return model::InvalidField("amount",
                             nano == 0 ? "is 0; write how much"
                                       : base::StrCat("is more than ", kAmountUnitsMax, " units"));
}

Error CheckPayment(const billing::TopUp& top_up) {
  if (auto error = CheckAmount(top_up.nano)) return error;
  if (top_up.nano < 0) {
    return model::InvalidField("amount", "is below 0; money is taken by an adjustment");
  }
  if (auto error = CheckText("reference", top_up.reference, kReferenceBytesMax, true)) return error;
  return CheckText("reason", top_up.reason, kReasonBytesMax, false);
}

Error CheckLabelName(const char* field, const std::string& name) {
  if (admission::IsLabelName(name)) return std::nullopt;
  return model::InvalidField(
      field, "is no name of a label; those of calls are 1 to 64 of a-z, 0-9, `_`, `-`, `.`");
}

// What no call can have is a mistake, not an empty list.
Error CheckUsage(const billing::UsageFilter& filter) {
  if (auto error = CheckText("model", filter.model, kNameBytesMax, false)) return error;
  if (auto error = CheckText("key_id", filter.key_id, kNameBytesMax, false)) return error;
  if (filter.labels.size() > admission::kLabelsMax) {
    return model::InvalidField("labels", base::StrCat("has ", filter.labels.size(),
                                                      " labels; at most ", admission::kLabelsMax));
  }
  for (const auto& [name, value] : filter.labels) {
    if (auto error = CheckLabelName("labels", name)) return error;
    if (value.size() <= admission::kLabelValueBytesMax && value.find('\0') == std::string::npos) {
      continue;
    }
    return model::InvalidField(
        base::StrCat("labels[", name, "]"),
        base::StrCat("is no value of a label; at most ", admission::kLabelValueBytesMax,
                     " bytes without U+0000"));
  }
  return filter.label.empty() ? std::nullopt : CheckLabelName("label", filter.label);
}

Error CheckCorrection(const billing::Adjustment& adjustment) {
  if (auto error = CheckAmount(adjustment.nano)) return error;
  if (adjustment.refund && adjustment.nano > 0) {
    return model::InvalidField("amount", "is above 0; a refund takes money from the account");
  }
  if (auto error = CheckText("reference", adjustment.reference, kReferenceBytesMax, true)) {
    return error;
  }
  return CheckText("reason", adjustment.reason, kReasonBytesMax, true);
}

model::CallError AccountUnknown(const View& view, const std::string& tenant) {
  auto error = model::Refuse(model::ErrorReason::kAccountUnknown,
                             base::StrCat("tenant ", tenant, " has no account"));
  error.metadata["tenant"] = tenant;
  AddNearTenants(view, tenant, &error);
  return error;
}

// What is wrong with the end of a payment or correction.
Error ErrorOf(const TopUpReply& reply, const View& view, const std::string& tenant,
              const std::string& reference) {
  switch (reply.verdict) {
    case TopUpReply::Verdict::kDone:
    case TopUpReply::Verdict::kDoneBefore:
      return std::nullopt;
    case TopUpReply::Verdict::kNoAccount:
      return AccountUnknown(view, tenant);
    case TopUpReply::Verdict::kOtherAmount: {
      auto error =
          model::Refuse(model::ErrorReason::kReferenceInUse,
                        base::StrCat("reference ", reference, " of tenant ", tenant,
                                     " stands for another amount; a new payment or correction "
                                     "takes a new reference"));
      error.metadata["tenant"] = tenant;
      error.metadata["reference"] = reference;
      return error;
    }
    case TopUpReply::Verdict::kTooLittle: {
      const int64_t free = std::min(reply.balance.cash, reply.balance.available());
      const std::string shown = base::FormatMoney({free, view.config().billing.currency});
      auto error = model::Refuse(model::ErrorReason::kBalanceTooLow,
                                 base::StrCat("only ", shown, " of cash can be taken from tenant ",
                                              tenant, ": bonus and what running calls hold stay"));
      error.metadata["balance"] = shown;
      return error;
    }
  }
  base::CheckFailed(__FILE__, __LINE__, "known verdict", "Verdict out of range");
}

}  // namespace

base::Task<OrError<BalanceReport>> ReadBalance(Worker& worker, const View& view,
                                               tenancy::KeyOwner who, std::string tenant,
                                               std::optional<absl::Time> at) {
  if (auto error = Resolve(view, who, Empty::kWrong, &tenant)) co_return *std::move(error);
  if (auto error = CheckLedger(worker)) co_return *std::move(error);
  auto found = std::make_shared<std::optional<billing::Balance>>();
  billing::LedgerClient::LedgerWork work = [=](billing::Ledger& ledger) {
    *found = at ? ledger.GetBalanceAt(tenant, *at) : ledger.GetBalance(tenant);
  };
  base::Task<Error> ask = AskLedger(worker, Access::kRead, tenant, std::move(work));
  Error failed = co_await std::move(ask);
  if (failed) co_return *std::move(failed);
  if (!*found) co_return AccountUnknown(view, tenant);
  BalanceReport report{tenant, **found};
  co_return report;
}

base::Task<OrError<TopUpReply>> TopUp(Worker& worker, const View& view, tenancy::KeyOwner who,
                                      billing::TopUp top_up) {
  if (auto error = CheckAdmin(who)) co_return *std::move(error);
  if (auto error = Resolve(view, who, Empty::kWrong, &top_up.tenant)) co_return *std::move(error);
  if (auto error = CheckLedger(worker)) co_return *std::move(error);
  if (auto error = CheckPayment(top_up)) co_return *std::move(error);
  top_up.actor = ActorOf(view, who);
  top_up.at = worker.clock().Now();
  const billing::Plan plan = worker.accounts()->plan();
  auto reply = std::make_shared<TopUpReply>();
  billing::LedgerClient::LedgerWork work = [=](billing::Ledger& ledger) {
    *reply = TopUpTenant(ledger, top_up, plan);
  };
  base::Task<Error> ask = AskLedger(worker, Access::kWrite, top_up.tenant, std::move(work));
  Error failed = co_await std::move(ask);
  if (failed) co_return *std::move(failed);
  if (auto error = ErrorOf(*reply, view, top_up.tenant, top_up.reference)) {
    co_return *std::move(error);
  }
  co_return *reply;
}

base::Task<OrError<TopUpReply>> Adjust(Worker& worker, const View& view, tenancy::KeyOwner who,
                                       billing::Adjustment adjustment) {
  if (auto error = CheckAdmin(who)) co_return *std::move(error);
  if (auto error = Resolve(view, who, Empty::kWrong, &adjustment.tenant)) {
    co_return *std::move(error);
  }
  if (auto error = CheckLedger(worker)) co_return *std::move(error);
  if (auto error = CheckCorrection(adjustment)) co_return *std::move(error);
  adjustment.actor = ActorOf(view, who);
  adjustment.at = worker.clock().Now();
  auto reply = std::make_shared<TopUpReply>();
  billing::LedgerClient::LedgerWork work = [=](billing::Ledger& ledger) {
    *reply = ledger.Adjust(adjustment);
  };
  base::Task<Error> ask = AskLedger(worker, Access::kWrite, adjustment.tenant, std::move(work));
  Error failed = co_await std::move(ask);
  if (failed) co_return *std::move(failed);
  if (auto error = ErrorOf(*reply, view, adjustment.tenant, adjustment.reference)) {
    co_return *std::move(error);
  }
  co_return *reply;
}

base::Task<OrError<std::vector<billing::Transfer>>> ListTransfers(Worker& worker, const View& view,
                                                                  tenancy::KeyOwner who,
                                                                  billing::TransferFilter filter) {
  if (auto error = Resolve(view, who, Empty::kAllTenants, &filter.tenant)) {
    co_return *std::move(error);
  }
  if (auto error = CheckLedger(worker)) co_return *std::move(error);
  auto found = std::make_shared<std::vector<billing::Transfer>>();
  billing::LedgerClient::LedgerWork work = [=](billing::Ledger& ledger) {
    *found = ledger.ListTransfers(filter);
  };
  base::Task<Error> ask = AskLedger(worker, Access::kRead, filter.tenant, std::move(work));
  Error failed = co_await std::move(ask);
  if (failed) co_return *std::move(failed);
  co_return std::move(*found);
}

base::Task<OrError<std::vector<billing::UsageRow>>> ListUsage(Worker& worker, const View& view,
                                                              tenancy::KeyOwner who,
                                                              billing::UsageFilter filter) {
  if (auto error = Resolve(view, who, Empty::kAllTenants, &filter.tenant)) {
    co_return *std::move(error);
  }
  if (auto error = CheckUsage(filter)) co_return *std::move(error);
  if (auto error = CheckLedger(worker)) co_return *std::move(error);
  auto found = std::make_shared<std::vector<billing::UsageRow>>();
  billing::LedgerClient::LedgerWork work = [=](billing::Ledger& ledger) {
    *found = ledger.SumUsage(filter);
  };
  base::Task<Error> ask = AskLedger(worker, Access::kRead, filter.tenant, std::move(work));
  Error failed = co_await std::move(ask);
  if (failed) co_return *std::move(failed);
  co_return std::move(*found);
}

base::Task<OrError<billing::VerifyReply>> VerifyLedger(Worker& worker, const View& view,
                                                       tenancy::KeyOwner who) {
  if (auto error = CheckAdmin(who)) co_return *std::move(error);
  if (auto error = CheckLedger(worker)) co_return *std::move(error);
  auto reply = std::make_shared<billing::VerifyReply>();
  const absl::Duration abandoned_after = kTimesDead * view.config().billing.dead_after;
  const absl::Time now = worker.clock().Now();
  billing::LedgerClient::LedgerWork work = [=](billing::Ledger& ledger) {
    *reply = ledger.Verify(ledger.Now(now) - abandoned_after);
  };
  base::Task<Error> ask = AskLedger(worker, Access::kRead, "", std::move(work));
  Error failed = co_await std::move(ask);
  if (failed) co_return *std::move(failed);
  co_return std::move(*reply);
}

}  // namespace pingti::exchange
