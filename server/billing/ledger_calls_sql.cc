// Holds and charges of calls.
#include <algorithm>
#include <string>
#include <utility>

#include "server/base/check.h"
#include "server/billing/ledger_sql.h"
#include "server/telemetry/call_stats.h"

namespace pingti::billing {
namespace {

constexpr char kOpen[] = "open";
constexpr char kPosted[] = "posted";
constexpr char kVoided[] = "voided";
// Of SQLite, in memory from one transaction to the next: about 200 bytes each.
constexpr size_t kAccountsKept = 100'000;

HoldReply OverBudget(const Balance& balance, const std::optional<BudgetUse>& use) {
  return {.verdict = HoldVerdict::kKeyBudgetExhausted, .balance = balance, .budget = use};
}

}  // namespace

void Ledger::BeginTransaction() {
  changed_.clear();
  const bool is_ours_alone = database_.engine() == storage::Engine::kSqlite;
  if (!is_ours_alone || undone_ || accounts_.size() > kAccountsKept) accounts_.clear();
  if (undone_) statements_->last_id = 0;
  undone_ = true;  // until Committed()
}

Ledger::Account* Ledger::Touch(const std::string& tenant) {
  const auto known = accounts_.find(tenant);
  if (known != accounts_.end()) return &known->second;
  Statements& s = *statements_;
  s.tenant = tenant;
  if (!Statements::Run(s.lock_account)) return nullptr;
  // After the lock, so that it sees what others have held until then.
  Statements::Run(s.sum_held);
  s.account.changed = false;
  return &(accounts_[tenant] = s.account);
}

void Ledger::MarkChanged(const std::string& tenant, Account* account) {
  if (!std::exchange(account->changed, true)) changed_.push_back(tenant);
}

void Ledger::BeforeCommit() {
  Statements& s = *statements_;
  for (const std::string& tenant : std::exchange(changed_, {})) {
    Account& account = accounts_.at(tenant);
    account.changed = false;
    s.tenant = tenant;
    s.account = account;
    Statements::Change(s.set_account);
  }
}

bool Ledger::FindCall(const std::string& tenant, const std::string& request_id) {
  Statements& s = *statements_;
  s.tenant = s.found.tenant = tenant;
  s.request_id = s.found.request_id = request_id;
  if (Statements::Run(s.find_open)) {
    s.found_state = kOpen;
    s.found_charged = 0;
    s.found_recovered = 0;
  } else {
    s.found_held = 0;
    if (!Statements::Run(s.find_ended)) return false;
  }
  s.found.token = static_cast<uint64_t>(s.found_token);
  s.found.at = absl::FromUnixMicros(s.found_at);
  return true;
}

bool Ledger::FindEnded(const HoldRequest& request, bool again) {
  if (request.fingerprint.empty() && !again) return false;
  Statements& s = *statements_;
  s.tenant = request.tenant;
  s.request_id = request.request_id;
  return Statements::Run(s.find_ended);
}

void Ledger::SetInputs(const HoldRequest& request) {
  Statements& s = *statements_;
  s.hold = request;
  s.nano = request.nano;
  s.token = static_cast<int64_t>(request.token);
  s.at = Micros(request.at);
}

HoldReply Ledger::Hold(const HoldRequest& request, bool again) {
  PINGTI_CHECK(request.nano >= 0, "a hold is what a call may cost");
  Statements& s = *statements_;
  Account* account = Touch(request.tenant);
  if (account == nullptr) return {.verdict = HoldVerdict::kNoAccount};
  if (account->balance.available() < request.nano) {
    // A repeat of what was committed already finds its own hold in the way.
    if (FindCall(request.tenant, request.request_id)) return Repeated(request, account);
    return {.verdict = HoldVerdict::kBalanceTooLow, .balance = account->balance};
  }
  const BudgetTake taken = TakeBudget(request, request.nano);
  if (!taken.fits) {
    if (FindCall(request.tenant, request.request_id)) return Repeated(request, account);
    return OverBudget(account->balance, taken.use);
  }
  SetInputs(request);
  if (FindEnded(request, again) || Statements::Change(s.open_call) == 0) {
    GiveBackBudget(request, request.nano);
    PINGTI_CHECK(FindCall(request.tenant, request.request_id), "it was in the way");
    return Repeated(request, account);
  }
  account->balance.held += request.nano;
  return {.balance = account->balance, .budget = taken.use};
}

HoldReply Ledger::Repeated(const HoldRequest& request, Account* account) {
  Statements& s = *statements_;
  const Balance& balance = account->balance;
  if (s.found.token == request.token) {  // its own; ended, where its end was in the same batch
    if (s.found_state == kOpen) return {.balance = balance};
    return {.verdict = HoldVerdict::kIdInUse, .balance = balance, .charged = s.found_charged};
  }
  if (s.found.fingerprint != request.fingerprint) {
    return {.verdict = HoldVerdict::kIdOfOther, .balance = balance};
  }
  if (s.found_state != kVoided) {
    return {.verdict = HoldVerdict::kIdInUse, .balance = balance, .charged = s.found_charged};
  }
  // It was charged nothing: the caller may have it served now.
  if (balance.available() < request.nano) {
    return {.verdict = HoldVerdict::kBalanceTooLow, .balance = balance};
  }
  const BudgetTake taken = TakeBudget(request, request.nano);
  if (!taken.fits) return OverBudget(balance, taken.use);
  SetInputs(request);
  PINGTI_CHECK(Statements::Change(s.open_call) == 1, "the account is locked");
  account->balance.held += request.nano;
  return {.balance = balance, .budget = taken.use};
}

HoldReply Ledger::GrowHold(const HoldRequest& request, int64_t nano) {
  Statements& s = *statements_;
  HoldReply reply{.verdict = HoldVerdict::kBalanceTooLow};
  Account* account = Touch(request.tenant);
  if (account == nullptr) return reply;
  reply.balance = account->balance;
  if (!FindCall(request.tenant, request.request_id) || s.found_state != kOpen) return reply;
  if (s.found.token != request.token) return reply;
  const int64_t more = nano - s.found_held;
  if (more > 0) {
    if (account->balance.available() < more) return reply;
    const BudgetTake taken = TakeBudget(request, more);
    if (!taken.fits) return OverBudget(account->balance, taken.use);
    account->balance.held += more;
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
  Statements::Change(s.note_delivered);
}

EndReply Ledger::End(const CallEnd& end) {
  Statements& s = *statements_;
  Account* account = Touch(end.tenant);
  if (account == nullptr) return {.late = true};
  if (end.hold != nullptr) {
    if (auto reply = EndOpen(end, *end.hold, end.held, /*recovered=*/false, account)) return *reply;
  }
  const bool found = FindCall(end.tenant, end.request_id);
  if (!found || s.found.token != end.token) {
    return {.late = true, .balance = account->balance};
  }
  if (s.found_state != kOpen) {
    return {
        .late = s.found_recovered != 0, .charged = s.found_charged, .balance = account->balance};
  }
  const auto reply = EndOpen(end, s.found, s.found_held, /*recovered=*/false, account);
  PINGTI_CHECK(reply.has_value(), "it was found under the account's lock");
  return *reply;
}

std::optional<EndReply> Ledger::EndOpen(const CallEnd& end, const HoldRequest& hold, int64_t held,
                                        bool recovered, Account* account) {
  Statements& s = *statements_;
  s.hold = hold;
  s.token = static_cast<int64_t>(hold.token);
  s.held = held;
  if (Statements::Change(s.close_call) == 0) return std::nullopt;
  const int64_t cost = end.post ? end.cost : 0;
  // What others hold is theirs: the tenant pays from its own hold and what is free.
  const int64_t charged = std::min(cost, account->balance.available() + held);
  s.end = end;
  s.end.cost = cost;
  s.state = end.post ? kPosted : kVoided;
  s.recovered = recovered ? 1 : 0;
  s.charged = charged;
  s.from_bonus = std::min(charged, account->balance.bonus);  // bonus before cash
  s.at = Micros(end.at);
  s.has_would_have_cost = end.would_have_cost && end.post ? soci::i_ok : soci::i_null;
  s.would_have_cost = end.would_have_cost.value_or(0);
  s.input = end.usage.input_tokens;
  s.cached = end.usage.cached_input_tokens;
  s.output = end.usage.output_tokens;
  s.usage_source = telemetry::UsageSourceName(end.usage.source);
  s.opened_at = Micros(hold.at);
  s.previous = account->last_call;
  s.latest = std::max({account->latest_call, s.opened_at, s.at});
  account->last_call = s.Insert(s.end_call);
  account->latest_call = s.latest;
  MarkChanged(end.tenant, account);
  account->balance.held -= held;
  account->balance.bonus -= s.from_bonus;
  account->balance.cash -= charged - s.from_bonus;
  SettleBudget(hold, held, charged);
  return EndReply{.charged = charged, .held = held, .balance = account->balance};
}

void Ledger::Write(const Row& row, Account* account) {
  Statements& s = *statements_;
  s.row = row;
  s.has_grant = row.grant_id == 0 ? soci::i_null : soci::i_ok;
  s.has_reference = row.reference.empty() ? soci::i_null : soci::i_ok;
  s.previous = account->last_transfer;
  s.latest = std::max(account->latest_transfer, row.at);
  s.last_call = account->last_call;
  account->last_transfer = s.Insert(s.insert_transfer);
  account->latest_transfer = s.latest;
  MarkChanged(row.tenant, account);
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
                        "upstream_model, input_tokens, cached_input_tokens, output_tokens, labels "
                        "FROM open_calls WHERE owner NOT IN "
                        "(SELECT id FROM owners WHERE seen_at >= :before) "
                        "ORDER BY tenant, request_id LIMIT :max",
         soci::into(call.tenant), soci::into(call.request_id), soci::into(token),
         soci::into(delivered), soci::into(call.price), soci::into(call.provider),
         soci::into(call.upstream_model), soci::into(call.usage.input_tokens),
         soci::into(call.usage.cached_input_tokens), soci::into(call.usage.output_tokens),
         soci::into(call.labels), soci::use(before, "before"), soci::use(max, "max"));
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
    // ... and the caller may have sent the id again since.
    const bool found = FindCall(call.tenant, call.request_id);
    const Statements& s = *statements_;
    if (!found || s.found_state != kOpen || s.found.token != call.token) continue;
    if (EndOpen(call, s.found, s.found_held, /*recovered=*/true, account)) ++ended;
  }
  return ended;
}

}  // namespace pingti::billing
