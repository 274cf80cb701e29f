// What a bucket must do, in exact fractions: the yardstick for every store. Slow and obvious on
// purpose; nothing in it is shared with the code that it judges.
#pragma once

#include <cstdint>

namespace pingti::quota {

__extension__ using Wide = __int128;

class ExactBucket {
 public:
  ExactBucket(int64_t limit, int64_t capacity, int64_t window_us)
      : limit_(limit), capacity_(capacity), window_us_(window_us) {
    // Time counts in the smallest tick for which limit x window / tick x 4 is below 2^52.
    while (Wide(limit) * (window_us / tick_us_) * 4 >= Wide(1) << 52) tick_us_ *= 10;
  }

  // Whether `amount` is there at `now_us`.
  bool Fits(int64_t amount, int64_t now_us) const {
    return used_at(now_us) + Wide(amount) * window_us_ <= Wide(capacity_) * window_us_;
  }
  bool Ever(int64_t amount) const { return amount <= capacity_; }
  // `amount` more is used; below 0: given back.
  void Use(int64_t amount, int64_t now_us) {
    used_ = used_at(now_us) + Wide(amount) * window_us_;
    if (used_ < 0) used_ = 0;
    Touch(now_us);
  }
  // The amount that is used is at least what leaves `remaining`; and with a `not_before_us` at
  // least what leaves one unit at the first tick that is no earlier than that.
  void Correct(int64_t remaining, int64_t not_before_us, int64_t now_us) {
    if (remaining < 0) remaining = 0;
    used_ = used_at(now_us);
    Touch(now_us);
    const Wide least = (Wide(capacity_) - remaining) * window_us_;
    if (used_ < least) used_ = least;
    if (not_before_us == 0) return;
    int64_t then = at_us_ + tick_us_;
    const int64_t earliest = (now_us + not_before_us + tick_us_ - 1) / tick_us_ * tick_us_;
    if (then < earliest) then = earliest;
    const Wide held = Wide(capacity_ - 1) * window_us_ + Wide(limit_) * (then - at_us_);
    if (used_ < held) used_ = held;
  }
  // Whole units left, rounded down.
  int64_t Remaining(int64_t now_us) const {
    const Wide left = Wide(capacity_) * window_us_ - used_at(now_us);
    Wide whole = left / window_us_;
    if (whole * window_us_ > left) --whole;
    return static_cast<int64_t>(whole);
  }

  int64_t limit() const { return limit_; }
  int64_t capacity() const { return capacity_; }
  int64_t window_us() const { return window_us_; }
  int64_t tick_us() const { return tick_us_; }

 private:
  // Used at `now_us`, times the window.
  Wide used_at(int64_t now_us) const {
    const int64_t now = now_us / tick_us_ * tick_us_;
    if (now <= at_us_) return used_;
    const Wide left = used_ - Wide(limit_) * (now - at_us_);
    return left < 0 ? 0 : left;
  }
  void Touch(int64_t now_us) {
    const int64_t now = now_us / tick_us_ * tick_us_;
    if (now > at_us_) at_us_ = now;
  }

  const int64_t limit_;
  const int64_t capacity_;
  const int64_t window_us_;
  int64_t tick_us_ = 1;
  Wide used_ = 0;  // times the window
  int64_t at_us_ = 0;
};

// In any window T: what is admitted, less what is given back, is at most capacity + rate x T, and
// at most one tick's refill more. (What calls used past their reservation, the underestimates, is
// never admitted; it only makes less fit.) Checks all windows of a history in one pass.
class WindowBound {
 public:
  explicit WindowBound(const ExactBucket& bucket) : bucket_(bucket) {}

  // `amount` was admitted; below 0: given back. `elapsed_us` is the time that has really passed:
  // a step of the clock takes none. False: some window that ends here has too much.
  bool Note(int64_t amount, int64_t elapsed_us) {
    const Wide refill = Wide(bucket_.limit()) * elapsed_us;
    if (!started_ || admitted_ - refill < least_) least_ = admitted_ - refill;
    started_ = true;
    admitted_ += Wide(amount) * bucket_.window_us();
    const Wide slack = Wide(bucket_.limit()) * (bucket_.tick_us() - 1);
    return admitted_ - refill - least_ <= Wide(bucket_.capacity()) * bucket_.window_us() + slack;
  }

 private:
  const ExactBucket& bucket_;
  bool started_ = false;
  Wide admitted_ = 0;  // in all, times the window
  Wide least_ = 0;     // smallest admitted - refill at the beginning of a window
};

}  // namespace pingti::quota
