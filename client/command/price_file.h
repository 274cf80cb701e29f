// Reads LiteLLM's model_prices_and_context_window.json: a map of models, each a map of fields.
//
// Numbers stay the text that the file has: a price must not pass through binary floating point.
// Thread-safety: pure functions and values. Bounds: the caller's text; kJsonDepthMax.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pingti::command {

inline constexpr int kJsonDepthMax = 64;

// One field of a model. `text`: a number as it is written, or what a string says; of the others as
// it is written, without what is in lists and maps.
struct PriceField {
  enum class Kind { kNull, kFalse, kTrue, kNumber, kString, kOther };
  std::string name;
  Kind kind = Kind::kNull;
  std::string text;
};

struct PriceEntry {
  std::string key;
  bool is_map = true;  // false: something else, which is no model
  std::vector<PriceField> fields;

  // Null: there is none, or it is `null`.
  const PriceField* Find(std::string_view name) const;
};

// The entries in the file's order. Returns what is wrong, with the line and the model where that is
// known, or nothing: no JSON, no map, a model or a field that is there twice, too deep.
std::string ReadPriceFile(std::string_view json, std::vector<PriceEntry>* entries);

}  // namespace pingti::command
