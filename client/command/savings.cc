#include "client/command/savings.h"

#include <google/protobuf/struct.pb.h>

#include <limits>
#include <set>

#include "absl/numeric/int128.h"
#include "client/command/format.h"
#include "client/command/json.h"
#include "client/command/table.h"
#include "client/command/visible_text.h"

namespace pingti::command {
namespace {

constexpr std::int64_t kNano = 1'000'000'000;
// From twice 1e-9 pico-units per token to 1e-4 units per million tokens.
constexpr std::int64_t kDoubledPerMean = 2 * 100 * kNano;
constexpr std::int64_t kRateMax = 1'000'000 * kNano;  // the protocol allows no more

const std::string& ChargedIn(const v1::ModelPrice& price) {
  return price.has_exchange() ? price.exchange().currency() : price.currency();
}

// Twice the mean, in 1e-9 pico-units per token of what tenants are charged in; exact.
std::optional<absl::int128> Doubled(const v1::ModelPrice& price) {
  const std::int64_t rate = price.has_exchange() ? price.exchange().rate_nano() : kNano;
  for (std::int64_t pico : {price.input_pico_per_token(), price.output_pico_per_token()}) {
    if (pico < 0 || pico > kPicoMax) return std::nullopt;
  }
  if (rate < 1 || rate > kRateMax) return std::nullopt;
  return absl::int128(price.input_pico_per_token() + price.output_pico_per_token()) * rate;
}

absl::int128 DividedRounded(absl::int128 numerator, absl::int128 denominator) {
  const absl::int128 half = denominator / 2;
  return (numerator < 0 ? numerator - half : numerator + half) / denominator;
}

std::string PriceText(const v1::ModelPrice& price) {
  std::string text = FormatPerMillion(price.input_pico_per_token());
  if (price.output_pico_per_token() != price.input_pico_per_token()) {
    text += " / " + FormatPerMillion(price.output_pico_per_token());
  }
  return text + " " + price.currency() + (price.verified() ? "" : " ?");
}

std::string MeanText(bool has_price, const v1::ModelPrice& price) {
  const auto mean = has_price ? MeanPrice(price) : std::nullopt;
  return mean ? FormatUnits(*mean, 4, 0) + " " + ChargedIn(price) : "-";
}

std::string RateText(const v1::ModelPrice& price) {
  const v1::ExchangeRate& rate = price.exchange();
  return "1 " + price.currency() + " = " + FormatUnits(rate.rate_nano(), 9, 0) + " " +
         rate.currency() + " of " + rate.date() +
         (rate.source().empty() ? "" : " (" + rate.source() + ")");
}

std::optional<std::int64_t> SavingOf(const v1::Model& model) {
  if (!model.has_requested_price() || !model.has_price()) return std::nullopt;
  return Saving(model.requested_price(), model.price());
}

void SetText(google::protobuf::Struct& object, const std::string& name, const std::string& text) {
  (*object.mutable_fields())[name].set_string_value(text);
}

// `prefix` is `requested` or `substitute`.
void SetPrice(google::protobuf::Struct& object, const std::string& prefix,
              const v1::ModelPrice& price) {
  SetText(object, prefix + "_price", price.version());
  SetText(object, prefix + "_mean_per_million", MeanText(true, price));
  (*object.mutable_fields())[prefix + "_price_verified"].set_bool_value(price.verified());
  if (price.has_exchange()) SetText(object, prefix + "_exchange_rate", RateText(price));
}

}  // namespace

std::optional<std::int64_t> MeanPrice(const v1::ModelPrice& price) {
  const auto doubled = Doubled(price);
  if (!doubled) return std::nullopt;
  const absl::int128 mean = DividedRounded(*doubled, kDoubledPerMean);
  if (mean > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return static_cast<std::int64_t>(mean);
}

std::optional<std::int64_t> Saving(const v1::ModelPrice& requested,
                                   const v1::ModelPrice& substitute) {
  const auto before = Doubled(requested);
  const auto after = Doubled(substitute);
  if (!before || !after || *before == 0 || ChargedIn(requested) != ChargedIn(substitute)) {
    return std::nullopt;
  }
  const absl::int128 saving = DividedRounded((*before - *after) * 10'000, *before);
  if (saving < std::numeric_limits<std::int64_t>::min()) return std::nullopt;
  return static_cast<std::int64_t>(saving);
}

std::vector<v1::Model> Substituted(const std::vector<v1::Model>& models) {
  std::vector<v1::Model> substituted;
  for (const v1::Model& model : models) {
    if (model.name() != model.serves()) substituted.push_back(model);
  }
  return substituted;
}

std::string SavingsTable(const std::vector<v1::Model>& models, bool color) {
  std::vector<std::vector<Cell>> rows;
  std::set<std::string> notes;
  for (const v1::Model& model : models) {
    const auto saving = SavingOf(model);
    rows.push_back({{model.name()},
                    {model.has_requested_price() ? PriceText(model.requested_price()) : "-"},
                    {MeanText(model.has_requested_price(), model.requested_price())},
                    {model.serves()},
                    {FormatPrice(model)},
                    {MeanText(model.has_price(), model.price())},
                    {saving ? FormatUnits(*saving, 2, 2) + "%" : "-",
                     saving && *saving > 0 ? Style::kGreen : Style::kPlain}});
    for (const v1::ModelPrice* price : {&model.requested_price(), &model.price()}) {
      if (price->has_exchange()) notes.insert("Exchange rate: " + RateText(*price) + "\n");
      if (price->version().empty()) continue;
      notes.insert("Price " + price->version() +
                   (price->source().empty() ? "" : ": " + price->source()) +
                   (price->verified() ? "" : " (not verified)") + "\n");
    }
  }
  std::string text = RenderTable({{"NAME"},
                                  {"LIST PRICE", true},
                                  {"MEAN", true},
                                  {"SERVED BY"},
                                  {"LIST PRICE", true},
                                  {"MEAN", true},
                                  {"SAVES", true}},
                                 rows, color);
  text +=
      "\nPrice basis: list prices per million tokens, input / output; compared is their mean.\n";
  for (const std::string& note : notes) text += VisibleText(note, LineBreaks::kKeep);
  return text;
}

std::string SavingsJson(const std::vector<v1::Model>& models) {
  google::protobuf::Struct all;
  SetText(all, "basis", "mean of input and output list price per million tokens");
  auto* list = (*all.mutable_fields())["savings"].mutable_list_value();
  for (const v1::Model& model : models) {
    auto* row = list->add_values()->mutable_struct_value();
    SetText(*row, "requested", model.name());
    SetText(*row, "substitute", model.serves());
    if (model.has_requested_price()) SetPrice(*row, "requested", model.requested_price());
    if (model.has_price()) SetPrice(*row, "substitute", model.price());
    if (const auto saving = SavingOf(model)) {
      SetText(*row, "saved_percent", FormatUnits(*saving, 2, 2));
    }
  }
  return ToJson(all);
}

std::string FormatPrice(const v1::Model& model) {
  return model.has_price() ? PriceText(model.price()) : "-";
}

}  // namespace pingti::command
