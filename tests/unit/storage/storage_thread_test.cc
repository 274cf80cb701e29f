#include "server/storage/storage_thread.h"

#include <gtest/gtest.h>
#include <soci/soci.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/fakes/scratch_folder.h"

namespace pingti::storage {
namespace {

// Waits for as many events as it was told of.
class Events {
 public:
  void Happened(std::string what) {
    const std::lock_guard<std::mutex> lock(mu_);
    all_.push_back(std::move(what));
    changed_.notify_all();
  }
  std::vector<std::string> Wait(size_t count) {
    std::unique_lock<std::mutex> lock(mu_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return all_.size() >= count; });
    return all_;
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  std::vector<std::string> all_;
};

// Writes its name into a table and says what became of it.
class Note final : public Work {
 public:
  Note(std::string name, Events& events, bool keep = false)
      : name_(std::move(name)), events_(events), keep_(keep) {}
  std::string_view order() const override { return name_; }
  bool keep() const override { return keep_; }
  void Execute(Database& database) override {
    database.session() << "INSERT INTO facts (name, value) VALUES (:name, '')", soci::use(name_);
  }
  void Done(const absl::Status& status) override {
    events_.Happened(name_ +
                     (status.ok() ? " done" : " " + absl::StatusCodeToString(status.code())));
  }

 private:
  const std::string name_;
  Events& events_;
  const bool keep_;
};

// Runs something on the storage thread, inside a transaction of its own.
class Call final : public Work {
 public:
  Call(std::function<void(Database&)> work, Events& events)
      : work_(std::move(work)), events_(events) {}
  void Execute(Database& database) override { work_(database); }
  void Done(const absl::Status& status) override {
    events_.Happened(absl::StatusCodeToString(status.code()));
  }

 private:
  const std::function<void(Database&)> work_;
  Events& events_;
};

class StorageThreadTest : public testing::Test {
 protected:
  StorageThreadTest() { options_.path = folder_.path() + "/ledger.db"; }

  void Start(StorageThread::Options options = {}) {
    options.open = [this] { return Database::Open(options_); };
    options.on_batch = [this](size_t size, absl::Duration, bool written) {
      (written ? sizes_ : failed_).push_back(size);
    };
    options.retry = absl::Milliseconds(20);
    auto database = Database::Open(options_);
    ASSERT_TRUE(database.ok()) << database.status();
    thread_ = std::make_unique<StorageThread>(std::move(options), std::move(*database));
  }
  void Submit(const std::string& name, bool keep = false) {
    EXPECT_TRUE(thread_->Submit(std::make_unique<Note>(name, events_, keep)));
  }
  // In one batch.
  void SubmitAtOnce(const std::vector<std::string>& names) {
    // The thread is busy until all have come.
    std::atomic<bool> all_came{false};
    Events busy;
    thread_->Submit(std::make_unique<Call>(
        [&](Database&) {
          busy.Happened("in");
          all_came.wait(false);
        },
        events_));
    busy.Wait(1);
    for (const std::string& name : names) Submit(name);
    all_came = true;
    all_came.notify_all();
    events_.Wait(1 + names.size());
  }
  int64_t Written() {
    thread_.reset();  // gives the file back
    const auto database = Database::Open(options_);
    int64_t count = -1;
    EXPECT_TRUE(database.ok()) << database.status();
    if (!database.ok()) return count;
    EXPECT_TRUE((*database)
                    ->Transact([&] {
                      (*database)->session() << "SELECT COUNT(*) FROM facts WHERE name <> 'probe'",
                          soci::into(count);
                    })
                    .ok());
    return count;
  }

