#include "server/rpc/accounts_query.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "pingti/v1/accounts_service.pb.h"
#include "server/base/money.h"
#include "server/base/strings.h"
#include "server/config/value.h"
#include "server/exchange/accounts.h"
#include "server/rpc/query_fields.h"
#include "server/rpc/usage_fields.h"

namespace pingti::rpc {
namespace {

using google::protobuf::Timestamp;

constexpr int64_t kSecondsMax = 253'402'300'799;  // the last one of the year 9999

// As the ledger has it, by the number of the kind.
constexpr std::array<std::string_view, 8> kKinds = {"",       "top-up", "bonus",      "newcomer",
                                                    "charge", "expiry", "adjustment", "refund"};
static_assert(v1::TransferKind_ARRAYSIZE == kKinds.size());

v1::TransferKind KindOf(std::string_view name) {
  for (size_t i = 1; i < kKinds.size(); ++i) {
    if (kKinds[i] == name) return static_cast<v1::TransferKind>(i);
  }
  return v1::TRANSFER_KIND_UNSPECIFIED;
}

// Writes amounts of the ledger.
class Amounts {
 public:
  explicit Amounts(const QueryContext& context)
      : code_(base::CurrencyCode(context.view.config().billing.currency)) {}

  void Write(int64_t nano, v1::Money* to) const {
    to->set_currency(code_);
    to->set_nano_units(nano);
  }

  void Write(const billing::Balance& from, v1::Balance* to) const {
    Write(from.cash + from.bonus, to->mutable_total());
    Write(from.cash, to->mutable_cash());
    Write(from.bonus, to->mutable_bonus());
    Write(from.held, to->mutable_held());
    Write(from.available(), to->mutable_available());
  }

  // An amount in another currency is an error of the caller's.
  QueryError Read(const v1::Money& from, int64_t* nano) const {
    if (!from.currency().empty() && from.currency() != code_) {
      return model::InvalidField("amount.currency",
                                 base::StrCat("is not ", code_, ", in which the ledger is kept"));
    }
    *nano = from.nano_units();
    return std::nullopt;
  }

