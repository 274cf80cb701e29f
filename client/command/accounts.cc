#include "client/command/accounts.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "client/command/accounts_table.h"
#include "client/command/format.h"
#include "client/command/json.h"
#include "client/command/pages.h"
#include "client/command/statement.h"
#include "client/command/visible_text.h"

namespace pingti::command {
namespace {

// One command under way.
class AccountsRun {
 public:
  explicit AccountsRun(const Session& session)
      : session_(session),
        line_(*session.line.accounts),
        color_(session.console.OutColor()),
        answer_(session.interrupts) {
    options_.cancel = answer_.token();
  }

  ExitCode Go() {
    switch (line_.verb) {
      case AccountsVerb::kBalance:
        return ShowBalance();
      case AccountsVerb::kTopUp:
        return TopUp();
      case AccountsVerb::kAdjust:
        return Adjust();
      case AccountsVerb::kLedgerList:
        return ListTransfers();
      case AccountsVerb::kLedgerVerify:
        return Verify();
      case AccountsVerb::kUsage:
        return ShowUsage();
      case AccountsVerb::kStatement:
        return WriteStatement();
    }
    return kExitOther;
  }

 private:
  ExitCode WriteJson(const google::protobuf::Message& message) const {
    return session_.WriteForeign(ToJson(message) + "\n");
  }

  template <typename Request>
  void SetOwnerAndRange(Request* request) const {
    request->set_tenant(line_.tenant);
    if (line_.range.from != 0) request->mutable_from()->set_seconds(line_.range.from);
    if (line_.range.until != 0) request->mutable_until()->set_seconds(line_.range.until);
  }

  ExitCode EachTransfer(const v1::ListTransfersRequest& request, std::int64_t limit,
                        const EachPage<v1::Transfer>& each) const {
    return ForEachPage<v1::Transfer>(session_, options_, request, &client::Client::ListTransfers,
                                     &v1::ListTransfersResponse::mutable_transfers, limit, each);
  }
  ExitCode EachUsage(const EachPage<v1::UsageRow>& each) const {
    v1::ListUsageRequest request;
    SetOwnerAndRange(&request);
    for (const v1::UsageDimension dimension : line_.by) request.add_group_by(dimension);
    request.set_label(line_.label);
    request.set_model(line_.model);
    request.set_key_id(line_.key_id);
    request.mutable_labels()->insert(line_.labels.begin(), line_.labels.end());
    return ForEachPage<v1::UsageRow>(session_, options_, request, &client::Client::ListUsage,
                                     &v1::ListUsageResponse::mutable_rows, 0, each);
  }

  ExitCode ShowBalance() const {
    v1::GetBalanceRequest request;
    request.set_tenant(line_.tenant);
    const auto balance = session_.client.GetBalance(request, options_);
    if (!balance.ok()) return session_.Fail(balance.error());
    if (line_.form == OutputForm::kJson) return WriteJson(*balance);
    return session_.Write(BalanceTable(balance->tenant(), balance->balance(), color_));
  }

  std::string Done(const std::string& what, bool before) const {
    return VisibleText(what + " (reference " + line_.reference + ")", LineBreaks::kShow) +
           (before ? ": had been done before, nothing was changed\n\n" : "\n\n");
  }

  ExitCode TopUp() const {
    v1::TopUpRequest request;
    request.set_tenant(line_.tenant);
    request.mutable_amount()->set_nano_units(line_.nano);
    request.set_reference(line_.reference);
    request.set_reason(line_.reason);
    const auto done = session_.client.TopUp(request, options_);
    if (!done.ok()) return session_.Fail(done.error());
    if (line_.form == OutputForm::kJson) return WriteJson(*done);
    v1::Money amount = done->bonus();
    amount.set_nano_units(line_.nano);
    std::string what = FormatMoney(amount) + " paid in";
    if (done->bonus().nano_units() != 0) what += ", " + FormatMoney(done->bonus()) + " of bonus";
    return session_.Write(Done(what, done->done_before()) +
                          BalanceTable(line_.tenant, done->balance(), color_));
  }

  ExitCode Adjust() const {
    v1::AdjustRequest request;
    request.set_tenant(line_.tenant);
    request.mutable_amount()->set_nano_units(line_.nano);
    request.set_reference(line_.reference);
    request.set_reason(line_.reason);
    request.set_refund(line_.refund);
    const auto done = session_.client.Adjust(request, options_);
    if (!done.ok()) return session_.Fail(done.error());
    if (line_.form == OutputForm::kJson) return WriteJson(*done);
    v1::Money amount = done->balance().total();
    amount.set_nano_units(line_.nano);
    return session_.Write(
        Done((line_.refund ? "refund of " : "adjustment of ") + FormatMoney(amount),
             done->done_before()) +
        BalanceTable(line_.tenant, done->balance(), color_));
  }