  const fakes::ScratchFolder folder_;
  DatabaseOptions options_;
  Events events_;
  std::vector<size_t> sizes_, failed_;  // of batches; of the storage thread until Stop()
  std::unique_ptr<StorageThread> thread_;
};

TEST_F(StorageThreadTest, WhatComesAtOnceSharesACommit) {
  Start();
  SubmitAtOnce({"b", "c", "a"});
  EXPECT_EQ(events_.Wait(4), (std::vector<std::string>{"OK", "b done", "c done", "a done"}));
  EXPECT_EQ(Written(), 3);
  EXPECT_EQ(sizes_, (std::vector<size_t>{1, 3}));
}

TEST_F(StorageThreadTest, BesideReplicasWorkRunsInAnOrderThatAllOfThemHave) {
  Start({.has_others = true});
  SubmitAtOnce({"b", "c", "a"});
  EXPECT_EQ(events_.Wait(4), (std::vector<std::string>{"OK", "a done", "b done", "c done"}));
}

TEST_F(StorageThreadTest, OneThatFailsDoesNotTakeTheOthersWithIt) {
  Start();
  Submit("a");
  events_.Wait(1);
  Submit("a");  // breaks the primary key
  Submit("b");
  const std::vector<std::string> all = events_.Wait(3);
  EXPECT_EQ(all[1], "a INTERNAL");
  EXPECT_EQ(all[2], "b done");
  EXPECT_TRUE(thread_->writable());
  EXPECT_EQ(Written(), 2);
}

TEST_F(StorageThreadTest, ADatabaseThatTakesNoWritesRefusesAndKeepsWhatMustStay) {
  Start({.has_others = true});  // what mends it has no order() and so runs first
  thread_->Submit(std::make_unique<Call>(
      [](Database& database) { database.session() << "PRAGMA query_only = ON"; }, events_));
  EXPECT_EQ(events_.Wait(1).back(), "OK");
  Submit("lost");
  EXPECT_EQ(events_.Wait(2).back(), "lost FAILED_PRECONDITION");
  EXPECT_FALSE(thread_->writable());
  Submit("kept", /*keep=*/true);
  thread_->Submit(std::make_unique<Call>(
      [](Database& database) { database.session() << "PRAGMA query_only = OFF"; }, events_));
  const std::vector<std::string> all = events_.Wait(4);
  EXPECT_NE(std::find(all.begin(), all.end(), "kept done"), all.end());
  EXPECT_EQ(Written(), 1);
}

TEST_F(StorageThreadTest, AFullDiskIsToldAndSurvived) {
  Start();
  thread_->Submit(std::make_unique<Call>(
      [](Database& database) { database.session() << "PRAGMA max_page_count = 1"; }, events_));
  events_.Wait(1);
  const std::string large(100'000, 'x');
  thread_->Submit(std::make_unique<Call>(
      [&](Database& database) {
        database.session() << "INSERT INTO facts (name, value) VALUES ('large', :text)",
            soci::use(large);
      },
      events_));
  EXPECT_EQ(events_.Wait(2).back(), "RESOURCE_EXHAUSTED");
  thread_->Submit(std::make_unique<Call>(
      [](Database& database) { database.session() << "PRAGMA max_page_count = 1000000"; },
      events_));
  events_.Wait(3);
  Submit("after");
  EXPECT_EQ(events_.Wait(4).back(), "after done");
}

TEST_F(StorageThreadTest, AFullLineRefuses) {
  StorageThread::Options options;
  options.waiting_max = 1;
  Start(std::move(options));
  std::atomic<bool> go{false};
  thread_->Submit(std::make_unique<Call>([&](Database&) { go.wait(false); }, events_));
  EXPECT_FALSE(thread_->Submit(std::make_unique<Note>("refused", events_)));
  Submit("kept", /*keep=*/true);  // whoever gives it bounds it
  go = true;
  go.notify_all();
  EXPECT_EQ(events_.Wait(2).back(), "kept done");
}

TEST_F(StorageThreadTest, StopWritesWhatWasGiven) {
  Start();
  for (int i = 0; i < 1'000; ++i) Submit("n" + std::to_string(i));
  EXPECT_EQ(Written(), 1'000);
  EXPECT_EQ(events_.Wait(1'000).size(), 1'000u);
}

}  // namespace
}  // namespace pingti::storage
