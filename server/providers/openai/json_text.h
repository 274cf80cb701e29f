// Unescapes JSON strings into UTF-8 that is always valid.
//
// Half a surrogate pair (RFC 8259 allows its escape, UTF-8 has no form for it) becomes U+FFFD, with
// one exception: some providers cut a text between the two escapes of a pair and send the halves in
// two chunks. So a high half at the very end of a piece is kept in a SurrogateHalf and joined with
// the low half that begins the next piece of the same text. Nothing else is delayed by that.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pingti::providers::openai {

// A high surrogate that waits for its other half; one per text that arrives in pieces.
class SurrogateHalf {
 public:
  bool waiting() const { return value_ != 0; }
  // The text has ended: appends U+FFFD where a half still waits.
  void Flush(std::string* out);

 private:
  friend bool AppendUnescaped(std::string_view, SurrogateHalf*, std::string*);
  uint16_t value_ = 0;
};

// Appends the text of `escaped` (the inside of a JSON string, valid UTF-8) to `out`. `half` belongs
// to the text of which this is a piece; nullptr where it is the whole text. False: an escape is
// malformed; `out` then has what precedes it.
bool AppendUnescaped(std::string_view escaped, SurrogateHalf* half, std::string* out);

// The whole text of a JSON string, at most `bytes_max` bytes of it, cut between characters.
// Malformed escapes end it.
std::string Unescaped(std::string_view escaped, size_t bytes_max);

}  // namespace pingti::providers::openai
