// What the tests of the simulated provider look at it with: its process, a raw HTTP client that
// records how bytes arrive and how the connection ends, and readers of chunks, events and JSON that
// share no code with the provider.
//
// Confined to one thread. Every wait has a deadline; nothing sleeps.
#pragma once

#include <simdjson.h>
#include <sys/types.h>

#include <concepts>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/integration/process.h"

namespace pingti::upstream {

// Milliseconds, as many times more as the provider may be slower here.
inline int ScaledMs(int ms) {
  return static_cast<int>(integration::Scaled(integration::Millis(ms)).count());
}

// For what is going to happen.
inline const int kDeadlineMs = ScaledMs(20'000);

// A JSON value that a test looks into without asking first: what is missing, or of another type, is
// a null whose text is "(none)" and whose numbers are kNoNumber, so that a comparison fails. (Not
// rapidjson::Document: clang 19 does not compile Debian's.)
class JsonValue {
 public:
  static constexpr int64_t kNoNumber = INT64_MIN / 2;

  JsonValue() = default;
  explicit JsonValue(simdjson::dom::element element) : element_(element), there_(true) {}

  JsonValue operator[](const char* key) const;
  // A template, because a literal 0 could be a null pointer, too.
  template <std::integral Index>
  JsonValue operator[](Index index) const {
    return At(static_cast<size_t>(index));
  }
  bool HasMember(const char* key) const { return (*this)[key].there_; }
  std::vector<JsonValue> GetArray() const;
  size_t Size() const { return GetArray().size(); }
  const char* GetString() const;
  size_t GetStringLength() const;
  int64_t GetInt() const;
  double GetDouble() const;
  bool GetBool() const;
  bool IsNull() const { return there_ && element_.is_null(); }
  bool IsInt() const { return there_ && element_.is_int64(); }
  bool IsBool() const { return there_ && element_.is_bool(); }
  bool IsString() const { return there_ && element_.is_string(); }
  bool IsObject() const { return there_ && element_.is_object(); }
  // As JSON.
  std::string ToString() const;

 protected:
  JsonValue At(size_t index) const;

  simdjson::dom::element element_;
  bool there_ = false;
};

// A parsed text; its values are valid as long as it is.
class JsonDocument : public JsonValue {
 public:
  explicit JsonDocument(std::string_view text);
  bool HasParseError() const { return !there_; }

 private:
  std::unique_ptr<simdjson::dom::parser> parser_ = std::make_unique<simdjson::dom::parser>();
};

// The provider's binary, running. Killed by the destructor.
class ProviderProcess {
 public:
  explicit ProviderProcess(std::vector<std::string> arguments = {"--port", "0"});
  ~ProviderProcess();
  ProviderProcess(const ProviderProcess&) = delete;
  ProviderProcess& operator=(const ProviderProcess&) = delete;

  // 0: it did not start.
  int port() const { return port_; }
  const std::string& first_line() const { return first_line_; }
  // Sends SIGTERM (if `terminate`), waits for the end, returns the exit code; -1: a signal.
  int Wait(bool terminate);
  // The rest of its standard output; after Wait().
  std::string Output();

 private:
  pid_t pid_ = -1;
  int stdout_ = -1;
  int port_ = 0;
  std::string first_line_;
  std::string output_;
};

enum class HowEnded { kComplete, kEof, kReset, kSilence };

struct Arrival {
  int64_t at_ns;
  std::string bytes;
};

struct Response {
  HowEnded ended = HowEnded::kSilence;
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string raw;                             // all that arrived
  std::string body;                            // decoded, as far as it came
  std::vector<size_t> chunk_sizes;             // of a chunked body
  std::vector<Arrival> arrivals;
  int data_segments = 0;  // TCP segments with data that were received
};

// A TCP connection to the provider.
class RawConnection {
 public:
  explicit RawConnection(int port);
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  bool Send(std::string_view bytes);
  // Reads one response; ends early when nothing arrives for `silence_ms`.
  Response Read(int silence_ms = kDeadlineMs);
  void Close();

 private:
  int fd_ = -1;
  std::string buffered_;
};

// A complete request as bytes.
std::string HttpRequestBytes(std::string_view method, std::string_view path, std::string_view body,
                             const std::vector<std::string>& header_lines = {});

// The body of a chat completion; `more` is JSON that follows, such as `,"n":2`.
std::string ChatBody(std::string_view prompt, bool stream, std::string_view more = "",
                     std::string_view model = "gpt-4o");

// One exchange on a connection of its own.
Response Fetch(int port, std::string_view method, std::string_view path, std::string_view body = "",
               const std::vector<std::string>& header_lines = {}, int silence_ms = kDeadlineMs);
Response Chat(int port, std::string_view body, const std::vector<std::string>& header_lines = {},
              int silence_ms = kDeadlineMs);

// An event of a stream, read by the rules of the HTML standard.
struct SseEvent {
  std::string name;
  std::string data;
};
std::vector<SseEvent> ParseSse(std::string_view body);

// What a stream said, put together.
struct StreamSummary {
  std::string text, reasoning, finish_reason, tool_name, tool_arguments;
  int content_chunks = 0;
  int malformed = 0;                // events that are neither JSON nor [DONE]
  bool done = false;                // [DONE] was there
  bool error = false;               // an event with `error` was there
  std::vector<std::string> usages;  // of each chunk: "-" absent, "null", or JSON
  std::vector<int> choices_sizes;
};
StreamSummary Summarize(const std::vector<SseEvent>& events);

// Parses JSON; a document with HasParseError() where it is not.
inline JsonDocument Json(std::string_view text) { return JsonDocument(text); }

}  // namespace pingti::upstream
