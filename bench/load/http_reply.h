// Reads one HTTP/1.1 answer from the bytes of a connection, however they are cut.
//
// Only what a load generator needs of the protocol: status, length, chunked coding, keep-alive.
// What it does not understand is an error, never a guess.
//
// Thread-safety: none. Memory: at most kHeaderBytesMax and kLineBytesMax.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pingti::bench {

class HttpReply {
 public:
  static constexpr size_t kHeaderBytesMax = 64 * 1024;
  static constexpr size_t kLineBytesMax = 4 * 1024 * 1024;  // a line of an event stream

  // Forgets the answer. `stream`: keep the body's lines for NextLine.
  void Reset(bool stream);

  // Takes the next bytes; false where they are not an HTTP answer or break a bound.
  bool Feed(std::string_view bytes);

  // The connection was closed by its peer; true where that ends the answer properly.
  bool EndOfConnection();

  // Moves the next complete line of the body, without its line break, into `line`; valid until the
  // next Feed.
  bool NextLine(std::string_view* line);

  bool complete() const { return state_ == State::kComplete; }
  int status() const { return status_; }
  bool keep_alive() const { return keep_alive_; }
  int64_t body_bytes() const { return body_bytes_; }

 private:
  enum class State {
    kHeader,
    kBodyByLength,
    kBodyToEnd,
    kChunkSize,
    kChunkData,
    kChunkEnd,
    kTrailer,
    kComplete
  };

  bool ParseHeader();
  bool ParseHeaderLine(std::string_view line);
  // Collects a line of the chunked coding; true when it is whole.
  bool TakeCodingLine(std::string_view* bytes);
  bool ChunkSizeKnown();
  bool TakeBody(std::string_view bytes);

  State state_ = State::kHeader;
  bool stream_ = false;
  int status_ = 0;
  bool keep_alive_ = true;
  bool chunked_ = false;
  bool length_known_ = false;
  int64_t left_ = 0;  // bytes of the body or chunk that are to come
  int64_t body_bytes_ = 0;
  std::string header_;  // also the lines of the chunked coding
  std::string lines_;   // body that NextLine has not given out
  size_t lines_start_ = 0;
};

}  // namespace pingti::bench
