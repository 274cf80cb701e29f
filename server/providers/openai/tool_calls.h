// Tells the tool calls of one streamed choice apart.
//
// OpenAI numbers the fragments of a call with `index`; others leave it out, give every call the
// number 0, or repeat the id on each fragment. A fragment belongs, in this order of evidence,
//   1. to the call with its id, unless its `index` names another call;
//   2. to the call with its `index`, unless it brings another id together with a name: then it
//      begins a new call;
//   3. without `index`: an unknown id, or a name without an id, begins a new call, anything else
//      goes on with the last one.
//
// Thread-safety: none; one tracker per choice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/model/answer.h"
#include "server/providers/openai/chunk_reader.h"
#include "server/providers/openai/json_text.h"

namespace pingti::providers::openai {

class ToolCallTracker {
 public:
  bool empty() const { return calls_.empty(); }

  // Appends what `fragment` adds, if anything, to `events`. Calls are numbered from 0 in the order
  // of their beginning; id and name are given once. False: malformed, or more than kToolCallsMax
  // calls.
  bool Take(const ToolFragment& fragment, int32_t choice, model::StreamEvents* events);

  // The choice has ended: appends what still waits for its other half.
  void Flush(int32_t choice, model::StreamEvents* events);

 private:
  struct Call {
    std::optional<int64_t> index;
    std::string id;
    std::string name;
    SurrogateHalf half;
  };

  static constexpr size_t kNew = static_cast<size_t>(-1);

  // Number of the call that a fragment belongs to, or kNew.
  size_t Match(const std::optional<int64_t>& index, std::string_view id,
               std::string_view name) const;
  size_t FindById(std::string_view id) const;
  size_t FindByIndex(int64_t index) const;

  std::vector<Call> calls_;
};

}  // namespace pingti::providers::openai
