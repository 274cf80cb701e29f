// Server-Sent Events out of a stream of bytes, however it is cut into pieces.
//
// Follows the WHATWG rules (HTML, "9.2.6 Interpreting an event stream"): lines end with LF, CR or
// CRLF and with nothing else (U+2028 is text); a byte order mark may come first; a line that begins
// with `:` is a comment; one space after the colon of a field is not part of its value; several
// `data` fields of an event are joined by LF; other fields than `data` and `event` have no effect.
// Two rules are stricter, because the sender is a program that may be broken: a NUL byte and a line
// or event over the limit are errors. One is laxer: Finish() gives the event that the end of the
// stream has cut off before its blank line.
//
// An event that lies whole in the bytes of one Feed() is not copied; others are collected in a
// buffer of at most twice the limit. Thread-safety: none; a parser belongs to one answer.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pingti::providers {

// Views into the bytes that were fed or into the parser; valid until the next call of the parser.
struct SseEvent {
  std::string_view name;  // of the `event` field; empty where there is none
  std::string_view data;
};

enum class SseResult {
  kEvent,     // `*event` is set; there may be more
  kNeedMore,  // everything that was fed is used up
  kTooLong,   // a line, or the data of an event, is over the limit
  kNul,       // a NUL byte: not text
};

class SseParser {
 public:
  explicit SseParser(size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}
  SseParser(const SseParser&) = delete;
  SseParser& operator=(const SseParser&) = delete;

  // Hands over the next bytes; they must stay until Next() has returned kNeedMore.
  // REQUIRES: Next() has returned kNeedMore since the last Feed().
  void Feed(std::string_view bytes) { input_ = bytes; }

  // The next event. After kTooLong or kNul the parser may not be used any more.
  SseResult Next(SseEvent* event);

  // The stream has ended: the event that was begun, if it has data, else kNeedMore.
  // REQUIRES: Next() has returned kNeedMore. Nothing may be called afterwards.
  SseResult Finish(SseEvent* event);

 private:
  enum class Step { kLine, kNeedMore, kTooLong, kNul };

  void SkipByteOrderMark();
  // Takes one line out of input_; `*buffered`: it is not a view into input_'s bytes.
  Step TakeLine(std::string_view* line, bool* buffered);
  Step CheckPiece(std::string_view piece) const;
  // Adds a line that is not blank to the event under way; false: the event is over the limit.
  bool AddLine(std::string_view line, bool buffered);
  bool AddData(std::string_view value, bool buffered);
  // Copies what the event under way has of the bytes that were fed.
  void KeepViews();
  void Dispatch(SseEvent* event);

  const size_t line_bytes_max_;

  std::string_view input_;  // what was fed and is not used up
  // End of the first LF in input_ as a pointer, or nullptr: not known. Spares a search per line
  // where the lines end with CR.
  const char* next_lf_ = nullptr;
  std::string line_;        // the begun line where it spans feeds
  bool line_done_ = false;  // line_ was handed out and is to be cleared
  bool skip_lf_ = false;    // the last line ended with CR: an LF that follows belongs to it
  int bom_bytes_ = 0;       // matched so far; kBomDone: no longer looked for

  bool has_data_ = false;
  std::string_view data_view_;  // the data while it is one line of the bytes fed
  bool data_buffered_ = false;  // the data is in data_ instead
  std::string data_;
  std::string name_;
  bool dispatched_ = false;  // the last event was handed out and is to be forgotten
};

}  // namespace pingti::providers
