// `billing:`, and the prices of models.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/base/strings.h"
#include "server/config/sections.h"
#include "server/config/value.h"

namespace pingti::config {

namespace {

constexpr int kPriceDigits = 6;  // of units per million tokens: pico-units per token
constexpr int kMoneyDigits = 9;  // of units: nano-units
constexpr int kBonusPercentMax = 1'000;
constexpr absl::Duration kLifetimeMax = absl::Hours(24 * 3'653);

std::string CheckFolder(std::string_view text) {
  return text.find('\0') == std::string_view::npos ? "" : "has a zero byte; write a folder's path";
}

bool ReadCurrency(Fields& fields, std::string_view key, base::Currency* out, Presence presence) {
  std::string code;
  if (!fields.Text(key, &code, CheckCurrency, presence)) return false;
  *out = *base::ParseCurrency(code);
  return true;
}

// A price that is wrong stays in its place, so that the others keep theirs.
void ReadPrice(const YamlNode& node, const std::string& path, Context& context, Model* model) {
  PriceVersion price;
  Fields fields(node, path, context);
  const bool dated = fields.Date("since", &price.since, Presence::kRequired);
  ReadCurrency(fields, "currency", &price.currency, Presence::kRequired);
  fields.Decimal("input", &price.input_pico, kPriceDigits, kPriceMax, Presence::kRequired);
  price.cached_input_pico = price.input_pico;
  fields.Decimal("cached_input", &price.cached_input_pico, kPriceDigits, kPriceMax);
  fields.Decimal("output", &price.output_pico, kPriceDigits, kPriceMax, Presence::kRequired);
  fields.Decimal("request", &price.request_nano, kMoneyDigits, kPriceMax);
  fields.Text("source", &price.source, CheckRemark);
  absl::CivilDay read_on;
  if (fields.Date("source_date", &read_on)) price.source_date = read_on;
  fields.Bool("verified", &price.verified);
  fields.Finish();
  const bool is_twice =
      std::any_of(model->prices.begin(), model->prices.end(),
                  [&](const PriceVersion& other) { return dated && other.since == price.since; });
  if (is_twice) {
    fields.Error("since", "is the date of another price of this model, too; leave one of them");
  }
  model->prices.push_back(std::move(price));
}

void ReadRate(const YamlNode& node, const std::string& path, Context& context, Billing* billing) {
  ExchangeRate rate;
  Fields fields(node, path, context);
  const bool from = ReadCurrency(fields, "from", &rate.from, Presence::kRequired);
  const bool to = ReadCurrency(fields, "to", &rate.to, Presence::kRequired);
  if (fields.Decimal("rate", &rate.rate_nano, kMoneyDigits, kRateMax, Presence::kRequired) &&
      rate.rate_nano == 0) {
    fields.Error("rate", "is 0; write how much of `to` one of `from` is");
  }
  fields.Date("date", &rate.date, Presence::kRequired);
  fields.Text("source", &rate.source, CheckRemark);
  fields.Finish();
  if (!from || !to) return;
  if (rate.from == rate.to) {
    fields.Error("to", base::StrCat("is ", base::CurrencyCode(rate.to),
                                    ", as `from` is; write another currency"));
  }
  const bool is_twice = std::any_of(
      billing->exchange_rates.begin(), billing->exchange_rates.end(),
      [&](const ExchangeRate& other) { return other.from == rate.from && other.to == rate.to; });
  if (is_twice) {
    fields.Error("from",
                 base::StrCat("there is a rate from ", base::CurrencyCode(rate.from), " to ",
                              base::CurrencyCode(rate.to), " already; leave one of them"));
  }
  billing->exchange_rates.push_back(std::move(rate));
}

void ReadPlan(const YamlEntry& section, Context& context, Plan* plan) {
  Fields fields(section.value, "billing.plan", context);
  fields.Decimal("newcomer_bonus", &plan->newcomer_bonus, kMoneyDigits, kAmountMax);
  fields.Integer("bonus_percent", &plan->bonus_percent, 0, kBonusPercentMax);
  fields.Duration("bonus_lifetime", &plan->bonus_lifetime, absl::ZeroDuration(), kLifetimeMax);
  fields.Text("tier_on_top_up", &plan->tier_on_top_up, CheckModelName);
  fields.Finish();
}

// Of `billing.database` no part shows in a message: it may have a password.
std::string CheckConnection(std::string_view text) {
  const bool is_url = text.starts_with("postgresql://") || text.starts_with("postgres://");
  if (is_url || text.find('=') != std::string_view::npos) return "";
  return "is no connection string of PostgreSQL; write postgresql://user@host/name, or host=... "
         "dbname=...";
}

void ReadLedger(Fields& fields, Draft& draft, Billing* billing) {
  const std::optional<SecretValue> database =
      fields.Secret("database", "database_file", CheckConnection);
  if (database) billing->database = Secret(database->text);
  fields.Text("data_dir", &billing->data_dir, CheckFolder);
  if (!billing->database.empty() && !billing->data_dir.empty()) {
    fields.Error("data_dir", "is there beside database; leave one of them");
  }
  if (database && !database->key.empty() && database->text.empty() && billing->data_dir.empty()) {
    draft.notes.push_back(
        base::StrCat("billing.database: off, it is empty",
                     database->variables.empty()
                         ? ""
                         : base::StrCat(" (set ", Enumerate(database->variables, " and "), ")")));
  }
}

}  // namespace

void ReadPrices(Fields& fields, Context& context, Model* model) {
  fields.List("prices", [&](const YamlNode& node, const std::string& path) {
    ReadPrice(node, path, context, model);
  });
}

void ReadUnpriced(Fields& fields, std::optional<Unpriced>* out) {
  std::string word;
  if (!fields.Text("unpriced", &word, CheckUnpriced)) return;
  *out = word == "refuse" ? Unpriced::kRefuse : Unpriced::kFree;
}

void ReadBilling(const YamlEntry& section, Context& context, Draft& draft) {
  const size_t errors_before = context.errors.count();
  Billing& billing = draft.config.billing;
  Fields fields(section.value, "billing", context);
  ReadCurrency(fields, "currency", &billing.currency, Presence::kOptional);
  fields.List("exchange_rates", [&](const YamlNode& node, const std::string& path) {
    ReadRate(node, path, context, &billing);
  });
  std::optional<Unpriced> unpriced;
  ReadUnpriced(fields, &unpriced);
  billing.unpriced = unpriced.value_or(billing.unpriced);
  ReadLedger(fields, draft, &billing);
  if (const YamlEntry* plan = fields.Get("plan")) ReadPlan(*plan, context, &billing.plan);
  fields.Duration("dead_after", &billing.dead_after, absl::Seconds(1), absl::Hours(1));
  fields.Decimal("low_balance", &billing.low_balance, kMoneyDigits, kAmountMax);
  fields.Finish();
  draft.rates_complete = context.errors.count() == errors_before;
}

}  // namespace pingti::config
