// A ring of bytes with one producer thread and one consumer thread; neither ever waits.
//
// Whole records only: Push() takes all of its bytes or none.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace pingti::telemetry {

class ByteRing {
 public:
  explicit ByteRing(size_t capacity) : capacity_(capacity), bytes_(new char[capacity]) {}
  ByteRing(const ByteRing&) = delete;
  ByteRing& operator=(const ByteRing&) = delete;

  // Producer. False, and nothing is stored, where there is no room for all of it.
  bool Push(std::string_view record) {
    const size_t end = end_.load(std::memory_order_relaxed);
    if (record.size() > capacity_ - (end - begin_.load(std::memory_order_acquire))) return false;
    const size_t at = end % capacity_;
    const size_t head = std::min(record.size(), capacity_ - at);
    std::memcpy(bytes_.get() + at, record.data(), head);
    std::memcpy(bytes_.get(), record.data() + head, record.size() - head);
    end_.store(end + record.size(), std::memory_order_release);
    return true;
  }

  // Consumer. Copies the oldest bytes, at most `n`, to `out`; returns how many.
  size_t Peek(char* out, size_t n) const {
    const size_t begin = begin_.load(std::memory_order_relaxed);
    n = std::min(n, end_.load(std::memory_order_acquire) - begin);
    const size_t at = begin % capacity_;
    const size_t head = std::min(n, capacity_ - at);
    std::memcpy(out, bytes_.get() + at, head);
    std::memcpy(out + head, bytes_.get(), n - head);
    return n;
  }
  // Consumer. Frees the `n` oldest bytes, which are there.
  void Pop(size_t n) {
    begin_.store(begin_.load(std::memory_order_relaxed) + n, std::memory_order_release);
  }

 private:
  const size_t capacity_;
  const std::unique_ptr<char[]> bytes_;
  // Bytes ever pushed and popped; on lines of their own, since two threads write them.
  alignas(64) std::atomic<size_t> end_ = 0;
  alignas(64) std::atomic<size_t> begin_ = 0;
};

}  // namespace pingti::telemetry
