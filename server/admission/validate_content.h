// The parts of validate.h that look into messages and JSON texts; not used elsewhere.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/config.h"
#include "server/model/completion.h"
#include "server/model/failure.h"

namespace pingti::admission {

// Collects what is wrong, up to a bound.
class Violations {
 public:
  static constexpr size_t kViolationsMax = 10;

  void Add(std::string field, std::string description);
  bool full() const { return found_.size() >= kViolationsMax; }
  // One FIELD_INVALID error with all of them; nothing where there are none.
  std::optional<model::CallError> ToError() &&;

 private:
  std::vector<model::FieldViolation> found_;
};

void CheckMessages(const std::vector<model::Message>& messages, const config::Limits& limits,
                   Violations* out);
// 1 to 64 of a-z, A-Z, 0-9, `_`, `-`.
void CheckFunctionName(const std::string& field, std::string_view name, Violations* out);
void CheckJsonObject(const std::string& field, std::string_view json, Violations* out);
// An object without members that CompletionSpec has fields for.
void CheckProviderFields(std::string_view json, Violations* out);

}  // namespace pingti::admission
