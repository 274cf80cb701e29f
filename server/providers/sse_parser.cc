#include "server/providers/sse_parser.h"

#include <algorithm>
#include <cstring>

namespace pingti::providers {
namespace {

constexpr std::string_view kBom = "\xEF\xBB\xBF";
constexpr int kBomDone = 3;

const char* Find(std::string_view bytes, char wanted) {
  if (bytes.empty()) return nullptr;
  return static_cast<const char*>(std::memchr(bytes.data(), wanted, bytes.size()));
}

}  // namespace

void SseParser::SkipByteOrderMark() {
  while (bom_bytes_ < kBomDone && !input_.empty()) {
    if (input_[0] != kBom[bom_bytes_]) {
      line_.append(kBom.substr(0, bom_bytes_));  // it only looked like one
      bom_bytes_ = kBomDone;
      return;
    }
    ++bom_bytes_;
    input_.remove_prefix(1);
  }
}

SseParser::Step SseParser::CheckPiece(std::string_view piece) const {
  // What is over the limit is not looked at, so that the verdict does not depend on how the line
  // was cut into pieces.
  size_t room = line_bytes_max_ - line_.size();
  if (Find(piece.substr(0, room), '\0') != nullptr) return Step::kNul;
  return piece.size() > room ? Step::kTooLong : Step::kLine;
}

SseParser::Step SseParser::TakeLine(std::string_view* line, bool* buffered) {
  if (line_done_) {
    line_.clear();
    line_done_ = false;
  }
  if (skip_lf_ && !input_.empty()) {
    if (input_[0] == '\n') input_.remove_prefix(1);
    skip_lf_ = false;
  }
  if (input_.empty()) return Step::kNeedMore;

  const char* input_end = input_.data() + input_.size();
  if (next_lf_ == nullptr || next_lf_ < input_.data() || next_lf_ > input_end) {
    next_lf_ = Find(input_, '\n');
    if (next_lf_ == nullptr) next_lf_ = input_end;
  }
  std::string_view upto_lf(input_.data(), static_cast<size_t>(next_lf_ - input_.data()));
  const char* cr = Find(upto_lf, '\r');
  const char* end = cr != nullptr ? cr : next_lf_;
  std::string_view piece(input_.data(), static_cast<size_t>(end - input_.data()));
  if (Step step = CheckPiece(piece); step != Step::kLine) return step;

  if (end == input_end) {
    line_.append(piece);
    input_ = {};
    return Step::kNeedMore;
  }
  input_.remove_prefix(piece.size() + 1);
  skip_lf_ = cr != nullptr;
  *buffered = !line_.empty();
  if (*buffered) {
    line_.append(piece);
    line_done_ = true;
    piece = line_;
  }
  *line = piece;
  return Step::kLine;
}

bool SseParser::AddData(std::string_view value, bool buffered) {
  if (!has_data_) {
    has_data_ = true;
    data_buffered_ = buffered;
    if (buffered) {
      data_.assign(value);
    } else {
      data_view_ = value;
    }
    return true;
  }
  KeepViews();
  if (value.size() + 1 > line_bytes_max_ - std::min(line_bytes_max_, data_.size())) return false;
  data_.push_back('\n');
  data_.append(value);
  return true;
}

bool SseParser::AddLine(std::string_view line, bool buffered) {
  size_t colon = line.find(':');
  if (colon == 0) return true;  // a comment
  std::string_view field = line.substr(0, colon);
  std::string_view value;
  if (colon != std::string_view::npos) {
    value = line.substr(colon + 1);
    if (!value.empty() && value[0] == ' ') value.remove_prefix(1);
  }
  if (field == "data") return AddData(value, buffered);
  if (field == "event") name_.assign(value);
  return true;
}

void SseParser::KeepViews() {
  if (!has_data_ || data_buffered_) return;
  data_.assign(data_view_);
  data_buffered_ = true;
}

void SseParser::Dispatch(SseEvent* event) {
  event->name = name_;
  event->data = data_buffered_ ? std::string_view(data_) : data_view_;
  dispatched_ = true;
}

SseResult SseParser::Next(SseEvent* event) {
  if (dispatched_) {
    dispatched_ = false;
    has_data_ = false;
    name_.clear();
  }
  if (bom_bytes_ < kBomDone) {
    SkipByteOrderMark();
    if (bom_bytes_ < kBomDone) return SseResult::kNeedMore;
  }
  while (true) {
    std::string_view line;
    bool buffered = false;
    switch (TakeLine(&line, &buffered)) {
      case Step::kLine:
        break;
      case Step::kNeedMore:
        KeepViews();
        next_lf_ = nullptr;
        return SseResult::kNeedMore;
      case Step::kTooLong:
        return SseResult::kTooLong;
      case Step::kNul:
        return SseResult::kNul;
    }
    if (line.empty()) {
      if (has_data_) {
        Dispatch(event);
        return SseResult::kEvent;
      }
      name_.clear();
    } else if (!AddLine(line, buffered)) {
      return SseResult::kTooLong;
    }
  }
}

SseResult SseParser::Finish(SseEvent* event) {
  if (!line_done_ && !line_.empty() && !AddLine(line_, /*buffered=*/true)) {
    return SseResult::kTooLong;
  }
  if (!has_data_) return SseResult::kNeedMore;
  Dispatch(event);
  return SseResult::kEvent;
}

}  // namespace pingti::providers
