#include "tests/upstream/http2_connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "tests/upstream/clock.h"
#include "tests/upstream/http_parser.h"

namespace pingti::upstream {
namespace {

constexpr uint32_t kWindowBytes = 1024 * 1024;

std::string_view View(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

// nghttp2 copies names and values.
nghttp2_nv FieldOf(const std::pair<std::string, std::string>& field) {
  auto bytes = [](const std::string& text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(field.first), bytes(field.second), field.first.size(), field.second.size(),
          NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

struct Http2Connection::Stream {
  Stream(Http2Connection& connection, int32_t id) : connection(connection), id(id) {
    timer = event_new(connection.loop_.base, -1, 0, &Stream::OnTimer, this);
  }
  ~Stream() { event_free(timer); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  static void OnTimer(evutil_socket_t, short, void* self) {
    auto* stream = static_cast<Stream*>(self);
    stream->connection.Advance(*stream);
    stream->connection.Run();
  }

  Http2Connection& connection;
  const int32_t id;
  event* timer;

  // The request.
  std::vector<std::pair<std::string, std::string>> headers;
  size_t header_bytes = 0;
  std::string body;

  // The answer under way.
  Exchange exchange;
  bool answering = false;
  bool finished = false;  // nothing more of it comes from us
  bool due = false;       // the current step may go out
  size_t step = 0;
  size_t sent_of_step = 0;
  int64_t due_ns = 0;
  bool due_known = false;
  std::string stamped;  // the current step's bytes, where it carries its send time
  int64_t content_bytes = 0;
  int64_t chunks = 0;
};

struct Http2Connection::Callbacks {
  static Stream* Find(nghttp2_session* session, int32_t id) {
    return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int OnBeginHeaders(nghttp2_session* session, const nghttp2_frame* frame, void* self) {
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;  // trailers
    auto* connection = static_cast<Http2Connection*>(self);
    const int32_t id = frame->hd.stream_id;
    auto stream = std::make_unique<Stream>(*connection, id);
    nghttp2_session_set_stream_user_data(session, id, stream.get());
    connection->streams_[id] = std::move(stream);
    return 0;
  }

  static int OnHeader(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t, void*) {
    Stream* stream = Find(session, frame->hd.stream_id);
    if (stream == nullptr) return 0;
    stream->header_bytes += name_size + value_size;
    if (stream->headers.size() >= kHeadersMax || stream->header_bytes > kHeadBytesMax) {
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // resets the stream
    }
    stream->headers.emplace_back(View(name, name_size), View(value, value_size));
    return 0;
  }

  static int OnData(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size,
                    void*) {
    Stream* stream = Find(session, id);
    if (stream == nullptr) return 0;
    if (size > kBodyBytesMax - stream->body.size()) {
      return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    stream->body.append(View(data, size));
    return 0;
  }

  static int OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* self) {
    const bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!carries || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    Stream* stream = Find(session, frame->hd.stream_id);
    if (stream != nullptr) static_cast<Http2Connection*>(self)->Answer(*stream);
    return 0;
  }

  static int OnClose(nghttp2_session*, int32_t id, uint32_t, void* self) {
    static_cast<Http2Connection*>(self)->StreamClosed(id);
    return 0;
  }

  static ssize_t OnRead(nghttp2_session*, int32_t, uint8_t* buffer, size_t size, uint32_t* flags,
                        nghttp2_data_source* source, void* self) {
    auto* stream = static_cast<Stream*>(source->ptr);
    return static_cast<Http2Connection*>(self)->Read(*stream, buffer, size, flags);
  }
};

void Http2Connection::Open(LoopContext& loop, evutil_socket_t fd, std::string_view bytes) {
  auto* connection = new Http2Connection(loop, fd);
  if (!connection->SetUp()) {
    delete connection;
  } else {
    connection->Received(bytes);
  }
}

void Http2Connection::CloseAll(LoopContext& loop) {
  while (!loop.http2_connections.empty()) delete loop.http2_connections.front();
}

Http2Connection::Http2Connection(LoopContext& loop, evutil_socket_t fd) : loop_(loop), fd_(fd) {
  place_ = loop_.http2_connections.insert(loop_.http2_connections.end(), this);
}

Http2Connection::~Http2Connection() {
  nghttp2_session_del(session_);
  streams_.clear();
  for (event* each : {readable_, writable_}) {
    if (each != nullptr) event_free(each);
  }
  close(fd_);
  loop_.http2_connections.erase(place_);
  loop_.service->ledger().ConnectionClosed();
}

bool Http2Connection::SetUp() {
  nghttp2_session_callbacks* callbacks = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0) return false;
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, &Callbacks::OnBeginHeaders);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, &Callbacks::OnHeader);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Callbacks::OnData);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &Callbacks::OnFrame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &Callbacks::OnClose);
  const int made = nghttp2_session_server_new(&session_, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  if (made != 0) return false;
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kHttp2StreamsMax},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindowBytes}};
  if (nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings)) != 0) {
    return false;
  }
  readable_ = event_new(
      loop_.base, fd_, EV_READ | EV_PERSIST,
      [](evutil_socket_t, short, void* self) { static_cast<Http2Connection*>(self)->OnReadable(); },
      this);
  writable_ = event_new(
      loop_.base, fd_, EV_WRITE,
      [](evutil_socket_t, short, void* self) { static_cast<Http2Connection*>(self)->Run(); }, this);
  return readable_ != nullptr && writable_ != nullptr && event_add(readable_, nullptr) == 0;
}

