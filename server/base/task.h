// Task<T>: a coroutine that runs when it is awaited, and gives back a T.
//
// The logic of a call is a tree of Tasks on one loop thread. A Task starts suspended; `co_await
// std::move(task)` runs it and continues with its value when it has ended (by symmetric transfer:
// no stack grows, no queue is involved). `Detach` starts a Task<void> that owns itself until its
// end.
//
// Ownership: a Task owns its frame; destroying one that is suspended destroys the frame and what is
// in it. A detached one is destroyed by its own end only, so whoever detaches makes sure that it
// ends. Errors are values: an exception that leaves a coroutine ends the process.
//
// Two faults of g++ 12 to keep clear of. It copies aggregate awaiters bit by bit into the frame, so
// awaiters have a constructor and are not copyable. It miscompiles co_await inside a larger
// expression (`if (!co_await x)`: the coroutine never starts), so co_await is a statement of its
// own or the whole right side of a `=`; the tidy test checks it.
#pragma once

#include <coroutine>
#include <optional>
#include <utility>

#include "server/base/check.h"

namespace pingti::base {

template <typename T = void>
class Task;

namespace task_internal {

struct FinalAwaiter {
  FinalAwaiter() noexcept {}
  FinalAwaiter(const FinalAwaiter&) = delete;
  bool await_ready() const noexcept { return false; }
  template <typename Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> handle) const noexcept {
    return handle.promise().continuation;
  }
  void await_resume() const noexcept {}
};

struct PromiseBase {
  std::coroutine_handle<> continuation = std::noop_coroutine();
  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return FinalAwaiter(); }
  [[noreturn]] void unhandled_exception() const {
    CheckFailed(__FILE__, __LINE__, "no exception", "an exception left a coroutine");
  }
};

template <typename T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <typename U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T TakeValue() { return std::move(*value); }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() const {}
  void TakeValue() const {}
};

}  // namespace task_internal

template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = task_internal::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  class Awaiter {
   public:
    explicit Awaiter(Handle handle) : handle_(handle) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;
    bool await_ready() const { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) {
      handle_.promise().continuation = caller;
      return handle_;
    }
    T await_resume() { return handle_.promise().TakeValue(); }

   private:
    Handle handle_;
  };

  Awaiter operator co_await() && {
    PINGTI_CHECK(handle_, "a Task is awaited once");
    return Awaiter(handle_);
  }

 private:
  Handle handle_;
};

template <typename T>
Task<T> task_internal::Promise<T>::get_return_object() {
  return Task<T>(Task<T>::Handle::from_promise(*this));
}

inline Task<void> task_internal::Promise<void>::get_return_object() {
  return Task<void>(Task<void>::Handle::from_promise(*this));
}

namespace task_internal {

struct Detached {
  struct promise_type {
    Detached get_return_object() const { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const {}
    [[noreturn]] void unhandled_exception() const {
      CheckFailed(__FILE__, __LINE__, "no exception", "an exception left a coroutine");
    }
  };
};

inline Detached RunDetached(Task<void> task) { co_await std::move(task); }

}  // namespace task_internal

// Runs `task` up to its first suspension now, and the rest whenever it is resumed.
inline void Detach(Task<void> task) { task_internal::RunDetached(std::move(task)); }

}  // namespace pingti::base
