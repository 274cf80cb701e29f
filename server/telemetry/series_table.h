// All objects of one kind (calls, models, attempts, providers, quotas): label set x worker ->
// object.
//
// Objects are made when a worker first asks for them and never go away, so references and a
// scrape's pointers stay valid. Bounded: `series_max` label sets, then one shared set named by
// Labels::Other(). Thread-safe: Resolve() and ForEach() lock only to look up; values are read
// without the lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/base/mutex.h"

namespace pingti::telemetry {

template <typename Labels, typename Stats>
class SeriesTable {
 public:
  SeriesTable(int workers, int series_max) : workers_(workers), series_max_(series_max) {}

  // The object of `labels` and `worker`, made from `arguments` where there is none.
  template <typename... Arguments>
  Stats& Resolve(const Labels& labels, int worker, Arguments&... arguments) {
    base::MutexLock lock(mu_);
    std::atomic<Stats*>& slot = FindOrAdd(labels).slots[worker];
    if (slot.load(std::memory_order_relaxed) == nullptr) {
      owned_.push_back(std::make_unique<Aligned>(arguments...));
      slot.store(&owned_.back()->stats, std::memory_order_release);
    }
    return *slot.load(std::memory_order_relaxed);
  }

  // Calls visit(labels, objects) for each label set, where objects is a span of the objects that
  // its workers have, at least one, in the order in which the label sets came.
  template <typename Visit>
  void ForEach(Visit visit) const {
    std::vector<const Series*> all;
    {
      base::MutexLock lock(mu_);
      all.reserve(ordered_.size());
      for (const auto& series : ordered_) all.push_back(series.get());
    }
    std::vector<const Stats*> objects;
    for (const Series* series : all) {
      objects.clear();
      for (int i = 0; i < workers_; ++i) {
        const Stats* stats = series->slots[i].load(std::memory_order_acquire);
        if (stats != nullptr) objects.push_back(stats);
      }
      if (!objects.empty()) visit(series->labels, std::span<const Stats* const>(objects));
    }
  }

  // How often a worker asked for a label set that was one too many.
  int64_t overflows() const { return overflows_.load(std::memory_order_relaxed); }

 private:
  struct Series {
    Labels labels;
    std::unique_ptr<std::atomic<Stats*>[]> slots;  // by worker
  };
  // Two workers' objects never share a cache line.
  struct alignas(64) Aligned {
    template <typename... Arguments>
    explicit Aligned(Arguments&... arguments) : stats(arguments...) {}
    Stats stats;
  };

  Series& FindOrAdd(const Labels& labels) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (auto it = by_labels_.find(labels); it != by_labels_.end()) return *it->second;
    if (static_cast<int>(ordered_.size()) < series_max_) return Add(labels);
    overflows_.fetch_add(1, std::memory_order_relaxed);
    const Labels other = Labels::Other();
    if (auto it = by_labels_.find(other); it != by_labels_.end()) return *it->second;
    return Add(other);
  }

  Series& Add(const Labels& labels) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    auto series = std::make_unique<Series>();
    series->labels = labels;
    series->slots = std::make_unique<std::atomic<Stats*>[]>(workers_);
    Series& added = *series;
    by_labels_.emplace(labels, &added);
    ordered_.push_back(std::move(series));
    return added;
  }

  const int workers_;
  const int series_max_;
  std::atomic<int64_t> overflows_ = 0;
  mutable base::Mutex mu_;
  absl::flat_hash_map<Labels, Series*> by_labels_ ABSL_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<Series>> ordered_ ABSL_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<Aligned>> owned_ ABSL_GUARDED_BY(mu_);
};

}  // namespace pingti::telemetry
