// Uses of API keys into the database.
#include <algorithm>
#include <deque>
#include <string>

#include "server/base/strings.h"
#include "server/tenancy/key_uses.h"
#include "server/tenancy/tenant_store_sql.h"

namespace pingti::tenancy {
namespace {

constexpr size_t kKeysPerStatement = 100;
constexpr int64_t kMicrosPerSecond = 1'000'000;

}  // namespace

void WriteKeyUses(storage::Database& database, const std::vector<UsedKey>& keys) {
  for (size_t begin = 0; begin < keys.size(); begin += kKeysPerStatement) {
    const size_t end = std::min(begin + kKeysPerStatement, keys.size());
    soci::statement insert(database.session());
    std::string text = "INSERT INTO key_uses (key_id, used_at) VALUES ";
    std::deque<int64_t> times;  // stay where they are
    for (size_t i = begin; i < end; ++i) {
      const std::string id = base::StrCat("id", i);
      const std::string at = base::StrCat("at", i);
      base::StrAppend(&text, i == begin ? "" : ", ", "(:", id, ", CAST(:", at, " AS BIGINT))");
      times.push_back(keys[i].second * kMicrosPerSecond);
      insert.exchange(soci::use(keys[i].key_id, id));
      insert.exchange(soci::use(times.back(), at));
    }
    base::StrAppend(&text,
                    " ON CONFLICT (key_id) DO UPDATE SET used_at = excluded.used_at "
                    "WHERE key_uses.used_at < excluded.used_at");
    insert.alloc();
    insert.prepare(text);
    insert.define_and_bind();
    insert.execute(true);
  }
}

}  // namespace pingti::tenancy
