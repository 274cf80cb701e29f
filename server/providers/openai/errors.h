// Typed failures out of what an OpenAI-compatible provider sends instead of an answer.
//
// The evidence counts in this order: words of the message that overrule a misleading code, the
// `code`, the `type`, other words of the message, the HTTP status. So a 429 is told apart into
// "wait", "pay" and "never", and an error inside an answer with status 200 gets the same class as
// one with its own status.
#pragma once

#include <string_view>

#include "absl/time/time.h"
#include "server/model/failure.h"
#include "server/providers/openai/error_reader.h"

namespace pingti::providers::openai {

inline constexpr int kStatusOk = 200;  // of HTTP

// A failure in our own words. `upstream` is what the provider sent; its beginning is kept, cleaned.
model::Failure MakeFailure(model::FailureClass failure_class, int status,
                           std::string_view upstream);

// The failure that `error` states, sent with the HTTP status `status` (200: inside an answer). Has
// the wait that the message speaks of.
model::Failure FailureOfError(int status, const ProviderError& error, std::string_view upstream);

// True for a body that is a page for people instead of an answer for programs.
bool IsHtml(std::string_view content_type, std::string_view body);

// The failure of an answer that is such a page.
model::Failure FailureOfHtml(int status, std::string_view body);

}  // namespace pingti::providers::openai
