#include "server/base/request_id.h"

namespace pingti::base {

std::string NewRequestId(absl::Time now, Random& random) {
  static constexpr char kDigits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  std::string id(26, '0');
  uint64_t millis = static_cast<uint64_t>(absl::ToUnixMillis(now));
  for (int i = 9; i >= 0; --i, millis >>= 5) id[i] = kDigits[millis & 31];
  uint64_t bits = random.Next();
  for (int i = 10; i < 18; ++i, bits >>= 5) id[i] = kDigits[bits & 31];
  bits = random.Next();
  for (int i = 18; i < 26; ++i, bits >>= 5) id[i] = kDigits[bits & 31];
  return id;
}

}  // namespace pingti::base
