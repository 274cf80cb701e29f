// Holds and charges of calls.
#include <algorithm>
#include <string>
#include <utility>

#include "server/base/check.h"
#include "server/billing/ledger_sql.h"

namespace pingti::billing {
namespace {

std::string SourceName(model::UsageSource source) {
  switch (source) {
    case model::UsageSource::kNone:
      return "none";
    case model::UsageSource::kMeasured:
      return "measured";
    case model::UsageSource::kCounted:
      return "counted";
    case model::UsageSource::kEstimated:
      return "estimated";
  }
  return "none";
}

}  // namespace

std::optional<Balance> Ledger::LockBalance(const std::string& tenant) {
  Statements& s = *statements_;
  s.tenant = tenant;
  if (!Statements::Run(s.lock_balance)) return std::nullopt;
  return s.balance;
}

std::optional<Balance> Ledger::TakeHold(const std::string& tenant, int64_t nano) {
  Statements& s = *statements_;
  s.tenant = tenant;
  s.nano = nano;
  if (!Statements::Run(s.take_hold)) return std::nullopt;
  return s.balance;
}

HoldReply Ledger::Hold(const HoldRequest& request) {
  PINGTI_CHECK(request.nano >= 0, "a hold is what a call may cost");
  Statements& s = *statements_;
  const std::optional<Balance> taken = TakeHold(request.tenant, request.nano);
  if (!taken) {
    const std::optional<Balance> now = LockBalance(request.tenant);
    if (!now) return {.verdict = HoldVerdict::kNoAccount};
    // A repeat of what was committed already finds its own hold in the way.
    s.request_id = request.request_id;
    if (Statements::Run(s.find_call)) return Repeated(request, *now);
    return {.verdict = HoldVerdict::kBalanceTooLow, .balance = *now};
  }
  s.hold = request;
  s.token = static_cast<int64_t>(request.token);
  s.at = Micros(request.at);
  if (Statements::Change(s.insert_call) == 1) return {.balance = *taken};
  // Somebody had the id: what was taken goes back, and what is found there decides.
  s.cash = s.bonus = 0;
  Statements::Change(s.settle);
  Balance before = *taken;
  before.held -= request.nano;
  s.request_id = request.request_id;
  PINGTI_CHECK(Statements::Run(s.find_call), "it was in the way");
  return Repeated(request, before);
}

HoldReply Ledger::Repeated(const HoldRequest& request, Balance balance) {
  Statements& s = *statements_;
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
  const std::optional<Balance> taken = TakeHold(request.tenant, request.nano);
  if (!taken) return {.verdict = HoldVerdict::kBalanceTooLow, .balance = balance};
  s.hold = request;
  s.token = static_cast<int64_t>(request.token);
  s.at = Micros(request.at);
  PINGTI_CHECK(Statements::Change(s.reopen_call) == 1, "the account's row is locked");
  return {.balance = *taken};
}

bool Ledger::GrowHold(const std::string& tenant, const std::string& request_id, int64_t nano) {
  Statements& s = *statements_;
  if (!LockBalance(tenant)) return false;
  s.request_id = request_id;
  if (!Statements::Run(s.find_call) || s.found_state != "open") return false;
  if (s.found_held >= nano) return true;
  if (!TakeHold(tenant, nano - s.found_held)) return false;
  s.nano = nano;
  return Statements::Change(s.set_held) == 1;
}

void Ledger::NoteDelivered(const CallEnd& so_far) {
  Statements& s = *statements_;
  s.end = so_far;
  s.token = static_cast<int64_t>(so_far.token);
  s.input = so_far.usage.input_tokens;
  s.cached = so_far.usage.cached_input_tokens;
  s.output = so_far.usage.output_tokens;
  s.usage_source = SourceName(so_far.usage.source);
  Statements::Change(s.note_delivered);
}

EndReply Ledger::End(const CallEnd& end) {
  Statements& s = *statements_;
  const std::optional<Balance> balance = LockBalance(end.tenant);
  if (!balance) return {.late = true};
  s.request_id = end.request_id;
  const bool found = Statements::Run(s.find_call);
  if (!found || s.found_token != static_cast<int64_t>(end.token)) {
    return {.late = true, .balance = *balance};
  }
  if (s.found_state != "open") {
    return {.late = s.found_recovered != 0, .charged = s.found_charged, .balance = *balance};
  }
  return EndOpen(end, /*recovered=*/false);
}

// REQUIRES: its account is locked, and s.balance and s.found_held are what is there.
EndReply Ledger::EndOpen(const CallEnd& end, bool recovered) {
  Statements& s = *statements_;
  Balance balance = s.balance;
  const int64_t held = s.found_held;
  const int64_t cost = end.post ? end.cost : 0;
  // What others hold is theirs: the tenant pays from its own hold and what is free.
  balance.held -= held;
  const int64_t charged = std::min(cost, balance.available());
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
  s.usage_source = SourceName(end.usage.source);
  PINGTI_CHECK(Statements::Change(s.end_call) == 1, "it was found under the account's lock");
  const Balance before = balance;
  Spend(end.tenant, "charge", charged, kRevenue, end.request_id, end.at, &balance);
  if (charged < cost) {
    Write({.tenant = end.tenant,
           .kind = "charge",
           .debit = kUncovered,
           .credit = kRevenue,
           .nano = cost - charged,
           .at = Micros(end.at),
           .request_id = end.request_id});
  }
  s.tenant = end.tenant;
  s.nano = held;
  s.cash = before.cash - balance.cash;
  s.bonus = before.bonus - balance.bonus;
  Statements::Change(s.settle);
  return {.charged = charged, .held = held, .balance = balance};
}

void Ledger::Spend(const std::string& tenant, const std::string& kind, int64_t nano,
                   const std::string& credit, const std::string& request_id, absl::Time at,
                   Balance* balance) {
  Statements& s = *statements_;
  Row row{.tenant = tenant,
          .kind = kind,
          .debit = kBonus,
          .credit = credit,
          .at = Micros(at),
          .request_id = request_id};
  int64_t left = nano;
  while (left > 0 && balance->bonus > 0) {
    s.tenant = tenant;
    PINGTI_CHECK(Statements::Run(s.next_grant), "bonus is what is left of grants");
    row.nano = s.nano = std::min(left, s.found_remaining);
    row.grant_id = s.grant_id;
    Statements::Change(s.use_grant);
    Write(row);
    balance->bonus -= row.nano;
    left -= row.nano;
  }
  if (left == 0) return;
  row.debit = kCash;
  row.nano = left;
  row.grant_id = 0;
  Write(row);
  balance->cash -= left;
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
    std::string source;
    soci::statement find =
        (sql.prepare << "SELECT tenant, request_id, token, delivered, price, provider, "
                        "upstream_model, input_tokens, cached_input_tokens, output_tokens "
                        "FROM calls WHERE state = 'open' AND owner NOT IN "
                        "(SELECT id FROM owners WHERE seen_at >= :before) "
                        "ORDER BY tenant, request_id LIMIT :max",
         soci::into(call.tenant), soci::into(call.request_id), soci::into(token),
         soci::into(delivered), soci::into(call.price), soci::into(call.provider),
         soci::into(call.upstream_model), soci::into(call.usage.input_tokens),
         soci::into(call.usage.cached_input_tokens), soci::into(call.usage.output_tokens),
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
    if (!LockBalance(call.tenant)) continue;
    statements_->request_id = call.request_id;
    if (!Statements::Run(statements_->find_call) || statements_->found_state != "open" ||
        statements_->found_token != static_cast<int64_t>(call.token)) {
      continue;
    }
    EndOpen(call, /*recovered=*/true);
    ++ended;
  }
  return ended;
}

}  // namespace pingti::billing
