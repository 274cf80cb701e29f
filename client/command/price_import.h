// Prices for the catalogue of a server, out of LiteLLM's model_prices_and_context_window.json.
//
// Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pingti::command {

inline constexpr char kImportSource[] = "model_prices_and_context_window.json of BerriAI/litellm";

struct ImportRequest {
  std::vector<std::string> models;  // as in the file; empty: all chat models of `provider`
  std::string provider;             // as LiteLLM names it; empty: any
  std::string provider_name;        // in the configuration; empty: as LiteLLM names it
  std::string date;                 // first day of the prices, 2024-06-01
  std::string source = kImportSource;
};

// `yaml`, entries for `models:` of a configuration, or what is wrong with each of the models that
// were asked for: then there is no YAML.
struct Imported {
  std::string yaml;
  std::vector<std::string> errors;
};
Imported ImportPrices(std::string_view json, const ImportRequest& request);

// A price per token in units, a number of JSON, as pico-units; exact, or nothing and what is wrong
// with it in `wrong`.
std::optional<std::int64_t> ParsePico(std::string_view number, std::string* wrong);

// What a configuration takes as the name of a provider: 1 to 64 of a-z, 0-9 and -.
bool IsProviderName(std::string_view name);

// What a configuration takes as a source: one line of at most 500 bytes.
bool IsSource(std::string_view source);

}  // namespace pingti::command
