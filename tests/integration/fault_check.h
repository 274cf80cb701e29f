// One call against a fault, and all that has to be true of it: the result that the caller has, one
// attempt that the access record tells of and the provider has counted, and the quota settled once.
//
// Thread-safety: none.
#pragma once

#include <string>

#include "tests/integration/fault_cases.h"
#include "tests/integration/world.h"

namespace pingti::integration {

// How a call has ended, streamed or not.
struct CallEnd {
  client::Error error;    // ok(): it is complete
  bool finished = false;  // the last event has come
  std::string request_id;
  std::string text;   // of the first choice
  std::string calls;  // its tool calls, a line `index id name arguments` for each
  v1::FinishReason finish = v1::FINISH_REASON_UNSPECIFIED;
  v1::Usage usage;
  v1::ServedBy served_by;  // of a complete answer

  int64_t tokens() const { return usage.input_tokens() + usage.output_tokens(); }
};
CallEnd CallOnce(const client::Client& client, const v1::CompletionSpec& spec, bool stream);

class FaultCheck {
 public:
  // `client`: of a tenant that nobody else calls as.
  FaultCheck(Server& server, const Provider& provider, client::Client client)
      : server_(server), provider_(provider), client_(std::move(client)) {}

  struct Seen {
    const char* provider = "simulated";  // its name in the configuration
    unsigned requests = 1;               // that reach it
  };
  // Makes the call. `answer`: what the provider says where nothing is wrong.
  void Expect(const Want& want, const v1::CompletionSpec& spec, bool stream,
              const std::string& answer, const Seen& seen);

 private:
  void ExpectComplete(const Want& want, const CallEnd& end, const std::string& answer);
  void ExpectFailure(const Want& want, const CallEnd& end, const std::string& answer,
                     const char* provider);
  // That an answer which was begun and not finished is paid for, and no other.
  void ExpectPaid(const Want& want, const client::Error& error, const rapidjson::Document& record,
                  double settled);

  Server& server_;
  const Provider& provider_;
  const client::Client client_;
};

}  // namespace pingti::integration
