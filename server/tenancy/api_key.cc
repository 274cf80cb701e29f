#include "server/tenancy/api_key.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <memory>

#include "absl/strings/escaping.h"
#include "server/base/check.h"
#include "server/base/strings.h"

namespace pingti::tenancy {
namespace {

constexpr std::string_view kPrefix = "pt_";
constexpr size_t kPublicIdChars = 12;
constexpr size_t kSecretChars = 32;  // 5 bits each

bool IsIdChar(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// `count` characters of 5 random bits each.
std::string RandomChars(size_t count) {
  static constexpr char kDigits[] = "0123456789abcdefghjkmnpqrstvwxyz";
  std::string text(count, '0');
  PINGTI_CHECK(
      RAND_bytes(reinterpret_cast<unsigned char*>(text.data()), static_cast<int>(count)) == 1,
      "the kernel gives random bytes");
  for (char& c : text) c = kDigits[static_cast<unsigned char>(c) & 31];
  return text;
}

}  // namespace

KeyHash HashKey(std::string_view key) {
  // The algorithm and a context are looked up once per thread: doing it per call costs more than
  // the hash.
  struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  thread_local const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  static const EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  KeyHash hash;
  PINGTI_CHECK(EVP_DigestInit_ex2(context.get(), sha256, nullptr) == 1 &&
                   EVP_DigestUpdate(context.get(), key.data(), key.size()) == 1 &&
                   EVP_DigestFinal_ex(context.get(), hash.data(), nullptr) == 1,
               "SHA-256 of a short text cannot fail");
  return hash;
}

std::optional<std::string_view> PublicIdOf(std::string_view key) {
  if (!key.starts_with(kPrefix)) return std::nullopt;
  key.remove_prefix(kPrefix.size());
  const size_t end = key.find('_');
  if (end == std::string_view::npos || end == 0 || end + 1 == key.size()) return std::nullopt;
  const std::string_view id = key.substr(0, end);
  if (!std::all_of(id.begin(), id.end(), IsIdChar)) return std::nullopt;
  return id;
}

NewKey MakeKey() {
  NewKey made;
  const std::string id = RandomChars(kPublicIdChars);
  made.key = base::StrCat(kPrefix, id, "_", RandomChars(kSecretChars));
  const KeyHash hash = HashKey(made.key);
  made.record = base::StrCat(kPrefix, id, ":",
                             absl::BytesToHexString(absl::string_view(
                                 reinterpret_cast<const char*>(hash.data()), hash.size())));
  return made;
}

}  // namespace pingti::tenancy
