// A LedgerStore that a test answers itself.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/billing/ledger_store.h"

namespace pingti::fakes {

class FakeLedger final : public billing::LedgerStore {
 public:
  const std::string& owner() const override { return owner_; }
  bool writable() const override { return writable_; }
  void Open(std::shared_ptr<billing::HoldTicket> ticket) override {
    asked_.push_back(ticket);
    if (answers_at_once_) Hold();
  }
  void Grow(std::shared_ptr<billing::HoldTicket>, int64_t nano) override {
    growths_.push_back(nano);
  }
  void NoteDelivered(billing::CallEnd so_far) override { notes_.push_back(std::move(so_far)); }
  void End(billing::CallEnd end) override { ends_.push_back(std::move(end)); }

  // Answers to the hold that was asked for last.
  void Hold() { Answer(billing::HoldState::kHeld, {.balance = {.cash = available_}}); }
  void Refuse(billing::HoldVerdict verdict, int64_t available = 0, int64_t charged = 0) {
    Answer(billing::HoldState::kRefused,
           {.verdict = verdict, .balance = {.cash = available}, .charged = charged});
  }
  void Fail() { Answer(billing::HoldState::kFailed, {}); }
  void LoseTouch() { Answer(billing::HoldState::kUnknown, {}); }
  // To what was asked for last.
  void GrantGrowth() {
    const billing::HoldReply reply{.balance = {.cash = available_}};
    asked_.back()->GrantGrowth(growths_.back(), &reply);
  }
  void RefuseGrowth(billing::HoldReply reply = {.verdict = billing::HoldVerdict::kBalanceTooLow}) {
    asked_.back()->RefuseGrowth(reply);
  }
  void RefuseForBudget(billing::BudgetUse use) {
    Answer(billing::HoldState::kRefused, {.verdict = billing::HoldVerdict::kKeyBudgetExhausted,
                                          .balance = {.cash = available_},
                                          .budget = use});
  }
  void HoldWithinBudget(billing::BudgetUse use) {
    Answer(billing::HoldState::kHeld, {.balance = {.cash = available_}, .budget = use});
  }

  const billing::HoldRequest& asked() const { return asked_.back()->request; }
  size_t asked_count() const { return asked_.size(); }
  const std::vector<int64_t>& growths() const { return growths_; }
  const std::vector<billing::CallEnd>& notes() const { return notes_; }
  const std::vector<billing::CallEnd>& ends() const { return ends_; }

  bool writable_ = true;
  bool answers_at_once_ = false;
  int64_t available_ = 1'000'000'000'000;

 private:
  void Answer(billing::HoldState state, const billing::HoldReply& reply) {
    // A copy: the call may end with the answer.
    const std::shared_ptr<billing::HoldTicket> ticket = asked_.back();
    ticket->Answer(state, reply);
  }

  const std::string owner_ = "this process";
  std::vector<std::shared_ptr<billing::HoldTicket>> asked_;
  std::vector<int64_t> growths_;
  std::vector<billing::CallEnd> notes_;
  std::vector<billing::CallEnd> ends_;
};

}  // namespace pingti::fakes
