// JSON that callers send as text, on any bytes: both questions agree with each other, and what is
// taken is UTF-8.
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/base/check.h"
#include "server/base/text.h"
#include "server/model/json_check.h"

namespace pingti::model {
namespace {

void Run(std::string_view input) {
  // Without a byte to spare, so that a sanitizer sees the first one too many.
  const auto copy = std::make_unique<char[]>(input.size());
  input.copy(copy.get(), input.size());
  const std::string_view json(copy.get(), input.size());

  const auto problem = JsonProblem(json);
  const auto members = JsonObjectMembers(json);
  if (problem) PINGTI_CHECK(!problem->empty(), "a problem is said");
  if (!problem) PINGTI_CHECK(base::IsValidUtf8(json), "JSON is UTF-8");
  if (const auto* names = std::get_if<std::vector<std::string>>(&members)) {
    PINGTI_CHECK(!problem, "an object is JSON");
    PINGTI_CHECK(std::set<std::string>(names->begin(), names->end()).size() == names->size(),
                 "names are unique");
    for (const std::string& name : *names) {
      PINGTI_CHECK(base::IsValidUtf8(name), "a name is UTF-8");
    }
  } else {
    PINGTI_CHECK(!std::get<std::string>(members).empty(), "a problem is said");
  }
  PINGTI_CHECK(JsonProblem("[" + std::string(json) + "]").has_value() || !problem ||
                   json.find_first_not_of(" \t\r\n") == std::string_view::npos ||
                   json.find(',') != std::string_view::npos ||
                   json.find(']') != std::string_view::npos,
               "what is no value is none in an array");
}

}  // namespace
}  // namespace pingti::model

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pingti::model::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