 private:
  const std::string code_;
};

QueryError ReadTime(const char* field, const Timestamp& from, absl::Time* to) {
  const bool fits = from.seconds() >= 0 && from.seconds() <= kSecondsMax && from.nanos() >= 0 &&
                    from.nanos() <= kNanosMax;
  if (!fits) return model::InvalidField(field, "is no time from the year 1970 to 9999");
  *to = absl::FromUnixSeconds(from.seconds()) + absl::Nanoseconds(from.nanos());
  return std::nullopt;
}

// `from` and `until` of a list into its filter.
template <typename Request, typename Filter>
QueryError ReadRange(const Request& request, Filter* filter) {
  if (request.has_from()) {
    if (auto error = ReadTime("from", request.from(), &filter->from)) return error;
  }
  if (!request.has_until()) return std::nullopt;
  return ReadTime("until", request.until(), &filter->until);
}

void WriteTransfer(const billing::Transfer& from, const Amounts& amounts, v1::Transfer* to) {
  to->set_id(from.id);
  to->set_tenant(from.tenant);
  to->set_kind(KindOf(from.kind));
  to->set_debit(from.debit);
  to->set_credit(from.credit);
  amounts.Write(from.nano, to->mutable_amount());
  WriteTime(from.at, to->mutable_time());
  to->set_request_id(from.request_id);
  to->set_reference(from.reference);
  to->set_reason(from.reason);
  to->set_actor(from.actor);
}

void WriteUsageRow(const billing::UsageRow& from, const Amounts& amounts, v1::UsageRow* to) {
  to->set_day(from.day);
  to->set_tenant(from.tenant);
  to->set_key_id(from.key_id);
  to->set_model(from.model);
  to->set_label_value(from.label);
  to->set_calls(from.calls);
  to->set_input_tokens(from.input_tokens);
  to->set_cached_input_tokens(from.cached_input_tokens);
  to->set_output_tokens(from.output_tokens);
  amounts.Write(from.charged, to->mutable_charged());
  amounts.Write(from.would_have_cost, to->mutable_requested_model_would_have_cost());
}

}  // namespace

base::Task<QueryError> AnswerGetBalance(QueryContext context) {
  const auto& request = static_cast<const v1::GetBalanceRequest&>(*context.in);
  std::optional<absl::Time> at;
  if (request.has_at()) {
    if (auto error = ReadTime("at", request.at(), &at.emplace())) co_return error;
  }
  auto task =
      exchange::ReadBalance(context.worker, context.view, context.owner, request.tenant(), at);
  auto read = co_await std::move(task);
  if (auto* error = std::get_if<model::CallError>(&read)) co_return std::move(*error);
  const auto& report = std::get<exchange::BalanceReport>(read);
  auto* response = static_cast<v1::GetBalanceResponse*>(context.out);
  response->set_tenant(report.tenant);
  Amounts(context).Write(report.balance, response->mutable_balance());
  co_return std::nullopt;
}

base::Task<QueryError> AnswerTopUp(QueryContext context) {
  const auto& request = static_cast<const v1::TopUpRequest&>(*context.in);
  const Amounts amounts(context);
  billing::TopUp top_up;
  if (auto error = amounts.Read(request.amount(), &top_up.nano)) co_return error;
  top_up.tenant = request.tenant();
  top_up.reference = request.reference();
  top_up.reason = request.reason();
  auto task = exchange::TopUp(context.worker, context.view, context.owner, top_up);
  auto done = co_await std::move(task);
  if (auto* error = std::get_if<model::CallError>(&done)) co_return std::move(*error);
  const auto& reply = std::get<billing::TopUpReply>(done);
  auto* response = static_cast<v1::TopUpResponse*>(context.out);
  amounts.Write(reply.bonus, response->mutable_bonus());
  amounts.Write(reply.balance, response->mutable_balance());
  response->set_done_before(reply.verdict == billing::TopUpReply::Verdict::kDoneBefore);
  co_return std::nullopt;
}

base::Task<QueryError> AnswerAdjust(QueryContext context) {
  const auto& request = static_cast<const v1::AdjustRequest&>(*context.in);
  const Amounts amounts(context);
  billing::Adjustment adjustment;
  if (auto error = amounts.Read(request.amount(), &adjustment.nano)) co_return error;
  adjustment.tenant = request.tenant();
  adjustment.reference = request.reference();
  adjustment.reason = request.reason();
  adjustment.refund = request.refund();
  auto task = exchange::Adjust(context.worker, context.view, context.owner, adjustment);
  auto done = co_await std::move(task);
  if (auto* error = std::get_if<model::CallError>(&done)) co_return std::move(*error);
  const auto& reply = std::get<billing::TopUpReply>(done);
  auto* response = static_cast<v1::AdjustResponse*>(context.out);
  amounts.Write(reply.balance, response->mutable_balance());
  response->set_done_before(reply.verdict == billing::TopUpReply::Verdict::kDoneBefore);
  co_return std::nullopt;
}

base::Task<QueryError> AnswerListTransfers(QueryContext context) {
  const auto& request = static_cast<const v1::ListTransfersRequest&>(*context.in);
  billing::TransferFilter filter;
  filter.tenant = request.tenant();
  if (!v1::TransferKind_IsValid(request.kind())) {
    co_return model::InvalidField("kind", "is not known to this version");
  }
  filter.kind = std::string(kKinds[static_cast<size_t>(request.kind())]);
  if (auto error = ReadRange(request, &filter)) co_return error;
  if (auto error = ReadPageSize(request.page_size(), &filter.limit)) co_return error;
  if (!request.page_token().empty()) {
    const std::optional<int64_t> before = config::ParseInteger(request.page_token());
    if (!before || *before < 1) co_return BadToken();
    filter.before_id = *before;
  }
  const int limit = filter.limit;
  auto task = exchange::ListTransfers(context.worker, context.view, context.owner, filter);
  auto read = co_await std::move(task);
  if (auto* error = std::get_if<model::CallError>(&read)) co_return std::move(*error);
  const Amounts amounts(context);
  auto* response = static_cast<v1::ListTransfersResponse*>(context.out);
  for (const auto& transfer : std::get<std::vector<billing::Transfer>>(read)) {
    if (response->transfers_size() == limit - 1) {
      response->set_next_page_token(base::StrCat(response->transfers(limit - 2).id()));
      break;
    }
    WriteTransfer(transfer, amounts, response->add_transfers());
  }
  co_return std::nullopt;
}

base::Task<QueryError> AnswerListUsage(QueryContext context) {
  const auto& request = static_cast<const v1::ListUsageRequest&>(*context.in);
  billing::UsageFilter filter;
  filter.tenant = request.tenant();
  if (auto error = ReadRange(request, &filter)) co_return error;
  if (auto error = ReadPageSize(request.page_size(), &filter.limit)) co_return error;
  if (auto error = ReadUsageFilter(request, &filter)) co_return error;
  const int limit = filter.limit;
  auto task = exchange::ListUsage(context.worker, context.view, context.owner, filter);
  auto read = co_await std::move(task);
  if (auto* error = std::get_if<model::CallError>(&read)) co_return std::move(*error);
  const Amounts amounts(context);
  auto* response = static_cast<v1::ListUsageResponse*>(context.out);
  for (const auto& row : std::get<std::vector<billing::UsageRow>>(read)) {
    if (response->rows_size() == limit - 1) {
      response->set_next_page_token(UsageToken(response->rows(limit - 2), filter));
      break;
    }
    WriteUsageRow(row, amounts, response->add_rows());
  }
  co_return std::nullopt;
}

base::Task<QueryError> AnswerVerifyLedger(QueryContext context) {
  auto task = exchange::VerifyLedger(context.worker, context.view, context.owner);
  auto done = co_await std::move(task);
  if (auto* error = std::get_if<model::CallError>(&done)) co_return std::move(*error);
  const auto& reply = std::get<billing::VerifyReply>(done);
  auto* response = static_cast<v1::VerifyLedgerResponse*>(context.out);
  response->set_accounts(reply.accounts);
  response->set_transfers(reply.transfers);
  response->set_calls(reply.calls);
  for (const billing::Finding& finding : reply.findings) {
    v1::LedgerFinding* to = response->add_findings();
    to->set_tenant(finding.tenant);
    to->set_what(finding.what);
  }
  co_return std::nullopt;
}

}  // namespace pingti::rpc
