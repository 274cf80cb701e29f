// Limits wherever they stand, and `quota:`. A store with an empty address is off, which is no
// error.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/base/strings.h"
#include "server/config/limit_kinds.h"
#include "server/config/sections.h"
#include "server/config/value.h"

namespace pingti::config {

namespace {

enum class Burst { kAllowed, kNone };

// A burst past the limit would be a higher limit for the first minute; one of a limit of 0 would
// open what is closed.
void ReadBurst(Fields& fields, Burst allowed, int64_t limit, int64_t max, int64_t* burst) {
  if (fields.Get("burst") == nullptr) return;
  if (allowed == Burst::kNone) {
    return fields.Error("burst",
                        "is for limits that refill with time, not for this one; remove it");
  }
  fields.Integer("burst", burst, 1, max);
  if (limit == 0) {
    fields.Error("burst", "is given although limit is 0, which means no access; remove it");
  } else if (*burst > limit && limit > 0) {
    fields.Error("burst", base::StrCat("is more than limit, which is ", limit));
  }
}

// `N`, or `{limit: N, burst: N, shadow: true}`.
void ReadLimit(Fields& fields, std::string_view key, int64_t max, Burst burst, Context& context,
               std::optional<Limit>* out) {
  const YamlEntry* entry = fields.Get(key);
  if (entry == nullptr) return;
  if (entry->value.kind == YamlNode::Kind::kList) {
    return fields.Error(key, "is a list; write a number, or {limit: N, burst: N, shadow: true}");
  }
  int64_t limit = -1;
  if (entry->value.kind != YamlNode::Kind::kMap) {
    fields.Integer(key, &limit, 0, max);
    if (limit >= 0) *out = Limit(limit);
    return;
  }
  Limit read;
  Fields parts(entry->value, fields.PathOf(key), context);
  parts.Integer("limit", &limit, 0, max, Presence::kRequired);
  ReadBurst(parts, burst, limit, max, &read.burst);
  parts.Bool("shadow", &read.shadow);
  parts.Finish();
  read.limit = limit;
  if (limit >= 0) *out = read;
}

// `row->verified` is read where it has a value, its default.
void ReadRow(const YamlEntry& section, const std::string& path, Context& context, ClassRow* row) {
  if (section.value.kind == YamlNode::Kind::kNull) {
    context.errors.Add(section.place, path,
                       "is empty; write limits, for example {requests_per_minute: 500}, or {} for "
                       "no limit at all");
    return;
  }
  Fields fields(section.value, path, context);
  ReadLimit(fields, "requests_per_minute", kRequestsMax, Burst::kAllowed, context,
            &row->requests_per_minute);
  ReadLimit(fields, "tokens_per_minute", kTokensMax, Burst::kAllowed, context,
            &row->tokens_per_minute);
  ReadLimit(fields, "requests_per_day", kRequestsMax, Burst::kAllowed, context,
            &row->requests_per_day);
  ReadLimit(fields, "tokens_per_day", kTokensMax, Burst::kAllowed, context, &row->tokens_per_day);
  ReadLimit(fields, "calls_at_once", kCallsAtOnceMax, Burst::kNone, context, &row->calls_at_once);
  if (row->verified) fields.Bool("verified", &*row->verified);
  fields.Finish();
}

// The keys of `classes:` are names that the file chooses.
void ReadClasses(const YamlEntry& section, const std::string& path, Context& context,
                 std::optional<bool> verified, std::map<std::string, ClassRow>* classes) {
  const Fields fields(section.value, path, context);
  if (section.value.entries.size() > kEntriesMax) {
    context.errors.Add(section.place, path,
                       base::StrCat("has ", section.value.entries.size(), " entries; at most ",
                                    kEntriesMax, " are allowed"));
    return;
  }
  for (const YamlEntry& entry : section.value.entries) {
    if (const std::string problem = CheckModelName(entry.key); !problem.empty()) {
      context.errors.Add(entry.place, path, base::StrCat("a key in it ", problem));
      continue;
    }
    ClassRow& row = (*classes)[entry.key];
    row.verified = verified;
    ReadRow(entry, fields.PathOf(entry.key), context, &row);
  }
}

// The address may hold a password by mistake: `redis://user:password@host`.
bool MayHoldSecret(std::string_view address) {
  return address.find('@') != std::string_view::npos ||
         address.find("://") != std::string_view::npos;
}

// False: the store is off, or its address is wrong.
bool ReadStoreAddress(Fields& fields, const YamlNode& node, Draft& draft, std::string* address) {
  const std::optional<Expanded> value = fields.Raw("address", Presence::kRequired);
  if (!value) return false;
  if (value->text.empty()) {
    draft.notes.push_back(
        base::StrCat("quota.redis: off, address is empty",
                     value->variables.empty()
                         ? ""
                         : base::StrCat(" (set ", Enumerate(value->variables, " and "), ")"),
                     ": the limits are this process's own"));
    return false;
  }
  if (const std::string problem = CheckStoreAddress(value->text); !problem.empty()) {
    const std::string shown = MayHoldSecret(value->text)
                                  ? "the value, which is not shown,"
                                  : Shown(node.Find("address")->value.scalar, *value);
    fields.Error("address", base::StrCat(shown, " ", problem));
    return false;
  }
  *address = value->text;
  draft.notes.push_back("quota.redis: on: the limits are those of all replicas together");
  return true;
}

std::optional<Redis> ReadRedis(const YamlEntry& section, Context& context, Draft& draft) {
  Redis redis;
  Fields fields(section.value, "quota.redis", context);
  const bool on = ReadStoreAddress(fields, section.value, draft, &redis.address);
  fields.Text("username", &redis.username, CheckUser);
  const std::optional<SecretValue> password =
      fields.Secret("password", "password_file", CheckPassword);
  if (password) redis.password = Secret(password->text);
  if (on && password && password->text.empty() && !redis.username.empty()) {
    fields.Error("username", "is given without a password; add password or password_file");
  }
  fields.Integer("database", &redis.database, 0, 1023);
  fields.Duration("timeout", &redis.timeout, absl::Milliseconds(1), absl::Seconds(1));
  fields.Duration("slot_lease", &redis.slot_lease, absl::Seconds(1), absl::Minutes(10));
  fields.Text("prefix", &redis.prefix, CheckPrefix);
  fields.Finish();
  return on ? std::make_optional(std::move(redis)) : std::nullopt;
}

}  // namespace

void ReadClassLimits(const YamlEntry& section, const std::string& path, Context& context,
                     ClassLimits* limits) {
  ClassRow row;
  ReadRow(section, path, context, &row);
  *limits = row;
}

void ReadLimitTable(Fields& fields, Context& context, LimitTable* table) {
  if (const YamlEntry* classes = fields.Get("classes")) {
    // What it has before it is read is the default of all rows.
    ReadClasses(*classes, fields.PathOf("classes"), context, table->other_classes.verified,
                &table->classes);
  }
  if (const YamlEntry* limits = fields.Get("other_classes")) {
    ReadRow(*limits, fields.PathOf("other_classes"), context, &table->other_classes);
  }
}

void ReadQuota(const YamlEntry& section, Context& context, Draft& draft) {
  Quota& quota = draft.config.quota;
  Fields fields(section.value, "quota", context);
  const YamlEntry* redis = fields.Get("redis");
  if (redis != nullptr && redis->value.kind != YamlNode::Kind::kNull) {
    quota.redis = ReadRedis(*redis, context, draft);
  }
  fields.Integer("replicas", &quota.replicas, 1, 10'000);
  if (quota.redis && quota.replicas == 1) {
    draft.notes.push_back(
        "quota.replicas: WARNING: 1 although quota.redis is on: while Redis is down each server "
        "admits the whole limits, so several servers admit several times as much; set it to the "
        "number of servers");
  }
  fields.Integer("waiting_max", &quota.waiting_max, 0, 100'000);
  fields.Duration("wait_max", &quota.wait_max, absl::ZeroDuration(), absl::Minutes(10));
  fields.Finish();
}

}  // namespace pingti::config
