#include "client/command/chat.h"

#include <utility>

#include "client/command/answer_printer.h"
#include "client/command/conversation.h"
#include "client/command/input.h"
#include "client/command/request.h"
#include "client/command/visible_text.h"

namespace pingti::command {
namespace {

// Usage errors are found before a server is asked, so they have their own exit code.
ExitCode FailUsage(const Session& session, const client::Error& error) {
  const ExitCode code = error.code == grpc::StatusCode::CANCELLED ? kExitCancelled : kExitUsage;
  session.console.Complain(VisibleText(error.message, LineBreaks::kShow));
  return code;
}

client::Error Stream(const Session& session, const v1::CompletionSpec& spec, AnswerPrinter& printer,
                     TurnEnd& end) {
  const Interrupts::Answer answer(session.interrupts);
  client::StreamOptions options;
  options.cancel = answer.token();
  options.include_reasoning = session.line.show_reasoning;
  client::CompletionStream stream = session.client.Stream(spec, options);
  while (const auto event = stream.Next()) {
    if (printer.OnEvent(*event)) continue;
    end.output_broken = true;
    stream.Cancel();
    break;
  }
  return stream.Finish();
}

client::Error Generate(const Session& session, const v1::CompletionSpec& spec,
                       AnswerPrinter& printer, TurnEnd& end) {
  const Interrupts::Answer answer(session.interrupts);
  client::CallOptions options;
  options.cancel = answer.token();
  const auto response = session.client.Generate(spec, options);
  if (!response.ok()) return response.error();
  end.output_broken = !printer.OnResponse(*response);
  return {};
}

ExitCode AskOnce(const Session& session, v1::CompletionSpec spec) {
  const client::Result<std::string> prompt = ReadPrompt(session);
  if (!prompt.ok()) return FailUsage(session, prompt.error());
  client::Result<v1::Message> message = MakeUserMessage(*prompt, session.line.request.images);
  if (!message.ok()) return FailUsage(session, message.error());
  *spec.add_messages() = std::move(*message);
  return RunTurn(session, spec).code;
}

}  // namespace

client::Result<std::string> ReadPrompt(const Session& session) {
  if (!session.line.request.words.empty()) {
    std::string prompt;
    for (const std::string& word : session.line.request.words) {
      if (!prompt.empty()) prompt += ' ';
      prompt += word;
    }
    return prompt;
  }
  Input::Read read = Input(session.console.in_fd, session.interrupts.idle_fd()).ReadAll();
  switch (read.kind) {
    case Input::Kind::kText:
    case Input::Kind::kEnd:
      return std::move(read.text);
    case Input::Kind::kInterrupted:
      return client::LocalError(grpc::StatusCode::CANCELLED, "cancelled");
    case Input::Kind::kTooLong:
      return client::LocalError(grpc::StatusCode::FAILED_PRECONDITION,
                                "the prompt on standard input is larger than 20 MB");
    case Input::Kind::kFailed:
      break;
  }
  return client::LocalError(grpc::StatusCode::FAILED_PRECONDITION, "standard input cannot be read");
}

TurnEnd RunTurn(const Session& session, const v1::CompletionSpec& spec) {
  AnswerPrinter printer(session.console, session.line.json, session.line.show_reasoning);
  TurnEnd end;
  const client::Error error = session.line.stream ? Stream(session, spec, printer, end)
                                                  : Generate(session, spec, printer, end);
  if (!printer.End()) end.output_broken = true;
  end.text = printer.text();
  if (end.output_broken) {
    session.console.Complain("standard output cannot be written");
    end.code = kExitOther;
  } else if (!error.ok()) {
    end.code = session.Fail(error);
  }
  return end;
}

ExitCode RunChat(const Session& session) {
  client::Result<v1::CompletionSpec> spec = MakeSpec(session.line.request);
  if (!spec.ok()) return FailUsage(session, spec.error());
  if (session.line.request.words.empty() && session.console.in_is_terminal) {
    if (!session.line.request.request_id.empty()) {
      session.console.Complain("--request-id names one call; a conversation has many");
      return kExitUsage;
    }
    return Converse(session, std::move(*spec));
  }
  return AskOnce(session, std::move(*spec));
}

}  // namespace pingti::command
