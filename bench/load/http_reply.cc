#include "bench/load/http_reply.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"

namespace pingti::bench {
namespace {

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

void HttpReply::Reset(bool stream) {
  state_ = State::kHeader;
  stream_ = stream;
  status_ = 0;
  keep_alive_ = true;
  chunked_ = false;
  length_known_ = false;
  left_ = 0;
  body_bytes_ = 0;
  header_.clear();
  lines_.clear();
  lines_start_ = 0;
}

bool HttpReply::Feed(std::string_view bytes) {
  if (lines_start_ > 0) {
    lines_.erase(0, lines_start_);
    lines_start_ = 0;
  }
  while (!bytes.empty()) {
    switch (state_) {
      case State::kHeader: {
        const size_t before = header_.size();
        header_.append(bytes);
        const size_t end = header_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
        if (end == std::string::npos) return header_.size() <= kHeaderBytesMax;
        bytes.remove_prefix(end + 4 - before);
        header_.resize(end);
        if (!ParseHeader()) return false;
        break;
      }
      case State::kBodyToEnd:
        return TakeBody(bytes);
      case State::kBodyByLength:
      case State::kChunkData: {
        const size_t size = std::min(bytes.size(), static_cast<size_t>(left_));
        if (!TakeBody(bytes.substr(0, size))) return false;
        bytes.remove_prefix(size);
        left_ -= static_cast<int64_t>(size);
        if (left_ > 0) break;
        state_ = state_ == State::kChunkData ? State::kChunkEnd : State::kComplete;
        break;
      }
      case State::kChunkSize:
      case State::kChunkEnd:
      case State::kTrailer:
        if (!TakeCodingLine(&bytes)) return header_.size() <= kHeaderBytesMax;
        if (!ChunkSizeKnown()) return false;
        break;
      case State::kComplete:
        return false;  // nothing was asked that this could answer
    }
  }
  return true;
}

bool HttpReply::EndOfConnection() {
  keep_alive_ = false;
  if (state_ != State::kBodyToEnd) return false;
  state_ = State::kComplete;
  return true;
}

bool HttpReply::NextLine(std::string_view* line) {
  const size_t end = lines_.find('\n', lines_start_);
  if (end == std::string::npos) return false;
  *line = std::string_view(lines_).substr(lines_start_, end - lines_start_);
  if (!line->empty() && line->back() == '\r') line->remove_suffix(1);
  lines_start_ = end + 1;
  return true;
}

bool HttpReply::ParseHeader() {
  std::string_view rest = header_;
  const std::string_view first = rest.substr(0, rest.find("\r\n"));
  // HTTP/1.x NNN
  if (first.size() < 12 || first.substr(0, 7) != "HTTP/1.") return false;
  if (!absl::SimpleAtoi(Absl(first.substr(9, 3)), &status_) || status_ < 200) return false;
  keep_alive_ = first[7] == '1';
  rest.remove_prefix(first.size());
  while (!rest.empty()) {
    rest.remove_prefix(2);
    const std::string_view line = rest.substr(0, rest.find("\r\n"));
    if (!ParseHeaderLine(line)) return false;
    rest.remove_prefix(line.size());
  }
  header_.clear();
  if (chunked_) {
    state_ = State::kChunkSize;
  } else if (length_known_) {
    state_ = left_ == 0 ? State::kComplete : State::kBodyByLength;
  } else {
    state_ = State::kBodyToEnd;
  }
  return true;
}

bool HttpReply::ParseHeaderLine(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  const absl::string_view name = Absl(line.substr(0, colon));
  const absl::string_view value = absl::StripAsciiWhitespace(Absl(line.substr(colon + 1)));
  if (absl::EqualsIgnoreCase(name, "content-length")) {
    length_known_ = absl::SimpleAtoi(value, &left_) && left_ >= 0;
    return length_known_;
  }
  if (absl::EqualsIgnoreCase(name, "transfer-encoding")) {
    chunked_ = absl::EqualsIgnoreCase(value, "chunked");
    return chunked_;
  }
  if (absl::EqualsIgnoreCase(name, "connection")) {
    keep_alive_ = !absl::EqualsIgnoreCase(value, "close");
  }
  return true;
}

bool HttpReply::TakeCodingLine(std::string_view* bytes) {
  const size_t end = bytes->find('\n');
  const size_t size = end == std::string_view::npos ? bytes->size() : end + 1;
  header_.append(bytes->substr(0, size));
  bytes->remove_prefix(size);
  if (end == std::string_view::npos) return false;
  while (!header_.empty() && (header_.back() == '\n' || header_.back() == '\r')) header_.pop_back();
  return true;
}

// A line of the coding is whole in `header_`: a chunk's size, the empty line after a chunk, or a
// trailer.
bool HttpReply::ChunkSizeKnown() {
  const std::string line = std::move(header_);
  header_.clear();
  if (state_ == State::kChunkEnd) {
    state_ = State::kChunkSize;
    return line.empty();
  }
  if (state_ == State::kTrailer) {
    if (line.empty()) state_ = State::kComplete;
    return true;
  }
  const auto [stop, error] = std::from_chars(line.data(), line.data() + line.size(), left_, 16);
  if (error != std::errc() || left_ < 0) return false;
  state_ = left_ == 0 ? State::kTrailer : State::kChunkData;
  return true;
}

bool HttpReply::TakeBody(std::string_view bytes) {
  body_bytes_ += static_cast<int64_t>(bytes.size());
  if (!stream_) return true;
  lines_.append(bytes);
  return lines_.size() <= kLineBytesMax;
}

}  // namespace pingti::bench
