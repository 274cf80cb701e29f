// Holds and charges of calls.
#include <algorithm>
#include <string>
#include <utility>

#include "server/base/check.h"
#include "server/billing/ledger_sql.h"
#include "server/telemetry/call_stats.h"

namespace pingti::billing {
namespace {

HoldReply OverBudget(const Balance& balance, const std::optional<BudgetUse>& use) {
  return {.verdict = HoldVerdict::kKeyBudgetExhausted, .balance = balance, .budget = use};
}

}  // namespace

Ledger::Account* Ledger::Touch(const std::string& tenant) {
  const auto known = accounts_.find(tenant);
  if (known != accounts_.end()) return &known->second;
  Statements& s = *statements_;
  s.tenant = tenant;
  if (!Statements::Run(s.lock_balance)) return nullptr;
  Account& account = accounts_[tenant];
  account.balance = s.balance;
  return &account;
}

void Ledger::BeforeCommit() {
  for (auto& [tenant, account] : accounts_) Flush(tenant, &account);
}

void Ledger::Flush(const std::string& tenant, Account* account) {
  FlushGrant(account);
  if (!std::exchange(account->changed, false)) return;
  Statements& s = *statements_;
  s.tenant = tenant;
  s.balance = account->balance;
  Statements::Change(s.set_balance);
}

void Ledger::FlushGrant(Account* account) {
  if (!std::exchange(account->grant_changed, false)) return;
  Statements& s = *statements_;
  s.grant_id = account->grant;
  s.nano = account->grant_left;
  Statements::Change(s.use_grant);
}

HoldReply Ledger::Hold(const HoldRequest& request) {
  PINGTI_CHECK(request.nano >= 0, "a hold is what a call may cost");
  Statements& s = *statements_;
  Account* account = Touch(request.tenant);
  if (account == nullptr) return {.verdict = HoldVerdict::kNoAccount};
  s.tenant = request.tenant;
  s.request_id = request.request_id;
  if (account->balance.available() < request.nano) {
    // A repeat of what was committed already finds its own hold in the way.
    if (Statements::Run(s.find_call)) return Repeated(request, account);
    return {.verdict = HoldVerdict::kBalanceTooLow, .balance = account->balance};
  }
  const BudgetTake taken = TakeBudget(request, request.nano);
  if (!taken.fits) {
    if (Statements::Run(s.find_call)) return Repeated(request, account);
    return OverBudget(account->balance, taken.use);
  }
  s.hold = request;
  s.nano = request.nano;
  s.token = static_cast<int64_t>(request.token);
  s.at = Micros(request.at);
  if (Statements::Change(s.insert_call) == 0) {
    GiveBackBudget(request, request.nano);
    PINGTI_CHECK(Statements::Run(s.find_call), "it was in the way");
    return Repeated(request, account);
  }
  account->balance.held += request.nano;
  account->changed = true;
  return {.balance = account->balance, .budget = taken.use};
}

HoldReply Ledger::Repeated(const HoldRequest& request, Account* account) {
  Statements& s = *statements_;
  const Balance& balance = account->balance;
  if (s.found_token == static_cast<int64_t>(request.token) && s.found_state == "open") {
    return {.balance = balance};
  }
  if (s.found_fingerprint != request.fingerprint) {
    return {.verdict = HoldVerdict::kIdOfOther, .balance = balance};
  }
  if (s.found_state != "voided") {
    return {.verdict = HoldVerdict::kIdInUse, .balance = balance, .charged = s.found_charged};
  }
  // It was charged nothing: the caller may have it served now.
  if (balance.available() < request.nano) {
    return {.verdict = HoldVerdict::kBalanceTooLow, .balance = balance};
  }
  const BudgetTake taken = TakeBudget(request, request.nano);
  if (!taken.fits) return OverBudget(balance, taken.use);
  s.hold = request;
  s.nano = request.nano;
  s.token = static_cast<int64_t>(request.token);
  s.at = Micros(request.at);
  PINGTI_CHECK(Statements::Change(s.reopen_call) == 1, "the account's row is locked");
  account->balance.held += request.nano;
  account->changed = true;
  return {.balance = balance, .budget = taken.use};
}

HoldReply Ledger::GrowHold(const HoldRequest& request, int64_t nano) {
  Statements& s = *statements_;
  HoldReply reply{.verdict = HoldVerdict::kBalanceTooLow};
  Account* account = Touch(request.tenant);
  if (account == nullptr) return reply;
  reply.balance = account->balance;
  s.tenant = request.tenant;
  s.request_id = request.request_id;
  if (!Statements::Run(s.find_call) || s.found_state != "open") return reply;
  if (s.found_token != static_cast<int64_t>(request.token)) return reply;
  const int64_t more = nano - s.found_held;
  if (more > 0) {
    if (account->balance.available() < more) return reply;
    const BudgetTake taken = TakeBudget(request, more);
    if (!taken.fits) return OverBudget(account->balance, taken.use);
    account->balance.held += more;
    account->changed = true;
    s.nano = nano;
    PINGTI_CHECK(Statements::Change(s.set_held) == 1, "it was found under the account's lock");
    reply.budget = taken.use;
  }
  reply.verdict = HoldVerdict::kHeld;
  reply.balance = account->balance;
  return reply;
}

void Ledger::NoteDelivered(const CallEnd& so_far) {
  Statements& s = *statements_;
  s.end = so_far;
  s.token = static_cast<int64_t>(so_far.token);
  s.input = so_far.usage.input_tokens;
  s.cached = so_far.usage.cached_input_tokens;
  s.output = so_far.usage.output_tokens;
  s.usage_source = telemetry::UsageSourceName(so_far.usage.source);
  Statements::Change(s.note_delivered);
}

EndReply Ledger::End(const CallEnd& end) {
  Statements& s = *statements_;
  Account* account = Touch(end.tenant);
  if (account == nullptr) return {.late = true};
  if (end.held >= 0) {
    if (auto reply = EndOpen(end, end.held, /*recovered=*/false, account)) return *reply;
  }
  s.tenant = end.tenant;
  s.request_id = end.request_id;
  const bool found = Statements::Run(s.find_call);
  if (!found || s.found_token != static_cast<int64_t>(end.token)) {
    return {.late = true, .balance = account->balance};
  }
  if (s.found_state != "open") {
    return {
        .late = s.found_recovered != 0, .charged = s.found_charged, .balance = account->balance};
  }
  const auto reply = EndOpen(end, s.found_held, /*recovered=*/false, account);
  PINGTI_CHECK(reply.has_value(), "it was found under the account's lock");
  return *reply;
}

std::optional<EndReply> Ledger::EndOpen(const CallEnd& end, int64_t held, bool recovered,
                                        Account* account) {
  Statements& s = *statements_;
  const int64_t cost = end.post ? end.cost : 0;
  // What others hold is theirs: the tenant pays from its own hold and what is free.
  const int64_t charged = std::min(cost, account->balance.available() + held);
  s.end = end;
  s.end.cost = cost;
  s.state = end.post ? "posted" : "voided";
  s.recovered = recovered ? 1 : 0;
  s.charged = charged;
  s.at = Micros(end.at);
  s.has_would_have_cost = end.would_have_cost && end.post ? soci::i_ok : soci::i_null;
  s.would_have_cost = end.would_have_cost.value_or(0);
  s.input = end.usage.input_tokens;
  s.cached = end.usage.cached_input_tokens;
  s.output = end.usage.output_tokens;
  s.usage_source = telemetry::UsageSourceName(end.usage.source);
  s.token = static_cast<int64_t>(end.token);
  s.held = held;
  if (Statements::Change(s.end_call) == 0) return std::nullopt;
  account->balance.held -= held;
  account->changed = true;
  SettleBudget(end, held, charged);
  Charge(end, charged, account);
  if (charged < cost) {
    Write({.tenant = end.tenant,
           .kind = "charge",
           .debit = kUncovered,
           .credit = kRevenue,
           .nano = cost - charged,
           .at = Micros(end.at),
           .request_id = end.request_id});
  }
  return EndReply{.charged = charged, .held = held, .balance = account->balance};
}

void Ledger::Charge(const CallEnd& end, int64_t nano, Account* account) {
  Statements& s = *statements_;
  Row row{.tenant = end.tenant,
          .kind = "charge",
          .debit = kBonus,
          .credit = kRevenue,
          .at = Micros(end.at),
          .request_id = end.request_id};
  while (nano > 0 && account->balance.bonus > 0) {
    if (account->grant == 0 || account->grant_left == 0) {
      FlushGrant(account);
      s.tenant = end.tenant;
      PINGTI_CHECK(Statements::Run(s.next_grant), "bonus is what is left of grants");
      account->grant = s.grant_id;
      account->grant_left = s.found_remaining;
    }
    row.nano = std::min(nano, account->grant_left);
    row.grant_id = account->grant;
    Write(row);
    account->grant_left -= row.nano;
    account->grant_changed = true;
    account->balance.bonus -= row.nano;
    nano -= row.nano;
  }
  if (nano == 0) return;
  row.debit = kCash;
  row.nano = nano;
  row.grant_id = 0;
  Write(row);
  account->balance.cash -= nano;
}

void Ledger::Write(const Row& row) {
  Statements& s = *statements_;
  s.row = row;
  s.has_request_id = row.request_id.empty() ? soci::i_null : soci::i_ok;
  s.has_grant = row.grant_id == 0 ? soci::i_null : soci::i_ok;
  s.has_reference = row.reference.empty() ? soci::i_null : soci::i_ok;
  Statements::Change(s.insert_transfer);
}

int64_t Ledger::RecoverCalls(absl::Time dead_before, absl::Time now, int max) {
  std::vector<CallEnd> dead;
  {
    soci::session& sql = database_.session();
    const int64_t before = Micros(dead_before);
    CallEnd call;
    int64_t token = 0, delivered = 0;
    soci::statement find =
        (sql.prepare << "SELECT tenant, request_id, token, delivered, price, provider, "
                        "upstream_model, input_tokens, cached_input_tokens, output_tokens, labels, "
                        "key_id, budget_period FROM calls WHERE state = 'open' AND owner NOT IN "
                        "(SELECT id FROM owners WHERE seen_at >= :before) "
                        "ORDER BY tenant, request_id LIMIT :max",
         soci::into(call.tenant), soci::into(call.request_id), soci::into(token),
         soci::into(delivered), soci::into(call.price), soci::into(call.provider),
         soci::into(call.upstream_model), soci::into(call.usage.input_tokens),
         soci::into(call.usage.cached_input_tokens), soci::into(call.usage.output_tokens),
         soci::into(call.labels), soci::into(call.key_id), soci::into(call.budget_period),
         soci::use(before, "before"), soci::use(max, "max"));
    find.execute();
    while (find.fetch()) {
      call.token = static_cast<uint64_t>(token);
      call.cost = delivered;
      call.post = delivered > 0;
      call.usage.source = call.post ? model::UsageSource::kCounted : model::UsageSource::kNone;
      call.result = "RECOVERED";
      call.at = now;
      dead.push_back(call);
    }
  }
  int64_t ended = 0;
  for (const CallEnd& call : dead) {
    // Another replica may be at the same.
    Account* account = Touch(call.tenant);
    if (account == nullptr) continue;
    statements_->tenant = call.tenant;
    statements_->request_id = call.request_id;
    if (!Statements::Run(statements_->find_call)) continue;
    if (EndOpen(call, statements_->found_held, /*recovered=*/true, account)) ++ended;
  }
  return ended;
}

}  // namespace pingti::billing
