// The words and numbers by which OpenAI-compatible providers name their errors, as failure classes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "server/model/failure.h"

namespace pingti::providers::openai {

// Class of an error's `code` or `type`, in any case; nothing where the word alone does not decide
// (`invalid_request_error` stands for a dozen things).
std::optional<model::FailureClass> ClassOfWord(std::string_view word);

// Class that an error's message gives away where no code does; `lower` is in lower case.
std::optional<model::FailureClass> ClassOfMessage(std::string_view lower);

// Class of MiniMax's `base_resp.status_code`, which is not 0.
model::FailureClass ClassOfBaseStatus(int64_t status);

// Class of an HTTP status other than 200 without anything else known.
model::FailureClass ClassOfStatus(int status);

}  // namespace pingti::providers::openai
