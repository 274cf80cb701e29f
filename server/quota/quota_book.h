// The limits of everybody, made from the configuration: of tenants by class of models, of API keys,
// and ours at the providers.
//
// Immutable after construction but for the buckets and lines themselves; thread-safe. A book that
// is made at a reload takes over from the one before: what was used up stays used up, and sets and
// lines that have not changed are the same objects. Pointers stay valid as long as the book.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/base/clock.h"
#include "server/config/config.h"
#include "server/quota/bucket_set.h"
#include "server/quota/waiting_line.h"

namespace pingti::quota {

class QuotaBook {
 public:
  using Sets = std::map<std::string, std::shared_ptr<BucketSet>, std::less<>>;

  // `previous` may be null. From now on what calls do with sets of `previous` whose limits have
  // changed arrives in the new ones: so make a book only of a configuration that will be used.
  QuotaBook(const config::Config& config, const QuotaBook* previous, base::Instant now);
  QuotaBook(const QuotaBook&) = delete;
  QuotaBook& operator=(const QuotaBook&) = delete;

  // The limits of tenant number `tenant` (index in Config::tenants) for models of `model_class`:
  // those of its tier, each replaced by the tenant's own where it has one. Never null for a class
  // that the catalogue has; null for any other.
  BucketSet* Find(size_t tenant, std::string_view model_class) const;
  // Those of one of its API keys, over all models. Null: the key has none.
  BucketSet* FindKey(size_t tenant, std::string_view public_id) const;
  // What we bought at a provider for models of `model_class` with our key of that name. Null: no
  // tier is known there.
  BucketSet* FindProvider(std::string_view provider, std::string_view key,
                          std::string_view model_class) const;

  // Where calls wait for such a set. Null where Find(), FindKey() or FindProvider() gives null.
  WaitingLine* Line(size_t tenant, std::string_view model_class) const;
  WaitingLine* KeyLine(size_t tenant, std::string_view public_id) const;
  WaitingLine* ProviderLine(std::string_view provider, std::string_view key,
                            std::string_view model_class) const;

  // All of a tenant's sets by class, for GetQuota.
  const Sets& ByClass(size_t tenant) const { return tenants_[tenant].sets; }
  // Of the tenant's tier.
  config::ReservePolicy policy(size_t tenant) const { return tenants_[tenant].policy; }

 private:
  using Lines = std::map<std::string, std::shared_ptr<WaitingLine>, std::less<>>;
  // Sets and lines by class.
  struct Classes {
    Sets sets;
    Lines lines;
  };
  struct OfTenant : Classes {
    Sets keys;  // by public id
    Lines key_lines;
    config::ReservePolicy policy = config::ReservePolicy::kLikely;
  };
  // What `previous` had, by subject.
  struct Old {
    std::shared_ptr<BucketSet> set;
    std::shared_ptr<WaitingLine> line;
  };
  using OldBySubject = absl::flat_hash_map<std::string, Old>;

  OldBySubject All() const;
  static std::shared_ptr<BucketSet> MakeSet(std::string subject, const config::ClassLimits& limits,
                                            BucketSet::Options options, const OldBySubject& old,
                                            base::Instant now);
  std::shared_ptr<WaitingLine> MakeLine(const BucketSet& set, WaitingLine::Room room,
                                        const OldBySubject& old) const;

  const int waiting_max_;
  const bool lines_go_on_;
  std::vector<OfTenant> tenants_;
  std::map<std::string, Classes, std::less<>> providers_;  // by owner: `provider:NAME[/key:NAME]`
};

}  // namespace pingti::quota
