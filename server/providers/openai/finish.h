// What the `finish_reason` of a choice means.
#pragma once

#include <optional>
#include <string_view>

#include "server/model/answer.h"
#include "server/model/failure.h"

namespace pingti::providers::openai {

struct Finish {
  model::FinishReason reason = model::FinishReason::kNone;
  // Set where the provider says that it broke off: the choice is not complete.
  std::optional<model::FailureClass> failure;
};

// `text` is not empty. `called_tools`: the choice has tool calls; some providers finish these with
// `stop`.
Finish ReadFinish(std::string_view text, bool called_tools);

}  // namespace pingti::providers::openai
