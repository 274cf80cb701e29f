// The server's side of reading HTTP/1.1: one request after the other from bytes in any pieces.
//
// Owns what it has read; views into it are valid until Reset(). Confined to one thread. A request
// that is malformed or over a limit makes it bad() for good: answer bad_status() and close.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/upstream/reply.h"

namespace pingti::upstream {

inline constexpr size_t kHeadBytesMax = 64 * 1024;
inline constexpr size_t kHeadersMax = 128;
inline constexpr size_t kBodyBytesMax = 64 * 1024 * 1024;
// Room behind a body that a JSON parser may read (simdjson wants 64 at most).
inline constexpr size_t kBodyPadding = 64;

struct HttpRequest {
  Protocol protocol = Protocol::kHttp1;
  std::string_view method;
  std::string_view target;  // with the query
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  std::string_view body;
  bool keep_alive = true;
  bool has_knobs = false;  // a header begins with x-sim-

  // Value of a header, its name in lower case; empty where there is none.
  std::string_view header(std::string_view name) const;
};

class RequestParser {
 public:
  // Takes bytes and returns how many of them belong to this request.
  size_t Feed(std::string_view bytes);

  bool complete() const { return state_ == State::kComplete; }
  bool bad() const { return state_ == State::kBad; }
  int bad_status() const { return bad_status_; }
  // Nothing of a request has arrived.
  bool idle() const { return state_ == State::kHead && head_.empty(); }

  // True once, when the client waits for `100 Continue` before it sends the body.
  bool TakeExpectation() { return std::exchange(expects_continue_, false); }

  const HttpRequest& request() const { return request_; }

  // Ready for the next request.
  void Reset();

 private:
  enum class State { kHead, kBody, kChunkSize, kChunkData, kChunkEnd, kTrailer, kComplete, kBad };

  size_t FeedHead(std::string_view bytes);
  size_t FeedBody(std::string_view bytes);
  size_t FeedLine(std::string_view bytes);
  void ParseHead();
  bool ParseHeaderLine(std::string_view line);
  void BeginBody();
  void LineDone();
  void Complete();
  void Fail(int status);

  State state_ = State::kHead;
  int bad_status_ = 0;
  bool expects_continue_ = false;
  bool chunked_ = false;
  bool has_length_ = false;
  size_t left_ = 0;  // bytes of the body, or of its chunk, still to come
  std::string head_;
  std::string line_;
  std::string body_;
  HttpRequest request_;
};

}  // namespace pingti::upstream
