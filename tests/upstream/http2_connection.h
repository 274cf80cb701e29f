// One client's connection that speaks HTTP/2 in clear text with prior knowledge (RFC 9113, 3.3):
// plays the script of each stream's answer, a DATA frame for each step.
//
// nghttp2 frames and decodes; the socket is ours, as in connection.h, because a faulty provider
// decides itself how a stream and its connection end. A client that resets a stream counts as one
// that has closed its connection.
//
// Confined to its loop's thread. Owned by itself: it deletes itself when the connection ends, and
// CloseAll() of its loop deletes the rest.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/upstream/loop_context.h"

namespace pingti::upstream {

// What a client that wants HTTP/2 without asking sends first.
inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// Streams of a connection at a time; the client is told.
inline constexpr uint32_t kHttp2StreamsMax = 256;
// Frames that wait for the socket; no more are made while there are so many bytes.
inline constexpr size_t kHttp2OutputBytesMax = 64 * 1024;

class Http2Connection {
 public:
  // Takes over a socket, which the ledger counts as open already, from which `bytes` have been
  // read. Deletes itself at once if the client does not want it.
  static void Open(LoopContext& loop, evutil_socket_t fd, std::string_view bytes);

  // Closes all connections of a loop.
  static void CloseAll(LoopContext& loop);

 private:
  struct Stream;
  struct Callbacks;  // of nghttp2

  Http2Connection(LoopContext& loop, evutil_socket_t fd);
  ~Http2Connection();
  Http2Connection(const Http2Connection&) = delete;
  Http2Connection& operator=(const Http2Connection&) = delete;

  bool SetUp();
  void OnReadable();
  void Received(std::string_view bytes);
  void PeerGone();
  // The request of a stream is there whole.
  void Answer(Stream& stream);
  // Makes the next step of an answer ready, or waits for its time, or ends the answer.
  void Advance(Stream& stream);
  void Respond(Stream& stream);
  void EndAnswer(Stream& stream);
  ssize_t Read(Stream& stream, uint8_t* buffer, size_t size, uint32_t* flags);
  void WaitUntil(Stream& stream, int64_t due_ns, int64_t now_ns);
  void StreamClosed(int32_t id);
  void Book(Stream& stream, Ended ended, int64_t disconnect_ns);
  // Advances what is ready and sends what there is. May delete this.
  void Run();
  // True as long as the socket takes everything.
  bool Send();
  void Close();

  LoopContext& loop_;
  const evutil_socket_t fd_;
  std::list<Http2Connection*>::iterator place_;
  event* readable_ = nullptr;
  event* writable_ = nullptr;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, std::unique_ptr<Stream>> streams_;  // at most kHttp2StreamsMax
  std::vector<int32_t> ready_;                          // whose step has gone out
  std::string output_;
  size_t output_sent_ = 0;
  bool gone_ = false;                    // the peer has gone, or broke the protocol
  Ending closing_ = Ending::kKeepAlive;  // how the connection ends when all is sent
};

}  // namespace pingti::upstream
