#include "server/quota/quota_book.h"

#include <algorithm>
#include <set>
#include <utility>

#include "server/base/check.h"
#include "server/base/strings.h"

namespace pingti::quota {
namespace {

const config::Tier& TierOf(const config::Config& config, const std::string& name) {
  const auto tier = std::find_if(config.tiers.begin(), config.tiers.end(),
                                 [&](const config::Tier& t) { return t.name == name; });
  PINGTI_CHECK(tier != config.tiers.end(), "the configuration checks that a tier exists");
  return *tier;
}

std::string ProviderOwner(std::string_view provider, std::string_view key) {
  std::string owner = base::StrCat("provider:", provider);
  if (!key.empty()) base::StrAppend(&owner, "/key:", key);
  return owner;
}

void Replace(std::optional<config::Limit>& limit, const std::optional<config::Limit>& by) {
  if (by) limit = by;
}

// The limits of the tier, each replaced by the tenant's own where it has one.
config::ClassLimits Merged(config::ClassLimits tier, const config::ClassLimits& own) {
  Replace(tier.requests_per_minute, own.requests_per_minute);
  Replace(tier.tokens_per_minute, own.tokens_per_minute);
  Replace(tier.requests_per_day, own.requests_per_day);
  Replace(tier.tokens_per_day, own.tokens_per_day);
  Replace(tier.calls_at_once, own.calls_at_once);
  return tier;
}

template <typename Map>
auto* Get(const Map& map, std::string_view key) {
  const auto it = map.find(key);
  return it == map.end() ? nullptr : it->second.get();
}

}  // namespace

QuotaBook::QuotaBook(const config::Config& config, const QuotaBook* previous, base::Instant now)
    : waiting_max_(config.quota.waiting_max),
      lines_go_on_(previous != nullptr && previous->waiting_max_ == waiting_max_) {
  const OldBySubject old = previous == nullptr ? OldBySubject() : previous->All();
  std::set<std::string> classes;
  for (const config::Model& model : config.models) classes.insert(model.model_class);
  BucketSet::Options options;
  options.replicas = config.quota.redis ? config.quota.replicas : 0;

  for (const config::Tenant& tenant : config.tenants) {
    const config::Tier& tier = TierOf(config, tenant.tier);
    options.owner = "tenant:" + tenant.name;
    options.when_store_is_down = tier.when_store_is_down;
    options.suspended = tenant.suspended;
    OfTenant& book = tenants_.emplace_back();
    book.policy = tier.policy;
    for (const std::string& name : classes) {
      std::shared_ptr<BucketSet>& set = book.sets[name];
      set = MakeSet(base::StrCat(options.owner, "/class:", name),
                    Merged(tier.limits(name), tenant.limits.limits(name)), options, old, now);
      book.lines[name] = MakeLine(*set, WaitingLine::Room::kOneFlow, old);
    }
    for (const config::KeyRecord& key : tenant.keys) {
      if (key.limits == config::ClassLimits()) continue;
      std::shared_ptr<BucketSet>& set = book.keys[key.public_id];
      set = MakeSet(base::StrCat(options.owner, "/key:", key.public_id), key.limits, options, old,
                    now);
      book.key_lines[key.public_id] = MakeLine(*set, WaitingLine::Room::kOneFlow, old);
    }
  }

  options.suspended = false;
  for (const config::Provider& provider : config.providers) {
    for (const config::ProviderKey& key : provider.UsableKeys()) {
      if (key.tier.empty()) continue;
      const config::Tier& tier = TierOf(config, key.tier);
      options.owner = ProviderOwner(provider.name, key.name);
      options.when_store_is_down = tier.when_store_is_down;
      Classes& book = providers_[options.owner];
      for (const std::string& name : classes) {
        std::shared_ptr<BucketSet>& set = book.sets[name];
        set = MakeSet(base::StrCat(options.owner, "/class:", name), tier.limits(name), options, old,
                      now);
        book.lines[name] = MakeLine(*set, WaitingLine::Room::kShared, old);
      }
    }
  }
}

std::shared_ptr<BucketSet> QuotaBook::MakeSet(std::string subject,
                                              const config::ClassLimits& limits,
                                              BucketSet::Options options, const OldBySubject& old,
                                              base::Instant now) {
  const auto it = old.find(subject);
  if (it == old.end()) {
    return std::make_shared<BucketSet>(std::move(subject), limits, std::move(options));
  }
  BucketSet& before = *it->second.set;
  if (before.limits() == limits && before.options() == options) return it->second.set;
  auto set = std::make_shared<BucketSet>(std::move(subject), limits, std::move(options));
  set->Adopt(before, now);
  return set;
}

std::shared_ptr<WaitingLine> QuotaBook::MakeLine(const BucketSet& set, WaitingLine::Room room,
                                                 const OldBySubject& old) const {
  // Where the room in the lines has changed, those that wait already stay in the old one.
  if (lines_go_on_) {
    const auto it = old.find(set.subject());
    if (it != old.end()) return it->second.line;
  }
  return std::make_shared<WaitingLine>(waiting_max_, room);
}

QuotaBook::OldBySubject QuotaBook::All() const {
  OldBySubject all;
  const auto add = [&all](const Classes& classes) {
    for (const auto& [name, set] : classes.sets) {
      all[set->subject()] = Old{.set = set, .line = classes.lines.at(name)};
    }
  };
  for (const OfTenant& tenant : tenants_) {
    add(tenant);
    for (const auto& [public_id, set] : tenant.keys) {
      all[set->subject()] = Old{.set = set, .line = tenant.key_lines.at(public_id)};
    }
  }
  for (const auto& [name, provider] : providers_) add(provider);
  return all;
}

BucketSet* QuotaBook::Find(size_t tenant, std::string_view model_class) const {
  return Get(tenants_[tenant].sets, model_class);
}

BucketSet* QuotaBook::FindKey(size_t tenant, std::string_view public_id) const {
  return Get(tenants_[tenant].keys, public_id);
}

BucketSet* QuotaBook::FindProvider(std::string_view provider, std::string_view key,
                                   std::string_view model_class) const {
  const auto it = providers_.find(ProviderOwner(provider, key));
  return it == providers_.end() ? nullptr : Get(it->second.sets, model_class);
}

WaitingLine* QuotaBook::Line(size_t tenant, std::string_view model_class) const {
  return Get(tenants_[tenant].lines, model_class);
}

WaitingLine* QuotaBook::KeyLine(size_t tenant, std::string_view public_id) const {
  return Get(tenants_[tenant].key_lines, public_id);
}

WaitingLine* QuotaBook::ProviderLine(std::string_view provider, std::string_view key,
                                     std::string_view model_class) const {
  const auto it = providers_.find(ProviderOwner(provider, key));
  return it == providers_.end() ? nullptr : Get(it->second.lines, model_class);
}

}  // namespace pingti::quota
