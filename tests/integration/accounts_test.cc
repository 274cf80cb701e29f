// Accounts on the real server with its ledger in SQLite: who may do what, payments that are made
// once, pages, and the commands.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/accounts_fixture.h"

namespace pingti::integration {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(AccountsTest, ATopUpIsDoneOnceAndBringsItsBonus) {
  const auto first = Admin().TopUp(Payment("receipt-1", 40));
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->bonus().nano_units(), 20 * kUnit);
  EXPECT_EQ(first->bonus().currency(), "CNY");
  EXPECT_EQ(first->balance().cash().nano_units(), 40 * kUnit);
  EXPECT_EQ(first->balance().bonus().nano_units(), 120 * kUnit);
  EXPECT_EQ(first->balance().available().nano_units(), 160 * kUnit);
  EXPECT_FALSE(first->done_before());

  const auto again = Admin().TopUp(Payment("receipt-1", 40));
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_TRUE(again->done_before());
  EXPECT_EQ(again->bonus().nano_units(), 20 * kUnit);
  EXPECT_EQ(again->balance().total().nano_units(), 160 * kUnit);

  const auto other = Admin().TopUp(Payment("receipt-1", 41));
  EXPECT_EQ(other.error().code, grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(other.error().reason, "REFERENCE_IN_USE");
  EXPECT_EQ(BalanceOf("acme").total().nano_units(), 160 * kUnit);
  // Another tenant's payment may have the same reference.
  EXPECT_TRUE(Admin().TopUp(Payment("receipt-1", 41, "duck")).ok());

  const auto verified = Admin().VerifyLedger();
  ASSERT_TRUE(verified.ok());
  EXPECT_EQ(verified->findings_size(), 0);
  EXPECT_EQ(verified->accounts(), 2);
  EXPECT_EQ(verified->transfers(), 6);
}

TEST_F(AccountsTest, ATenantSeesItsOwnAccountAndNothingElse) {
  const auto own = Tenant().GetBalance({});
  ASSERT_TRUE(own.ok()) << own.error().message;
  EXPECT_EQ(own->tenant(), "acme");
  EXPECT_EQ(own->balance().bonus().nano_units(), 100 * kUnit);
  v1::GetBalanceRequest foreign;
  for (const char* tenant : {"duck", "nobody"}) {
    foreign.set_tenant(tenant);
    EXPECT_EQ(Tenant().GetBalance(foreign).error().reason, "NOT_ADMIN");
  }
  v1::ListTransfersRequest transfers;
  transfers.set_tenant("duck");
  EXPECT_EQ(Tenant().ListTransfers(transfers).error().code, grpc::StatusCode::PERMISSION_DENIED);
  v1::ListUsageRequest usage;
  usage.set_tenant("duck");
  EXPECT_EQ(Tenant().ListUsage(usage).error().reason, "NOT_ADMIN");
  EXPECT_EQ(Tenant().TopUp(Payment("mine", 1)).error().reason, "NOT_ADMIN");
  v1::AdjustRequest adjust;
  adjust.set_tenant("acme");
  EXPECT_EQ(Tenant().Adjust(adjust).error().reason, "NOT_ADMIN");
  EXPECT_EQ(Tenant().VerifyLedger().error().reason, "NOT_ADMIN");
  // Of all tenants there is its own.
  const auto listed = Tenant().ListTransfers({});
  ASSERT_TRUE(listed.ok());
  ASSERT_EQ(listed->transfers_size(), 1);
  EXPECT_EQ(listed->transfers(0).tenant(), "acme");
  EXPECT_EQ(listed->transfers(0).kind(), v1::TRANSFER_KIND_NEWCOMER);
}

TEST_F(AccountsTest, AnAdministratorCompletesNoCalls) {
  const auto answer = Admin().Generate(Ask("Hello", "large"));
  EXPECT_EQ(answer.error().code, grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(answer.error().reason, "KEY_INVALID");
  EXPECT_THAT(answer.error().message, HasSubstr("administrator"));
  EXPECT_EQ(Admin().ListModels().error().reason, "KEY_INVALID");
}

TEST_F(AccountsTest, WhatIsWrongIsSaid) {
  v1::GetBalanceRequest unknown;
  unknown.set_tenant("acmee");
  const auto none = Admin().GetBalance(unknown);
  EXPECT_EQ(none.error().code, grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(none.error().reason, "ACCOUNT_UNKNOWN");
  EXPECT_EQ(none.error().metadata.at("near"), "acme");
  EXPECT_EQ(Admin().TopUp(Payment("r", 1, "acmee")).error().reason, "ACCOUNT_UNKNOWN");

  const auto field = [](const client::Error& error) {
    return error.field_violations.empty() ? error.reason : error.field_violations[0].field;
  };
  EXPECT_EQ(field(Admin().GetBalance({}).error()), "tenant");
  EXPECT_EQ(field(Admin().TopUp(Payment("", 1)).error()), "reference");
  EXPECT_EQ(field(Admin().TopUp(Payment("a\nb", 1)).error()), "reference");
  EXPECT_EQ(field(Admin().TopUp(Payment("r", 0)).error()), "amount");
  EXPECT_EQ(field(Admin().TopUp(Payment("r", -1)).error()), "amount");
  EXPECT_EQ(field(Admin().TopUp(Payment("r", 10'000'001)).error()), "amount");
  v1::TopUpRequest dollars = Payment("r", 1);
  dollars.mutable_amount()->set_currency("USD");
  EXPECT_EQ(field(Admin().TopUp(dollars).error()), "amount.currency");
  v1::ListTransfersRequest list;
  list.set_page_size(1001);
  EXPECT_EQ(field(Admin().ListTransfers(list).error()), "page_size");
  list.set_page_size(0);
  list.set_page_token("x");
  EXPECT_EQ(field(Admin().ListTransfers(list).error()), "page_token");
  v1::ListUsageRequest usage;
  usage.set_page_token("2024-06-27/acme");
  EXPECT_EQ(field(Admin().ListUsage(usage).error()), "page_token");
  usage.clear_page_token();
  usage.mutable_until()->set_seconds(-1);
  EXPECT_EQ(field(Admin().ListUsage(usage).error()), "until");
  EXPECT_EQ(BalanceOf("acme").total().nano_units(), 100 * kUnit);
}

TEST_F(AccountsTest, CorrectionsHaveAReasonAndTakeNoMoreThanThereIs) {
  ASSERT_TRUE(Admin().TopUp(Payment("receipt-1", 10)).ok());
  v1::AdjustRequest request;
  request.set_tenant("acme");
  request.set_reference("ticket-7");
  request.mutable_amount()->set_nano_units(-4 * kUnit);
  request.set_refund(true);
  EXPECT_EQ(Admin().Adjust(request).error().reason, "FIELD_INVALID");  // no reason
  request.set_reason("left us");
  const auto done = Admin().Adjust(request);
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(done->balance().cash().nano_units(), 6 * kUnit);
  EXPECT_TRUE(Admin().Adjust(request)->done_before());
  request.set_reference("ticket-8");
  request.mutable_amount()->set_nano_units(-7 * kUnit);
  const auto refused = Admin().Adjust(request);
  EXPECT_EQ(refused.error().code, grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(refused.error().reason, "BALANCE_TOO_LOW");
  EXPECT_EQ(refused.error().metadata.at("balance"), "6.00 CNY");

  v1::ListTransfersRequest list;
  list.set_tenant("acme");
  list.set_kind(v1::TRANSFER_KIND_REFUND);
  const auto refunds = Admin().ListTransfers(list);
  ASSERT_TRUE(refunds.ok());
  ASSERT_EQ(refunds->transfers_size(), 1);
  const v1::Transfer& refund = refunds->transfers(0);
  EXPECT_EQ(refund.actor(), "admin:finance");
  EXPECT_EQ(refund.reason(), "left us");
  EXPECT_EQ(refund.reference(), "ticket-7");
  EXPECT_EQ(refund.debit(), "cash");
  EXPECT_EQ(refund.credit(), "refunds");
  EXPECT_EQ(Admin().VerifyLedger()->findings_size(), 0);
}

TEST_F(AccountsTest, PagesHaveEachEntryOnceNewestFirst) {
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(Admin().TopUp(Payment("receipt-" + std::to_string(i), 1)).ok());
  }
  v1::ListTransfersRequest list;
  list.set_tenant("acme");
  list.set_page_size(4);
  std::vector<int64_t> ids;
  do {
    const auto page = Admin().ListTransfers(list);
    ASSERT_TRUE(page.ok());
    ASSERT_LE(page->transfers_size(), 4);
    for (const v1::Transfer& transfer : page->transfers()) ids.push_back(transfer.id());
    list.set_page_token(page->next_page_token());
  } while (!list.page_token().empty());
  EXPECT_EQ(ids.size(), 11u);  // the newcomer's, and two of each payment
  EXPECT_EQ(std::set<int64_t>(ids.begin(), ids.end()).size(), ids.size());
  EXPECT_TRUE(std::is_sorted(ids.rbegin(), ids.rend()));
  // Of a time in which nothing happened.
  list.mutable_until()->set_seconds(1'700'000'000);
  EXPECT_EQ(Admin().ListTransfers(list)->transfers_size(), 0);
  v1::GetBalanceRequest then;
  then.set_tenant("acme");
  then.mutable_at()->set_seconds(1'700'000'000);
  EXPECT_EQ(Admin().GetBalance(then)->balance().total().nano_units(), 0);
}

TEST_F(AccountsTest, ACallerThatGoesIsNotMissed) {
  for (int i = 0; i < 100; ++i) {
    client::CallOptions hasty;
    hasty.deadline = Millis(i % 3);
    (void)Admin().TopUp(Payment("receipt-" + std::to_string(i), 1), hasty);
    (void)Admin().VerifyLedger(hasty);
  }
  // Whoever has no answer asks again.
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(Admin().TopUp(Payment("receipt-" + std::to_string(i), 1)).ok());
  }
  EXPECT_EQ(BalanceOf("acme").cash().nano_units(), 100 * kUnit);
  EXPECT_EQ(Admin().VerifyLedger()->findings_size(), 0);
}

TEST_F(AccountsTest, TheCommandsShowAndPay) {
  const CommandEnd paid = Pingti({"topup", "acme", "12.5", "--reference", "receipt-1"});
  EXPECT_EQ(paid.code, 0) << paid.errors;
  EXPECT_THAT(paid.output, HasSubstr("12.50 CNY paid in, 6.25 CNY of bonus"));
  const CommandEnd again = Pingti({"topup", "acme", "12.5", "--reference", "receipt-1"});
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.output, HasSubstr("had been done before"));
  EXPECT_EQ(Pingti({"topup", "acme", "12.6", "--reference", "receipt-1"}).code, 4);
  EXPECT_EQ(Pingti({"topup", "acme", "1e3", "--reference", "receipt-2"}).code, 2);

  const CommandEnd balance = Pingti({"balance"});
  EXPECT_EQ(balance.code, 0) << balance.errors;
  EXPECT_THAT(balance.output, HasSubstr("118.75"));
  const CommandEnd list = Pingti({"ledger", "list", "--all-tenants"});
  EXPECT_EQ(list.code, 0) << list.errors;
  EXPECT_THAT(list.output, HasSubstr("newcomer"));
  EXPECT_THAT(list.output, HasSubstr("duck"));
  const CommandEnd verify = Pingti({"ledger", "verify"});
  EXPECT_EQ(verify.code, 0) << verify.errors;
  EXPECT_THAT(verify.output, HasSubstr("2 accounts, 4 transfers"));
  EXPECT_EQ(Pingti({"usage", "--csv"}).code, 0);
  EXPECT_EQ(Pingti({"statement", "--month", "2024-13"}).code, 2);
  const CommandEnd page = Pingti({"statement", "--month", "2024-06", "--html"});
  EXPECT_EQ(page.code, 0) << page.errors;
  EXPECT_THAT(page.output, HasSubstr("</html>"));
  EXPECT_THAT(page.output, Not(HasSubstr("receipt-1")));  // that was not in 2024
}

TEST_F(NoLedgerTest, SaysHowToSwitchItOn) {
  const auto balance = Tenant().GetBalance({});
  EXPECT_EQ(balance.error().code, grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(balance.error().reason, "LEDGER_OFF");
  EXPECT_THAT(balance.error().message, HasSubstr("--data-dir"));
  EXPECT_EQ(Admin().TopUp(Payment("r", 1)).error().reason, "LEDGER_OFF");
  EXPECT_EQ(Admin().VerifyLedger().error().reason, "LEDGER_OFF");
  EXPECT_EQ(Tenant().VerifyLedger().error().reason, "NOT_ADMIN");
}

}  // namespace
}  // namespace pingti::integration
