// The errors that the simulated provider answers with: status, and OpenAI's body for it.
//
// Messages of 403 (region) and 429 (rate, quota, too large) are those that OpenAI's live API was
// seen to send; the rest have its shape. Pure functions; the table is constant.
#pragma once

#include <string>
#include <string_view>

namespace pingti::upstream {

// A row of the table of errors, reached by the knob `status=<name>`.
struct ErrorRow {
  std::string_view name;
  int status;
  std::string_view type;     // empty: null
  std::string_view code;     // empty: null
  std::string_view param;    // empty: null
  std::string_view message;  // `%M` stands for the model
};

// Null where there is no such row.
const ErrorRow* FindError(std::string_view name);

// {"error":{"message","type","param","code"}}; empty type, param and code are null.
std::string ErrorBody(std::string_view message, std::string_view type, std::string_view code,
                      std::string_view param);

// Body of a row for a model.
std::string ErrorBody(const ErrorRow& row, std::string_view model);

// Reason phrase of a status.
std::string_view StatusText(int status);

// The list in --help.
std::string ErrorHelp();

}  // namespace pingti::upstream