void Http2Connection::OnReadable() {
  const ssize_t size = recv(fd_, loop_.read_buffer.get(), kReadBufferBytes, 0);
  if (size > 0) return Received({loop_.read_buffer.get(), static_cast<size_t>(size)});
  if (size == 0 || (errno != EAGAIN && errno != EINTR)) PeerGone();
}

void Http2Connection::Received(std::string_view bytes) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  if (nghttp2_session_mem_recv(session_, data, bytes.size()) < 0) gone_ = true;
  Run();
}

void Http2Connection::PeerGone() {
  const int64_t now_ns = MonotonicNs();
  for (auto& [id, stream] : streams_) {
    if (stream->answering) Book(*stream, Ended::kClientClosed, now_ns);
  }
  delete this;
}

void Http2Connection::Answer(Stream& stream) {
  HttpRequest request;
  request.protocol = Protocol::kHttp2;
  for (const auto& [name, value] : stream.headers) {
    if (name == ":method") request.method = value;
    if (name == ":path") request.target = value;
    if (name.starts_with(':')) continue;
    request.headers.emplace_back(name, value);
    request.has_knobs |= name.starts_with("x-sim-");
  }
  stream.body.reserve(stream.body.size() + kBodyPadding);
  request.body = stream.body;
  const int64_t now_ns = MonotonicNs();
  stream.exchange = loop_.service->Handle(request, now_ns);
  stream.body = std::string();
  stream.answering = true;
  stream.due_ns = now_ns;
  Advance(stream);
}

void Http2Connection::Advance(Stream& stream) {
  if (!stream.answering || stream.finished || stream.due) return;
  const Script& script = *stream.exchange.script;
  const bool at_end = stream.step == script.steps.size();
  const int64_t delay_ns = at_end ? script.end_delay_ns : script.steps[stream.step].delay_ns;
  if (!stream.due_known) {
    stream.due_ns += delay_ns;
    stream.due_known = true;
  }
  const int64_t now_ns = MonotonicNs();
  if (stream.due_ns > now_ns) return WaitUntil(stream, stream.due_ns, now_ns);
  if (at_end) return EndAnswer(stream);
  stream.due = true;
  if (stream.step == 0) return Respond(stream);
  nghttp2_session_resume_data(session_, stream.id);
}

void Http2Connection::Respond(Stream& stream) {
  const Script& script = *stream.exchange.script;
  std::vector<nghttp2_nv> fields;
  fields.reserve(script.fields.size());
  for (const auto& field : script.fields) fields.push_back(FieldOf(field));
  nghttp2_data_provider body;
  body.source.ptr = &stream;
  body.read_callback = &Callbacks::OnRead;
  if (nghttp2_submit_response(session_, stream.id, fields.data(), fields.size(), &body) != 0) {
    gone_ = true;
  }
}

// Called by nghttp2 for the next DATA frame of a stream.
ssize_t Http2Connection::Read(Stream& stream, uint8_t* buffer, size_t size, uint32_t* flags) {
  const Script& script = *stream.exchange.script;
  if (!stream.due) {
    if (!stream.finished || script.ending != Ending::kKeepAlive) return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return 0;
  }
  const Step& step = script.steps[stream.step];
  const char* bytes = script.bytes.data() + step.begin;
  if (step.stamp_at >= 0) {
    if (stream.sent_of_step == 0) {
      stream.stamped.assign(bytes, step.size);
      WriteStamp(MonotonicNs(), stream.stamped.data() + step.stamp_at);
    }
    bytes = stream.stamped.data();
  }
  const size_t count = std::min(size, step.size - stream.sent_of_step);
  std::memcpy(buffer, bytes + stream.sent_of_step, count);
  stream.sent_of_step += count;
  if (stream.sent_of_step < step.size) return static_cast<ssize_t>(count);
  stream.content_bytes += step.content_bytes;
  stream.chunks += step.content_chunks;
  if (step.content_chunks > 0) loop_.service->ledger().CountChunks(step.content_chunks);
  ++stream.step;
  stream.sent_of_step = 0;
  stream.due = stream.due_known = false;
  const bool last = stream.step == script.steps.size();
  if (last && script.ending == Ending::kKeepAlive && script.end_delay_ns == 0) {
    stream.finished = true;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
  } else {
    ready_.push_back(stream.id);
    if (count == 0) return NGHTTP2_ERR_DEFERRED;
  }
  return static_cast<ssize_t>(count);
}

