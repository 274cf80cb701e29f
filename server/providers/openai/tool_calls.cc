#include "server/providers/openai/tool_calls.h"

#include <utility>

namespace pingti::providers::openai {

// The latest one wins, as the providers that reuse a number mean it.
size_t ToolCallTracker::FindById(std::string_view id) const {
  for (size_t i = calls_.size(); i-- > 0;) {
    if (calls_[i].id == id) return i;
  }
  return kNew;
}

size_t ToolCallTracker::FindByIndex(int64_t index) const {
  for (size_t i = calls_.size(); i-- > 0;) {
    if (calls_[i].index == index) return i;
  }
  return kNew;
}

size_t ToolCallTracker::Match(const std::optional<int64_t>& index, std::string_view id,
                              std::string_view name) const {
  size_t by_id = id.empty() ? kNew : FindById(id);
  if (!index) {
    if (by_id != kNew) return by_id;
    if (calls_.empty() || !id.empty() || !name.empty()) return kNew;
    return calls_.size() - 1;
  }
  size_t by_index = FindByIndex(*index);
  if (by_id != kNew) {
    if (calls_[by_id].index == index) return by_id;
    // One id on two numbers: a fragment with a name begins or repeats the call of its own number.
    return name.empty() ? by_id : by_index;
  }
  if (by_index == kNew) return kNew;
  const Call& call = calls_[by_index];
  bool other_id = !id.empty() && !call.id.empty();  // equal ones were found above
  bool other_name = !name.empty() && !call.name.empty() && name != call.name;
  if (other_id && !name.empty()) return kNew;
  if (id.empty() && call.id.empty() && other_name) return kNew;
  return by_index;
}

bool ToolCallTracker::Take(const ToolFragment& fragment, int32_t choice,
                           model::StreamEvents* events) {
  std::string id = Unescaped(fragment.id, kNameBytesMax);
  std::string name = Unescaped(fragment.name, kNameBytesMax);
  size_t number = Match(fragment.index, id, name);
  bool is_new = number == kNew;
  if (is_new) {
    if (calls_.size() == kToolCallsMax) return false;
    number = calls_.size();
    calls_.emplace_back().index = fragment.index;
  }
  Call& call = calls_[number];
  model::ToolCallDelta delta;
  delta.choice = choice;
  delta.index = static_cast<int32_t>(number);
  if (call.id.empty() && !id.empty()) {
    call.id = std::move(id);
    delta.id = call.id;
  }
  if (call.name.empty() && !name.empty()) {
    call.name = std::move(name);
    delta.name = call.name;
  }
  if (fragment.arguments_raw) {
    delta.arguments_json.assign(fragment.arguments);
  } else if (!AppendUnescaped(fragment.arguments, &call.half, &delta.arguments_json)) {
    return false;
  }
  if (is_new || !delta.id.empty() || !delta.name.empty() || !delta.arguments_json.empty()) {
    events->deltas.emplace_back(std::move(delta));
  }
  return true;
}

void ToolCallTracker::Flush(int32_t choice, model::StreamEvents* events) {
  for (size_t i = 0; i < calls_.size(); ++i) {
    if (!calls_[i].half.waiting()) continue;
    model::ToolCallDelta delta;
    delta.choice = choice;
    delta.index = static_cast<int32_t>(i);
    calls_[i].half.Flush(&delta.arguments_json);
    events->deltas.emplace_back(std::move(delta));
  }
}

}  // namespace pingti::providers::openai
