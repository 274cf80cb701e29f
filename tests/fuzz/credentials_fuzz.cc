// What a caller says of itself, on any bytes: only the whole key of a tenant lets in, a refusal
// does not repeat what was sent, and an id that is taken is short and plain.
//
// Input: the value of `authorization`, which is also tried as a key and as the id of a call. `$KEY`
// in it stands for a good key.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "server/admission/authenticate.h"
#include "server/admission/validate.h"
#include "server/base/check.h"
#include "server/base/strings.h"
#include "server/config/value.h"
#include "server/tenancy/api_key.h"
#include "server/tenancy/tenant_directory.h"

namespace pingti::admission {
namespace {

constexpr std::string_view kKey = "pt_abc123_0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::string_view kScheme = "Bearer ";
constexpr size_t kIdBytesMax = 64;

config::Config OneTenant() {
  config::Config config;
  config::Tenant& tenant = config.tenants.emplace_back();
  tenant.name = "acme";
  const tenancy::KeyHash hash = tenancy::HashKey(kKey);
  tenant.keys.push_back({"abc123", std::string(hash.begin(), hash.end())});
  return config;
}

void CheckKey(std::string_view key) {
  const auto id = tenancy::PublicIdOf(key);
  if (!id) return;
  PINGTI_CHECK(
      !id->empty() && id->data() > key.data() && id->data() + id->size() < key.data() + key.size(),
      "the id is within the key");
  PINGTI_CHECK(
      std::all_of(id->begin(), id->end(),
                  [](unsigned char c) { return absl::ascii_isdigit(c) || absl::ascii_islower(c); }),
      "an id is plain");
}

void CheckRequestId(std::string_view id) {
  if (!IsRequestId(id)) return;
  PINGTI_CHECK(!id.empty() && id.size() <= kIdBytesMax, "an id is short");
  PINGTI_CHECK(
      std::all_of(id.begin(), id.end(), [](unsigned char c) { return c > ' ' && c < 127; }),
      "an id is plain");
}

void Run(std::string_view input) {
  static const auto& config = *new config::Config(OneTenant());
  static const auto& directory = *new tenancy::TenantDirectory(config);
  const std::string text = absl::StrReplaceAll(base::AbslView(input), {{"$KEY", kKey.data()}});
  const auto result = Authenticate(text, directory, config, absl::UnixEpoch());
  std::string lower = absl::AsciiStrToLower(text.substr(0, kScheme.size()));
  const bool good = lower == "bearer " && text.substr(kScheme.size()) == kKey;
  PINGTI_CHECK(std::holds_alternative<tenancy::Identity>(result) == good,
               "only the whole key lets in");
  if (const auto* error = std::get_if<model::CallError>(&result)) {
    const std::string_view other = text.empty() ? "" : lower == "bearer " ? "Bearer x" : "x";
    const auto refused = Authenticate(other, directory, config, absl::UnixEpoch());
    PINGTI_CHECK(error->message == std::get<model::CallError>(refused).message,
                 "what was sent is not repeated");
  }
  CheckKey(text);
  CheckRequestId(text);
  const auto record = config::ParseKeyRecord(text);
  PINGTI_CHECK(!record || (!record->public_id.empty() && record->sha256.size() == 32),
               "a record has an id and a hash");
}

}  // namespace
}  // namespace pingti::admission

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pingti::admission::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
