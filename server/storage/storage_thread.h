// The thread that writes: takes the work that has come in, runs all of it in one transaction, and
// tells each piece when it is durable (group commit). While one batch is written the next gathers;
// so the cost of a commit is shared the more, the more is to be done.
//
// Where the database fails, work is refused until it answers again, which is tried every second.
// Work that must not be lost (`keep`) waits for that meanwhile.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/event_loop.h"
#include "server/storage/database.h"

namespace pingti::storage {

class StorageThread;

// One thing to read or write. Its members are called on the storage thread.
class Work {
 public:
  virtual ~Work() = default;
  // Where others write, too, the work of a batch runs in this order, else in that of its coming:
  // transactions of two replicas that lock the same accounts in the same order do not wait for each
  // other in a circle.
  virtual std::string_view order() const { return ""; }
  // Inside a transaction; may throw soci::soci_error. Runs again where the transaction was undone,
  // so it may keep nothing from one run to the next, and writes what can be written twice.
  virtual void Execute(Database& database) = 0;
  // Once, when the work is durable, or was not done and why. The last call to it.
  virtual void Done(const absl::Status& status) = 0;
  // True: it waits where the database fails.
  virtual bool keep() const { return false; }

 private:
  friend class StorageThread;
  Work* next_ = nullptr;  // that was submitted before it
};

class StorageThread {
 public:
  struct Options {
    std::function<absl::StatusOr<std::unique_ptr<Database>>()> open;
    // Work that may wait at once; more is refused. Work to keep always gets in: whoever gives it
    // bounds it.
    int64_t waiting_max = 100'000;
    absl::Duration retry = absl::Seconds(1);
    // Between the beginnings of two batches: under load more work shares a commit. What comes after
    // a pause of so long is written at once.
    absl::Duration interval = absl::ZeroDuration();
    bool read_only = false;        // of a connection that writes nothing
    bool has_others = false;       // replicas: work runs in its order()
    std::string name = "storage";  // of the thread, for who looks at the process; at most 15 bytes
    const base::Clock* clock = &base::SystemClock();
    // Called on the storage thread: after each batch (writes, time, whether it was written as a
    // whole), and where the database begins or ceases to take writes.
    std::function<void(size_t, absl::Duration, bool)> on_batch = [](auto&&...) {};
    std::function<void(bool, const absl::Status&)> on_change = [](auto&&...) {};
  };

  // Starts with the given database, or, where it is null, without one.
  StorageThread(Options options, std::unique_ptr<Database> database);
  ~StorageThread();  // as Stop()
  StorageThread(const StorageThread&) = delete;
  StorageThread& operator=(const StorageThread&) = delete;

  // Any thread; takes no lock, and a system call only for the first work of a batch. False: the
  // line is full; `work` was dropped without Done().
  bool Submit(std::unique_ptr<Work> work);

  // Ends what was submitted, then the thread. What is kept and can still not be written is Done()
  // with the error.
  void Stop();

  // Any thread. Whether the last batch was written.
  bool writable() const { return writable_.load(std::memory_order_relaxed); }
  // Storage thread: work that waits for the database.
  size_t kept() const { return kept_.size(); }
  base::EventLoop& loop() { return loop_; }  // for timers of who submits

 private:
  class Begin : public base::LoopTask {
   public:
    explicit Begin(StorageThread& thread) : thread_(thread) {}
    void Run() override { thread_.BeginBatch(); }

   private:
    StorageThread& thread_;
  };
  using Batch = std::vector<std::unique_ptr<Work>>;

  void BeginBatch();
  void RunNextBatch();
  void RunBatch();
  Batch TakeSubmitted();
  absl::Status RunTogether(const Batch& batch);
  void RunEach(Batch batch, absl::Status why);
  void End(std::unique_ptr<Work> work, const absl::Status& status);
  absl::Status Reopen();

  const Options options_;
  std::unique_ptr<Database> database_;
  std::atomic<bool> writable_;
  std::atomic<int64_t> waiting_{0};        // work that was given and is not done
  std::atomic<Work*> submitted_{nullptr};  // newest first
  std::atomic<bool> begun_{false};         // begin_ is posted or pace_ armed: a batch will come
  base::EventLoop loop_;
  base::Timer retry_;
  base::Timer pace_;
  base::Instant next_batch_;  // not before it
  Begin begin_;
  Batch kept_;             // work that waits for the database
  bool stopping_ = false;  // of the storage thread
  std::thread thread_;
};

}  // namespace pingti::storage