  ExitCode ListTransfers() const {
    v1::ListTransfersRequest request;
    SetOwnerAndRange(&request);
    request.set_kind(line_.kind);
    if (line_.form == OutputForm::kCsv) {
      ExitCode code = session_.WriteForeign(TransfersCsvHead());
      if (code != kExitOk) return code;
      code = EachTransfer(request, line_.limit, [this](const std::vector<v1::Transfer>& page) {
        return session_.WriteForeign(TransfersCsv(page));
      });
      EndProgress(session_);
      return code;
    }
    std::vector<v1::Transfer> all;
    const ExitCode code = EachTransfer(request, line_.limit, Collect(&all));
    EndProgress(session_);
    if (code != kExitOk) return code;
    if (line_.form == OutputForm::kTable) {
      return session_.Write(TransfersTable(all, line_.all_tenants, color_));
    }
    v1::ListTransfersResponse response;
    response.mutable_transfers()->Add(all.begin(), all.end());
    return WriteJson(response);
  }

  ExitCode ShowUsage() const {
    if (line_.form == OutputForm::kCsv) {
      const UsageColumns columns = UsageColumnsOf(line_, /*for_programs=*/true);
      ExitCode code = session_.WriteForeign(UsageCsvHead(columns));
      if (code != kExitOk) return code;
      code = EachUsage([&](const std::vector<v1::UsageRow>& page) {
        return session_.WriteForeign(UsageCsv(page, columns));
      });
      EndProgress(session_);
      return code;
    }
    std::vector<v1::UsageRow> all;
    const ExitCode code = EachUsage(Collect(&all));
    EndProgress(session_);
    if (code != kExitOk) return code;
    if (line_.form == OutputForm::kTable) {
      const UsageColumns columns = UsageColumnsOf(line_, /*for_programs=*/false);
      return session_.Write(UsageTable(all, columns, line_.label, color_));
    }
    v1::ListUsageResponse response;
    response.mutable_rows()->Add(all.begin(), all.end());
    return WriteJson(response);
  }

  ExitCode Verify() const {
    const auto verified = session_.client.VerifyLedger(options_);
    if (!verified.ok()) return session_.Fail(verified.error());
    const ExitCode code = line_.form == OutputForm::kJson
                              ? WriteJson(*verified)
                              : session_.Write(VerifyTable(*verified, color_));
    return code == kExitOk && !verified->findings().empty() ? kExitOther : code;
  }

  ExitCode ReadBalance(std::int64_t at, v1::Balance* balance, std::string* tenant) const {
    v1::GetBalanceRequest request;
    request.set_tenant(line_.tenant);
    request.mutable_at()->set_seconds(at);
    const auto read = session_.client.GetBalance(request, options_);
    if (!read.ok()) return session_.Fail(read.error());
    *balance = read->balance();
    *tenant = read->tenant();
    return kExitOk;
  }

  ExitCode WriteStatement() const {
    Statement statement;
    statement.month = line_.month;
    ExitCode code = ReadBalance(line_.range.from, &statement.opening, &statement.tenant);
    // Charges, of which there may be a million, are what the balances and the others leave.
    for (int kind = 1; code == kExitOk && v1::TransferKind_IsValid(kind); ++kind) {
      if (kind == v1::TRANSFER_KIND_CHARGE) continue;
      v1::ListTransfersRequest request;
      SetOwnerAndRange(&request);
      request.set_kind(static_cast<v1::TransferKind>(kind));
      code = EachTransfer(request, 0, Collect(&statement.transfers));
    }
    if (code == kExitOk) code = EachUsage(Collect(&statement.usage));
    if (code == kExitOk) {
      code = ReadBalance(line_.range.until, &statement.closing, &statement.tenant);
    }
    EndProgress(session_);
    if (code != kExitOk) return code;
    std::sort(statement.transfers.begin(), statement.transfers.end(),
              [](const v1::Transfer& a, const v1::Transfer& b) { return a.id() < b.id(); });
    return session_.WriteForeign(line_.form == OutputForm::kHtml ? StatementHtml(statement)
                                                                 : StatementCsv(statement));
  }

  const Session& session_;
  const AccountsLine& line_;
  const bool color_;
  const Interrupts::Answer answer_;
  client::CallOptions options_;
};

}  // namespace

ExitCode RunAccounts(const Session& session) { return AccountsRun(session).Go(); }

}  // namespace pingti::command
