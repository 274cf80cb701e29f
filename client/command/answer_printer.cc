#include "client/command/answer_printer.h"

#include <cstdio>

#include "client/command/format.h"
#include "client/command/json.h"
#include "client/command/visible_text.h"

namespace pingti::command {
namespace {

// An answer is bounded by the server; these bound what we keep of it if that one is broken.
constexpr std::size_t kRememberedBytesMax = std::size_t{8} << 20;
constexpr int kCitationsMax = 256;

double Seconds(const google::protobuf::Duration& duration) {
  return static_cast<double>(duration.seconds()) + static_cast<double>(duration.nanos()) / 1e9;
}

// An answer that is over sooner says nothing about a rate.
constexpr double kRateSecondsMin = 0.01;

// Output tokens per second after the first one came; 0 where that cannot be said.
double TokenRate(const v1::Usage& usage, const v1::Timings& timings) {
  const double first = timings.has_first_token() ? Seconds(timings.first_token()) : 0;
  const double span = Seconds(timings.total()) - first;
  return span >= kRateSecondsMin ? static_cast<double>(usage.output_tokens()) / span : 0;
}

std::string SourceMark(const v1::Usage& usage) {
  const char* source = "";
  if (usage.source() == v1::USAGE_SOURCE_COUNTED) source = " (counted)";
  if (usage.source() == v1::USAGE_SOURCE_ESTIMATED) source = " (estimated)";
  return source;
}

}  // namespace

void AnswerPrinter::Remember(const std::string& text) {
  if (text_.size() + text.size() <= kRememberedBytesMax) text_ += text;
}

bool AnswerPrinter::WriteAnswer(const std::string& text) {
  if (text.empty()) return true;
  if (reasoning_open_) {
    console_.WriteErrText("\n\n", Style::kPlain);
    reasoning_open_ = false;
  }
  Remember(text);
  line_open_ = text.back() != '\n';
  return console_.WriteText(text);
}

void AnswerPrinter::WriteReasoning(const std::string& text) {
  if (!show_reasoning_ || text.empty()) return;
  console_.WriteErrText(text, Style::kDim);
  reasoning_open_ = true;
}

bool AnswerPrinter::OnEvent(const v1::StreamCompletionResponse& event) {
  if (event.has_started()) request_id_ = event.started().request_id();
  if (json_) {
    if (event.delta().choice_index() == 0) Remember(event.delta().text());
    return console_.WriteText(ToJson(event) + "\n");
  }
  if (event.has_delta() && event.delta().choice_index() == 0) {
    const v1::StreamDelta& delta = event.delta();
    if (delta.has_reasoning()) WriteReasoning(delta.reasoning());
    if (delta.has_citation() && citations_.size() < kCitationsMax) {
      *citations_.Add() = delta.citation();
    }
    if (delta.has_refusal()) return WriteAnswer(delta.refusal());
    if (delta.has_text()) return WriteAnswer(delta.text());
  }
  if (event.has_finished()) {
    const v1::StreamFinished& finished = event.finished();
    if (!WriteCitations() || !End()) return false;
    for (const v1::ChoiceEnd& end : finished.choices()) {
      if (end.index() == 0) Note(end.finish_reason());
    }
    WriteStatistics(finished.usage(), finished.cost(), finished.served_by(), finished.timings(),
                    request_id_);
  }
  return true;
}

bool AnswerPrinter::OnResponse(const v1::GenerateCompletionResponse& response) {
  if (json_) {
    if (response.choices_size() > 0) Remember(response.choices(0).text());
    return console_.WriteText(ToJson(response) + "\n");
  }
  v1::FinishReason reason = v1::FINISH_REASON_UNSPECIFIED;
  if (response.choices_size() > 0) {
    const v1::Choice& choice = response.choices(0);
    reason = choice.finish_reason();
    WriteReasoning(choice.reasoning());
    citations_ = choice.citations();
    if (!WriteAnswer(choice.text()) || !WriteAnswer(choice.refusal())) return false;
  }
  if (!WriteCitations() || !End()) return false;
  Note(reason);
  WriteStatistics(response.usage(), response.cost(), response.served_by(), response.timings(),
                  response.request_id());
  return true;
}

bool AnswerPrinter::WriteCitations() {
  if (citations_.empty()) return true;
  std::string list = line_open_ ? "\n\n" : "\n";
  for (const v1::Citation& citation : citations_) {
    list += "[" + citation.number() + "] ";
    if (!citation.title().empty()) list += citation.title() + " ";
    list += "<" + citation.url() + ">\n";
  }
  citations_.Clear();
  line_open_ = false;
  return console_.WriteText(list);
}

bool AnswerPrinter::End() {
  if (reasoning_open_) console_.WriteErrText("\n", Style::kPlain);
  reasoning_open_ = false;
  if (!line_open_) return console_.out.good();
  line_open_ = false;
  return console_.WriteText("\n");
}

void AnswerPrinter::Note(v1::FinishReason reason) const {
  if (reason == v1::FINISH_REASON_LENGTH) {
    console_.Complain("note: the answer ends here because its limit of tokens is reached");
  } else if (reason == v1::FINISH_REASON_CONTENT_FILTER) {
    console_.Complain("note: the provider's content filter stopped the answer");
  } else if (reason == v1::FINISH_REASON_TOOL_CALLS) {
    console_.Complain("note: the model wants a tool to be called; --json shows it");
  }
}

void AnswerPrinter::WriteStatistics(const v1::Usage& usage, const v1::Cost& cost,
                                    const v1::ServedBy& served_by, const v1::Timings& timings,
                                    const std::string& request_id) const {
  if (!console_.err_is_terminal) return;
  std::string line = served_by.upstream_model() + " by " + served_by.provider() + ", " +
                     FormatCount(usage.input_tokens()) + " + " +
                     FormatCount(usage.output_tokens()) + " tokens" + SourceMark(usage);
  if (timings.has_first_token()) {
    line += ", first after " + FormatWait(ToMilliseconds(timings.first_token()));
  }
  line += ", " + FormatWait(ToMilliseconds(timings.total()));
  if (const double rate = TokenRate(usage, timings); rate > 0) {
    char text[48];
    std::snprintf(text, sizeof(text), ", %.1f tokens/s", rate);
    line += text;
  }
  if (cost.has_charged()) line += ", " + FormatMoney(cost.charged());
  if (!request_id.empty()) line += " [request " + request_id + "]";
  console_.err << Styled(VisibleText(line, LineBreaks::kShow), Style::kDim, console_.ErrColor())
               << '\n';
  console_.err.flush();
}

}  // namespace pingti::command
