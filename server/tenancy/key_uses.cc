#include "server/tenancy/key_uses.h"

#include <algorithm>

namespace pingti::tenancy {

std::shared_ptr<KeyUse> KeyUses::Find(const std::string& key_id) {
  base::MutexLock lock(mu_);
  std::shared_ptr<KeyUse>& use = keys_[key_id].use;
  if (!use) use = std::make_shared<KeyUse>();
  return use;
}

std::vector<UsedKey> KeyUses::Unwritten() const {
  std::vector<UsedKey> unwritten;
  base::MutexLock lock(mu_);
  for (const auto& [key_id, entry] : keys_) {
    const int64_t last = entry.use->last();
    if (last > entry.written) unwritten.push_back({key_id, last});
  }
  return unwritten;
}

void KeyUses::NoteWritten(const std::vector<UsedKey>& keys) {
  base::MutexLock lock(mu_);
  for (const UsedKey& key : keys) {
    const auto found = keys_.find(key.key_id);
    if (found == keys_.end()) continue;
    found->second.written = std::max(found->second.written, key.second);
  }
}

void KeyUses::Prune() {
  base::MutexLock lock(mu_);
  std::erase_if(keys_, [](const auto& key) {
    const Entry& entry = key.second;
    return entry.use.use_count() == 1 && entry.use->last() <= entry.written;
  });
}

}  // namespace pingti::tenancy
