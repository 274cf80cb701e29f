#include "server/app/stored_tenants.h"

#include <utility>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/storage/database.h"
#include "server/tenancy/tenant_store.h"

namespace pingti::app {

class StoredTenants::Look final : public storage::Work {
 public:
  explicit Look(StoredTenants& owner) : owner_(owner) {}
  void Execute(storage::Database& database) override {
    tenancy::TenantStore store(database);
    news_.reset();
    changes_ = store.Changes();
    if (changes_ == owner_.known_) return;
    news_ = News{store.Snapshot(base::SystemClock().Now()),
                 owner_.known_ < 0 ? 0 : changes_ - owner_.known_};
  }
  void Done(const absl::Status& status) override {
    if (status.ok()) owner_.known_ = changes_;
    owner_.Note(status, status.ok() ? std::move(news_) : std::nullopt);
  }

 private:
  StoredTenants& owner_;
  int64_t changes_ = 0;
  std::optional<News> news_;
};

StoredTenants::StoredTenants(storage::DatabaseOptions database) {
  database.read_only = true;
  storage::StorageThread::Options options;
  options.read_only = true;
  options.name = "tenants";
  options.open = [database] { return storage::Database::Open(database); };
  thread_ = std::make_unique<storage::StorageThread>(std::move(options), nullptr);
  thread_->loop().PostFunction([this] {
    tick_ = std::make_unique<base::Timer>(thread_->loop(), [this] { Tick(); });
    Tick();
  });
  first_.get_future().wait();
}

StoredTenants::~StoredTenants() {
  thread_->loop().PostFunction([this] { tick_.reset(); });
  thread_->Stop();
}

std::optional<StoredTenants::News> StoredTenants::Take() {
  base::MutexLock lock(mu_);
  return std::exchange(news_, std::nullopt);
}

void StoredTenants::Tick() {
  tick_->Arm(kTenantsInterval);
  thread_->Submit(std::make_unique<Look>(*this));
}

void StoredTenants::Note(const absl::Status& status, std::optional<News> news) {
  if (status.ok() == fails_) {
    fails_ = !status.ok();
    if (fails_) {
      base::Log(base::LogLevel::kWarning,
                "tenants and keys of the database cannot be read: those that are known stay",
                {{"cause", status.ToString()}});
    } else {
      base::Log(base::LogLevel::kInfo, "tenants and keys of the database can be read again");
    }
  }
  if (news) {
    base::MutexLock lock(mu_);
    if (news_) news->changes += news_->changes;
    news_ = std::move(news);
  }
  if (!std::exchange(looked_, true)) first_.set_value();
}

}  // namespace pingti::app
