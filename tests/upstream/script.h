// A reply as bytes with their times, ready to be sent: immutable and shared, so that a canned
// answer is built once and sent many times without a copy.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/upstream/reply.h"

namespace pingti::upstream {

// Bytes that are due together and go out with one send() where the socket takes them.
struct Step {
  size_t begin = 0;
  size_t size = 0;
  int64_t delay_ns = 0;        // after the time at which the step before was due
  int64_t content_bytes = 0;   // of the answer, in this step
  int32_t content_chunks = 0;  // content pieces that end in this step
  int32_t stamp_at = -1;       // where the send time goes, from `begin`; -1: nowhere
  bool alone = false;
};

struct Script {
  std::string bytes;
  // HTTP/2: the header block, `:status` first, which goes out with the first step; empty: nothing
  // is answered. Then `bytes` has the body alone.
  std::vector<std::pair<std::string, std::string>> fields;
  std::vector<Step> steps;
  Ending ending = Ending::kKeepAlive;
  int64_t end_delay_ns = 0;
  int status = 0;
  bool stream = false;
  bool faulty = false;
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
};

// Steps that a script may have; what is past them is sent with the last one.
inline constexpr size_t kStepsMax = 4'000'000;

// Lays a reply out. `segment_bytes` > 0 cuts it into sends of at most that many bytes; `close` says
// that the connection closes after it.
std::shared_ptr<const Script> BuildScript(const Reply& reply, int64_t segment_bytes, bool close,
                                          Protocol protocol);

// Writes `t=<now_ns>;` and dots over the mark at `place` (kStampMark.size() bytes).
void WriteStamp(int64_t now_ns, char* place);

}  // namespace pingti::upstream
