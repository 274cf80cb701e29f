// One client's connection: reads requests, plays the script of each answer byte for byte. One that
// begins as HTTP/2 does becomes an Http2Connection.
//
// A raw non-blocking socket with libevent events, because a faulty provider must decide itself what
// goes into which send() and whether the connection ends with FIN, RST or not at all. Reading never
// stops while an answer runs, so that a disconnect is seen at once, whatever the answer waits for.
//
// Confined to its loop's thread. Owned by itself: it deletes itself when the connection ends, and
// CloseAll() of its loop deletes the rest.
#pragma once

#include <event2/event.h>

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "tests/upstream/http_parser.h"
#include "tests/upstream/loop_context.h"

namespace pingti::upstream {

// Bytes of further requests that a client may send while one is answered.
inline constexpr size_t kPipelinedBytesMax = 1024 * 1024;
// send() calls in a row for one connection before the others of the loop have their turn.
inline constexpr int kSendsPerTurn = 256;

class Connection {
 public:
  // Takes the socket over. Deletes itself at once if the events cannot be made.
  static void Open(LoopContext& loop, evutil_socket_t fd);

  // Closes all connections of a loop.
  static void CloseAll(LoopContext& loop);

 private:
  // What to do after a step of work.
  enum class Next { kGoOn, kWait, kGone };

  Connection(LoopContext& loop, evutil_socket_t fd);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool MakeEvents();
  void OnReadable();
  // While it may still be HTTP/2. True where it is, and then this is gone, or where more has to
  // come.
  bool TakePreface(std::string_view bytes);
  void PeerGone();
  // Feeds bytes to the parser and plays answers until more input or time is needed.
  void Process(std::string_view bytes);
  Next Play();
  Next SendStep(const Step& step, int64_t now_ns);
  Next SendBytes(const char* bytes, size_t size);
  Next Finish();
  void EndExchange(Ended ended, int64_t now_ns, int64_t disconnect_ns);
  void Resume();
  void WaitUntil(int64_t due_ns, int64_t now_ns);
  void Reset();

  LoopContext& loop_;
  evutil_socket_t fd_;  // -1: handed on
  std::list<Connection*>::iterator place_;
  event* readable_ = nullptr;
  event* writable_ = nullptr;
  event* timer_ = nullptr;
  RequestParser parser_;
  std::string pipelined_;
  std::string preface_;  // as much of kHttp2Preface as has come
  bool is_http1_ = false;

  // The answer under way.
  Exchange exchange_;
  bool answering_ = false;
  bool discarding_ = false;  // answered what was no request: input is of no interest
  size_t step_ = 0;
  size_t sent_of_step_ = 0;
  int64_t due_ns_ = 0;  // of the current step
  bool due_known_ = false;
  std::string stamped_;  // the current step's bytes, where it carries its send time
  int64_t content_bytes_ = 0;
  int64_t chunks_ = 0;
  int sends_left_ = 0;
};

}  // namespace pingti::upstream
