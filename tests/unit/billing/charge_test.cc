#include "server/billing/charge.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "tests/unit/billing/exact_decimal.h"

namespace pingti::billing {
namespace {

using base::Currency;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

Price MakePrice(int64_t input_pico, int64_t output_pico) {
  Price price;
  price.list.input_pico = price.list.cached_input_pico = input_pico;
  price.list.output_pico = output_pico;
  return price;
}

model::Usage Used(int64_t input, int64_t output, int64_t cached = 0) {
  model::Usage usage;
  usage.input_tokens = input;
  usage.output_tokens = output;
  usage.cached_input_tokens = cached;
  usage.source = model::UsageSource::kMeasured;
  return usage;
}

int64_t NanoOf(const model::Usage& usage, const Price& price) {
  const auto money = ChargeFor(usage, price);
  EXPECT_TRUE(money.has_value());
  return money ? money->nano : -1;
}

TEST(ChargeForTest, IsTheSumOfWhatWasUsed) {
  Price price = MakePrice(20'000'000, 30'000'000);
  price.list.cached_input_pico = 5'000'000;
  price.list.request_nano = 7;
  // 100 x 5 and 900 x 20 and 10 x 30 micro-units, and the request.
  EXPECT_EQ(NanoOf(Used(1'000, 10, 100), price), 500'000 + 18'000'000 + 300'000 + 7);
}

TEST(ChargeForTest, RoundsUpOnceAtTheEnd) {
  const Price price = MakePrice(1, 1);  // a thousandth of a nano-unit for each token
  EXPECT_EQ(NanoOf(Used(0, 0), price), 0);
  EXPECT_EQ(NanoOf(Used(1, 0), price), 1);
  EXPECT_EQ(NanoOf(Used(500, 500), price), 1);  // each part by itself would be 1, too
  EXPECT_EQ(NanoOf(Used(500, 501), price), 2);
}

TEST(ChargeForTest, ConvertsBeforeItRounds) {
  Price price = MakePrice(1, 1);
  price.list.currency = Currency::kUsd;
  price.rate_nano = 7'268'900'000;
  EXPECT_EQ(ChargeFor(Used(137, 0), price), (base::Money{1, Currency::kCny}));  // 0.9958...
  EXPECT_EQ(ChargeFor(Used(138, 0), price), (base::Money{2, Currency::kCny}));  // 1.0031...
  price.charged_in = Currency::kUsd;
  price.rate_nano = base::kNanoPerUnit;
  EXPECT_EQ(ChargeFor(Used(138, 0), price), (base::Money{1, Currency::kUsd}));
}

TEST(ChargeForTest, UsageWithoutASourceCostsNothing) {
  Price price = MakePrice(20'000'000, 20'000'000);
  price.list.request_nano = 1'000;
  model::Usage usage = Used(10, 10);
  usage.source = model::UsageSource::kNone;
  EXPECT_EQ(NanoOf(usage, price), 0);
  for (auto source : {model::UsageSource::kCounted, model::UsageSource::kEstimated}) {
    usage.source = source;
    EXPECT_EQ(NanoOf(usage, price), 401'000);
  }
}

TEST(ChargeForTest, ImpossibleCountsDoNotBecomeCredit) {
  Price price = MakePrice(20'000'000, 20'000'000);
  price.list.cached_input_pico = 0;
  EXPECT_EQ(NanoOf(Used(-5, -5, -5), price), 0);
  EXPECT_EQ(NanoOf(Used(10, 0, 11), price), 0);  // all of it is cached, and no more
  EXPECT_EQ(NanoOf(Used(10, 0, -1), price), 200'000);
}

TEST(ChargeForTest, WhatDoesNotFitSaysSo) {
  EXPECT_EQ(NanoOf(Used(kMax, 0), MakePrice(1'000, 0)), kMax);
  EXPECT_EQ(ChargeFor(Used(kMax, 1), MakePrice(1'000, 1)), std::nullopt);
  Price dearest = MakePrice(1'000'000'000'000, 1'000'000'000'000);
  EXPECT_EQ(ChargeFor(Used(kMax, kMax), dearest), std::nullopt);
  dearest.rate_nano = config::kRateMax * base::kNanoPerUnit;
  EXPECT_EQ(ChargeFor(Used(kMax, kMax), dearest), std::nullopt);
}

// Any price that a file can have, any rate, and any counts.
struct Case {
  Price price;
  model::Usage usage;
};

// Small and large numbers as often as those between.
rc::Gen<int64_t> UpTo(int64_t max) {
  return rc::gen::exec([max] {
    const int64_t range = *rc::gen::element<int64_t>(3, 5'000, 100'000'000, max);
    const int64_t value = *rc::gen::inRange<int64_t>(0, std::min(range, max));
    return *rc::gen::arbitrary<bool>() ? value : max - value;
  });
}

rc::Gen<Case> AnyCase() {
  return rc::gen::exec([] {
    Case made;
    constexpr int64_t kPriceMax = config::kPriceMax * base::kPicoPerUnitPerMillion;
    made.price.list.input_pico = *UpTo(kPriceMax);
    made.price.list.cached_input_pico = *UpTo(kPriceMax);
    made.price.list.output_pico = *UpTo(kPriceMax);
    made.price.list.request_nano = *UpTo(config::kPriceMax * base::kNanoPerUnit);
    made.price.rate_nano = std::max<int64_t>(*UpTo(config::kRateMax * base::kNanoPerUnit), 1);
    const int64_t most = *rc::gen::element<int64_t>(10, 200'000, kMax);
    made.usage = Used(*UpTo(most), *UpTo(most));
    made.usage.cached_input_tokens = *UpTo(made.usage.input_tokens);
    return made;
  });
}

ExactNumber Exact(int64_t value) { return ExactNumber(static_cast<uint64_t>(value)); }

// In nano-units, without a bound.
ExactNumber ExactCharge(const Case& c) {
  const config::PriceVersion& list = c.price.list;
  const int64_t cached = c.usage.cached_input_tokens;
  const ExactNumber pico = Exact(cached) * Exact(list.cached_input_pico) +
                           Exact(c.usage.input_tokens - cached) * Exact(list.input_pico) +
                           Exact(c.usage.output_tokens) * Exact(list.output_pico) +
                           Exact(list.request_nano) * ExactNumber(1'000);
  return (pico * Exact(c.price.rate_nano)).ShiftedDownUp(12);
}

RC_GTEST_PROP(ChargeForProperty, IsTheExactSumOrSaysThatItDoesNotFit, ()) {
  const Case c = *AnyCase();
  const std::string exact = ExactCharge(c).ToString();
  const std::string most = std::to_string(kMax);
  const bool fits = exact.size() < most.size() || (exact.size() == most.size() && exact <= most);
  RC_TAG(fits);
  const auto money = ChargeFor(c.usage, c.price);
  RC_ASSERT(money.has_value() == fits);
  if (fits) RC_ASSERT(std::to_string(money->nano) == exact);
}

// So that a hold for more tokens always covers a call that used fewer.
RC_GTEST_PROP(ChargeForProperty, MoreTokensNeverCostLess, ()) {
  const Case c = *AnyCase();
  model::Usage more = c.usage;
  more.input_tokens = std::max(more.input_tokens, *UpTo(kMax));
  more.output_tokens = std::max(more.output_tokens, *UpTo(kMax));
  const auto less = ChargeFor(c.usage, c.price);
  const auto charge = ChargeFor(more, c.price);
  if (charge) RC_ASSERT(less && less->nano <= charge->nano);
}

TEST(ExactNumberTest, CalculatesAsAtSchool) {
  EXPECT_EQ((ExactNumber(999) + ExactNumber(1)).ToString(), "1000");
  EXPECT_EQ((ExactNumber(UINT64_MAX) * ExactNumber(UINT64_MAX)).ToString(),
            "340282366920938463426481119284349108225");
  EXPECT_EQ((ExactNumber(0) * ExactNumber(5)).ToString(), "0");
  EXPECT_EQ(ExactNumber(1'001).ShiftedDownUp(3).ToString(), "2");
  EXPECT_EQ(ExactNumber(1'000).ShiftedDownUp(3).ToString(), "1");
  EXPECT_EQ(ExactNumber(0).ShiftedDownUp(3).ToString(), "0");
}

}  // namespace
}  // namespace pingti::billing
