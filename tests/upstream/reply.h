// A reply while it is put together: head, body in pieces, and how it ends.
//
// The ordinary reply is made first, then a fault edits it, then BuildScript() (script.h) turns it
// into bytes. Values, confined to one thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace pingti::upstream {

enum class PieceKind {
  kBody,     // a whole answer that is not streamed
  kRole,     // first chunk of a choice
  kContent,  // text, reasoning, tool call or citation
  kFinish,
  kUsage,
  kDone,
  kOther,  // pings, foreign events, errors
};

enum class Protocol { kHttp1, kHttp2 };

// One event of a stream, or a part of a body. With chunked framing each piece is an HTTP chunk.
struct Piece {
  PieceKind kind = PieceKind::kOther;
  std::string bytes;
  std::string event_name;      // its `event:` line; empty: none
  bool raw = false;            // bytes are lines already, not the payload of an event
  int64_t delay_ns = 0;        // after the time at which the piece before was due
  uint32_t content_bytes = 0;  // bytes of the answer's content that it carries
  bool alone = false;          // never in one send() with another piece
};

enum class Framing {
  kLength,      // Content-Length
  kChunked,     // Transfer-Encoding: chunked
  kConnection,  // neither: the end of the connection ends the body
};

enum class Ending {
  kKeepAlive,  // complete; the connection stays
  kClose,      // FIN
  kReset,      // RST
  kHang,       // nothing more, and the connection stays open until the peer closes it
  // HTTP/2 only: what comes where the end of the stream should.
  kGoAway,         // GOAWAY and FIN. The stream counts as not processed if nothing was answered
  kStreamRefused,  // RST_STREAM with REFUSED_STREAM
  kStreamError,    // RST_STREAM with INTERNAL_ERROR
  kStreamStopped,  // RST_STREAM with NO_ERROR
};

// Whether it can be played over HTTP/2 only.
constexpr bool NeedsHttp2(Ending ending) { return ending >= Ending::kGoAway; }

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  Framing framing = Framing::kLength;
  bool send_head = true;
  int64_t head_delay_ns = 0;
  std::vector<Piece> body;
  bool send_last_chunk = true;  // kChunked: the chunk of size 0
  int64_t missing_bytes = 0;    // kLength: declared but never sent
  Ending ending = Ending::kKeepAlive;
  int64_t end_delay_ns = 0;
  bool faulty = false;  // a fault has cut or broken it
  bool stream = false;
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
};

}  // namespace pingti::upstream
