// Shows one answer as it arrives, as text or as JSON, and what is worth knowing after it.
//
// Standard output gets the answer and nothing else. Standard error gets reasoning (when asked for),
// a note when the answer was cut by a limit or a filter, and on a terminal one line of statistics.
//
// Thread-safety: none. Ownership: keeps a reference to the console.
#pragma once

#include <string>

#include "client/command/console.h"
#include "pingti/v1/completion_service.pb.h"

namespace pingti::command {

class AnswerPrinter {
 public:
  AnswerPrinter(const Console& console, bool json, bool show_reasoning)
      : console_(console), json_(json), show_reasoning_(show_reasoning) {}

  // Shows an event of a stream. False: standard output is broken.
  bool OnEvent(const v1::StreamCompletionResponse& event);

  // Shows an answer that came in one piece. False: standard output is broken.
  bool OnResponse(const v1::GenerateCompletionResponse& response);

  // Ends the line, also after an answer that broke off. False: standard output is broken.
  bool End();

  // The text of the first choice so far, for the conversation's history; at most
  // kRememberedBytesMax of it.
  const std::string& text() const { return text_; }

 private:
  void Remember(const std::string& text);
  bool WriteAnswer(const std::string& text);
  bool WriteCitations();
  void WriteReasoning(const std::string& text);
  void Note(v1::FinishReason reason) const;
  void WriteStatistics(const v1::Usage& usage, const v1::Cost& cost, const v1::ServedBy& served_by,
                       const v1::Timings& timings, const std::string& request_id) const;

  const Console& console_;
  const bool json_;
  const bool show_reasoning_;
  std::string request_id_;
  std::string text_;
  google::protobuf::RepeatedPtrField<v1::Citation> citations_;
  bool line_open_ = false;
  bool reasoning_open_ = false;
};

}  // namespace pingti::command
