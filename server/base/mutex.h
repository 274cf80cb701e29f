// std::mutex with annotations that clang's -Wthread-safety checks and ThreadSanitizer understands.
//
// Not absl::Mutex: Debian's abseil is not built for ThreadSanitizer, which then sees no order
// through it. No lock is ever taken on the path of a call; these are for start-up, reload, scraping
// and logging.
#pragma once

#include <mutex>

#include "absl/base/thread_annotations.h"

namespace pingti::base {

class ABSL_LOCKABLE Mutex {
 public:
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

  // For std::condition_variable_any and friends.
  std::mutex& native() { return mutex_; }

 private:
  std::mutex mutex_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace pingti::base
