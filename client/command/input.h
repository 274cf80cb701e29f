// Standard input, line by line or whole, that a Ctrl-C can interrupt.
//
// Thread-safety: none; the main thread's. Ownership: does not own its descriptors.
// Bounds: a line has at most kLineBytesMax, the whole at most kInputBytesMax.
#pragma once

#include <cstddef>
#include <string>

namespace pingti::command {

inline constexpr std::size_t kLineBytesMax = std::size_t{1} << 20;
// The server's default limit for a request.
inline constexpr std::size_t kInputBytesMax = std::size_t{20} << 20;

class Input {
 public:
  enum class Kind {
    kText,         // `text` is a line without its line end, or all there was.
    kEnd,          // ReadLine(): nothing more.
    kInterrupted,  // The wake descriptor became readable first.
    kTooLong,
    kFailed,
  };
  struct Read {
    Kind kind;
    std::string text;
  };

  // Reads `fd`; gives up while `wake_fd` is readable (-1: never).
  Input(int fd, int wake_fd) : fd_(fd), wake_fd_(wake_fd) {}

  // The last line counts also without a line end. A carriage return before it is not part of it.
  Read ReadLine();

  // Everything up to the end of the input.
  Read ReadAll();

  // Forgets the begin of a line that was interrupted.
  void DropPartialLine() { buffer_.clear(); }

 private:
  enum class Filled { kBytes, kEnd, kInterrupted, kFailed };
  Filled Fill();

  const int fd_;
  const int wake_fd_;
  std::string buffer_;
};

}  // namespace pingti::command
