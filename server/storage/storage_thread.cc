#include "server/storage/storage_thread.h"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace pingti::storage {
namespace {

// One transaction has no more work than this: its time bounds how long others wait for its locks.
constexpr size_t kBatchMax = 500;
// Of work that is in the way of another replica's.
constexpr int kTriesMax = 5;

// Failures of the database, not of the work.
bool IsOfDatabase(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsFailedPrecondition(status);
}

}  // namespace

StorageThread::StorageThread(Options options, std::unique_ptr<Database> database)
    : options_(std::move(options)),
      database_(std::move(database)),
      writable_(database_ != nullptr),
      retry_(loop_, [this] { RunBatch(); }),
      pace_(loop_, [this] { RunNextBatch(); }),
      begin_(*this) {
  if (database_ == nullptr) retry_.Arm(options_.retry);
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), options_.name.c_str());
    loop_.Run();
  });
}

StorageThread::~StorageThread() {
  Stop();
  TakeSubmitted();
}

bool StorageThread::Submit(std::unique_ptr<Work> work) {
  if (waiting_.fetch_add(1, std::memory_order_relaxed) >= options_.waiting_max && !work->keep()) {
    waiting_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  Work* newest = submitted_.load(std::memory_order_relaxed);
  do {
    work->next_ = newest;
  } while (!submitted_.compare_exchange_weak(newest, work.get(), std::memory_order_release,
                                             std::memory_order_relaxed));
  static_cast<void>(work.release());  // the list has it
  if (!begun_.exchange(true, std::memory_order_acq_rel)) loop_.Post(&begin_);
  return true;
}

void StorageThread::Stop() {
  if (!thread_.joinable()) return;
  loop_.PostFunction([this] {
    pace_.Cancel();
    RunBatch();
    stopping_ = true;
    // One more try for what was kept; then it is told.
    RunBatch();
    begun_.store(true, std::memory_order_relaxed);  // nothing is posted behind the end of the loop
    loop_.Stop();
  });
  thread_.join();
}

void StorageThread::BeginBatch() {
  if (stopping_) return;  // what is submitted now comes too late
  const base::Instant now = options_.clock->MonotonicNow();
  if (now < next_batch_) {
    pace_.Arm(next_batch_ - now);
  } else {
    RunNextBatch();
  }
}

void StorageThread::RunNextBatch() {
  // Before it is taken what was submitted: who comes later begins the next one. It reads what the
  // others have written there, so that what they submitted before is seen.
  begun_.exchange(false, std::memory_order_acq_rel);
  RunBatch();
}

StorageThread::Batch StorageThread::TakeSubmitted() {
  Batch taken;
  Work* work = submitted_.exchange(nullptr, std::memory_order_acquire);
  while (work != nullptr) {
    taken.emplace_back(work);
    work = work->next_;
  }
  std::reverse(taken.begin(), taken.end());
  return taken;
}

void StorageThread::RunBatch() {
  next_batch_ = options_.clock->MonotonicNow() + options_.interval;
  retry_.Cancel();
  Batch all = std::exchange(kept_, {});
  std::ranges::move(TakeSubmitted(), std::back_inserter(all));
  for (size_t begin = 0; begin < all.size(); begin += kBatchMax) {
    Batch batch;
    std::move(all.begin() + static_cast<std::ptrdiff_t>(begin),
              all.begin() + static_cast<std::ptrdiff_t>(std::min(begin + kBatchMax, all.size())),
              std::back_inserter(batch));
    if (options_.has_others) {
      std::stable_sort(batch.begin(), batch.end(),
                       [](const auto& a, const auto& b) { return a->order() < b->order(); });
    }
    const base::Instant started = options_.clock->MonotonicNow();
    const absl::Status status = RunTogether(batch);
    options_.on_batch(batch.size(), options_.clock->MonotonicNow() - started, status.ok());
    if (status.ok()) {
      for (auto& work : batch) End(std::move(work), status);
    } else {
      RunEach(std::move(batch), status);
    }
  }
  if (all.empty() && !writable()) RunTogether({}).IgnoreError();
  const bool waits = !kept_.empty() || !writable();
  if (waits && !stopping_) retry_.Arm(options_.retry);
}

absl::Status StorageThread::Reopen() {
  if (database_ != nullptr && database_->connected()) return absl::OkStatus();
  database_.reset();  // the lock of its file goes with it
  absl::StatusOr<std::unique_ptr<Database>> opened = options_.open();
  if (!opened.ok()) return opened.status();
  database_ = std::move(*opened);
  return absl::OkStatus();
}

absl::Status StorageThread::RunTogether(const Batch& batch) {
  absl::Status status = Reopen();
  if (status.ok()) {
    status = database_->Transact([&] {
      for (const auto& work : batch) work->Execute(*database_);
      if (batch.empty() && !options_.read_only) database_->WriteProbe();
    });
  }
  const bool writable = !IsOfDatabase(status);
  if (writable_.exchange(writable, std::memory_order_relaxed) != writable) {
    options_.on_change(writable, status);
  }
  return status;
}

void StorageThread::RunEach(Batch batch, absl::Status why) {
  // A lost connection may be there again; after any other failure of the database all fail alike.
  bool again = !IsOfDatabase(why) || absl::IsUnavailable(why);
  for (auto& work : batch) {
    if (!again) {
      End(std::move(work), why);
      continue;
    }
    Batch alone;
    alone.push_back(std::move(work));
    absl::Status status;
    for (int tries = 0; tries < kTriesMax; ++tries) {
      status = RunTogether(alone);
      if (!absl::IsAborted(status)) break;
    }
    if (IsOfDatabase(status)) {
      again = false;
      why = status;
    }
    End(std::move(alone.front()), status);
  }
}

void StorageThread::End(std::unique_ptr<Work> work, const absl::Status& status) {
  if (work->keep() && !stopping_ && (IsOfDatabase(status) || absl::IsAborted(status))) {
    kept_.push_back(std::move(work));
    return;
  }
  waiting_.fetch_sub(1, std::memory_order_relaxed);
  work->Done(status);
}

}  // namespace pingti::storage
