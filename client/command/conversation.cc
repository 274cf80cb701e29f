#include "client/command/conversation.h"

#include <utility>
#include <vector>

#include "client/command/chat.h"
#include "client/command/input.h"
#include "client/command/request.h"
#include "client/command/visible_text.h"

namespace pingti::command {
namespace {

class Conversation {
 public:
  Conversation(const Session& session, v1::CompletionSpec spec)
      : session_(session),
        spec_(std::move(spec)),
        images_(session.line.request.images),
        input_(session.console.in_fd, session.interrupts.idle_fd()) {}

  ExitCode Run();

 private:
  void Prompt() const;
  // False: leave.
  bool OnCtrlC();
  // False: leave, with code_.
  bool OnLine(const std::string& line);

  const Session& session_;
  v1::CompletionSpec spec_;
  std::vector<std::string> images_;  // For the first turn only.
  Input input_;
  bool interrupted_before_ = false;
  ExitCode code_ = kExitOk;
};

void Conversation::Prompt() const {
  // Where standard output is not what the person looks at, it is for the answers alone.
  const Console& console = session_.console;
  const bool to_out = console.out_is_terminal && !session_.line.json;
  std::ostream& stream = to_out ? console.out : console.err;
  stream << Styled("> ", Style::kBold, to_out ? console.OutColor() : console.ErrColor());
  stream.flush();
}

bool Conversation::OnCtrlC() {
  session_.interrupts.TakeIdle();
  input_.DropPartialLine();
  session_.console.WriteErrText("\n", Style::kPlain);
  if (interrupted_before_) return false;
  interrupted_before_ = true;
  session_.console.WriteErrText("(Ctrl-C again or Ctrl-D to leave)\n", Style::kDim);
  return true;
}

bool Conversation::OnLine(const std::string& line) {
  if (line.find_first_not_of(" \t") == std::string::npos) return true;
  client::Result<v1::Message> message = MakeUserMessage(line, images_);
  if (!message.ok()) {
    session_.console.Complain(VisibleText(message.error().message, LineBreaks::kShow));
    // A picture that cannot be read will not become readable.
    if (images_.empty()) return true;
    code_ = kExitUsage;
    return false;
  }
  *spec_.add_messages() = std::move(*message);
  if (ForgetOldestTurns(spec_, kHistoryMessagesMax, kHistoryBytesMax) > 0) {
    session_.console.Complain("note: the oldest turns no longer fit and are forgotten");
  }
  const TurnEnd end = RunTurn(session_, spec_);
  if (end.output_broken) {
    code_ = end.code;
    return false;
  }
  interrupted_before_ = end.code == kExitCancelled;
  if (!end.text.empty()) {
    v1::Message& answer = *spec_.add_messages();
    answer.set_role(v1::ROLE_ASSISTANT);
    answer.add_parts()->set_text(end.text);
    images_.clear();
  } else {
    spec_.mutable_messages()->RemoveLast();
  }
  return true;
}

ExitCode Conversation::Run() {
  while (true) {
    Prompt();
    const Input::Read read = input_.ReadLine();
    switch (read.kind) {
      case Input::Kind::kText:
        interrupted_before_ = false;
        if (!OnLine(read.text)) return code_;
        break;
      case Input::Kind::kInterrupted:
        if (!OnCtrlC()) return kExitOk;
        break;
      case Input::Kind::kEnd:
        session_.console.WriteErrText("\n", Style::kPlain);
        return kExitOk;
      case Input::Kind::kTooLong:
        session_.console.Complain("a line has at most 1 MB");
        return kExitUsage;
      case Input::Kind::kFailed:
        session_.console.Complain("standard input cannot be read");
        return kExitOther;
    }
  }
}

}  // namespace

int ForgetOldestTurns(v1::CompletionSpec& spec, int messages_max, std::size_t bytes_max) {
  auto& messages = *spec.mutable_messages();
  const int first = messages.size() > 0 && messages.Get(0).role() == v1::ROLE_SYSTEM ? 1 : 0;
  int forgotten = 0;
  while (messages.size() > first + 1 &&
         (messages.size() > messages_max || spec.ByteSizeLong() > bytes_max)) {
    // A turn is a user's message and what follows up to the next one.
    int turn = 1;
    while (first + turn < messages.size() - 1 &&
           messages.Get(first + turn).role() != v1::ROLE_USER) {
      ++turn;
    }
    messages.DeleteSubrange(first, turn);
    forgotten += turn;
  }
  return forgotten;
}

ExitCode Converse(const Session& session, v1::CompletionSpec spec) {
  return Conversation(session, std::move(spec)).Run();
}

}  // namespace pingti::command
