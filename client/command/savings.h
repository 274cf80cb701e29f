// What it saves to be served by another model than the one that was named.
//
// Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pingti/v1/models_service.pb.h"

namespace pingti::command {

// The mean of the input and output list price, per million tokens in the currency that tenants are
// charged in, in 1e-4 of its unit, rounded. Nothing: a number that no server of ours sends.
std::optional<std::int64_t> MeanPrice(const v1::ModelPrice& price);

// How much less the mean of `substitute` is than that of `requested`, in hundredths of a percent,
// rounded to the nearest; below zero where it is more. It is worked out from the prices themselves,
// not from rounded means. Nothing: the first costs nothing, or they cannot be compared.
std::optional<std::int64_t> Saving(const v1::ModelPrice& requested,
                                   const v1::ModelPrice& substitute);

// Those models that another one serves.
std::vector<v1::Model> Substituted(const std::vector<v1::Model>& models);

// `pingti savings`: a row for each of `models`, then the price basis, the exchange rates with their
// dates, and what is not verified.
std::string SavingsTable(const std::vector<v1::Model>& models, bool color);

// The same as JSON, one object; decimals are strings.
std::string SavingsJson(const std::vector<v1::Model>& models);

// `20 CNY` per million tokens, or `5 / 15 USD` where input and output differ; `-`: unknown. An
// unverified one ends in `?`.
std::string FormatPrice(const v1::Model& model);

}  // namespace pingti::command