// All steps have gone out, and it is time for the end.
void Http2Connection::EndAnswer(Stream& stream) {
  const Script& script = *stream.exchange.script;
  auto reset = [&](uint32_t code) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, code);
  };
  if (script.ending == Ending::kHang) return;
  stream.finished = true;
  switch (script.ending) {
    case Ending::kKeepAlive:
      nghttp2_session_resume_data(session_, stream.id);
      break;
    case Ending::kClose:
    case Ending::kReset:
      closing_ = script.ending;
      break;
    case Ending::kGoAway: {
      const bool processed = !script.steps.empty();
      // The stream itself, or the client's before it.
      const int32_t last_id = processed ? stream.id : std::max(stream.id - 2, 0);
      nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, last_id, NGHTTP2_NO_ERROR, nullptr, 0);
      closing_ = Ending::kClose;
      break;
    }
    case Ending::kStreamRefused:
      return reset(NGHTTP2_REFUSED_STREAM);
    case Ending::kStreamError:
      return reset(NGHTTP2_INTERNAL_ERROR);
    case Ending::kStreamStopped:
      return reset(NGHTTP2_NO_ERROR);
    case Ending::kHang:
      break;
  }
}

void Http2Connection::WaitUntil(Stream& stream, int64_t due_ns, int64_t now_ns) {
  const int64_t us = (due_ns - now_ns + 999) / 1000;
  const timeval wait{.tv_sec = static_cast<time_t>(us / 1'000'000),
                     .tv_usec = static_cast<suseconds_t>(us % 1'000'000)};
  event_add(stream.timer, &wait);
}

// Both sides have ended it, or one has reset it.
void Http2Connection::StreamClosed(int32_t id) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  Stream& stream = *it->second;
  if (stream.answering && stream.finished) {
    Book(stream, stream.exchange.script->faulty ? Ended::kFault : Ended::kCompleted, 0);
  } else if (stream.answering) {
    Book(stream, Ended::kClientClosed, MonotonicNs());
  }
  streams_.erase(it);
}

void Http2Connection::Book(Stream& stream, Ended ended, int64_t disconnect_ns) {
  if (stream.exchange.booked) {
    const int64_t now_ns = disconnect_ns != 0 ? disconnect_ns : MonotonicNs();
    loop_.service->End(stream.exchange, ended, now_ns, disconnect_ns, stream.content_bytes,
                       stream.chunks);
  }
  stream.answering = false;
}

void Http2Connection::Run() {
  while (!gone_) {
    const std::vector<int32_t> ready = std::exchange(ready_, {});
    for (const int32_t id : ready) {
      if (const auto it = streams_.find(id); it != streams_.end()) Advance(*it->second);
    }
    while (output_.size() < kHttp2OutputBytesMax) {
      const uint8_t* bytes = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
      if (size < 0) gone_ = true;
      if (size <= 0) break;
      output_.append(View(bytes, static_cast<size_t>(size)));
    }
    if (output_.empty()) break;
    if (!gone_ && !Send()) break;
  }
  if (gone_) return PeerGone();
  if (!output_.empty()) return;  // the socket takes no more now
  const bool idle =
      nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
  if (closing_ != Ending::kKeepAlive || idle) Close();
}

bool Http2Connection::Send() {
  const std::string_view rest = std::string_view(output_).substr(output_sent_);
  const ssize_t sent = send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) {
    gone_ = true;
    return false;
  }
  output_sent_ += static_cast<size_t>(std::max<ssize_t>(sent, 0));
  if (output_sent_ < output_.size()) {
    event_add(writable_, nullptr);
    return false;
  }
  output_.clear();
  output_sent_ = 0;
  return true;
}

// Ends the connection with whatever streams it has, as the answer of one of them wants it.
void Http2Connection::Close() {
  for (auto& [id, stream] : streams_) {
    if (stream->answering) Book(*stream, Ended::kFault, 0);
  }
  if (closing_ == Ending::kReset) {
    linger abort{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
  } else {
    // Bytes that were received and not read would turn the close into a reset, so they are read.
    shutdown(fd_, SHUT_WR);
    while (recv(fd_, loop_.read_buffer.get(), kReadBufferBytes, MSG_DONTWAIT) > 0) {
    }
  }
  delete this;
}

}  // namespace pingti::upstream
