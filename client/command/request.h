// From the command line to the request that the server gets.
//
// Thread-safety: pure, but for the picture files that it reads. Errors: INVALID_ARGUMENT with a
// sentence that names the option; the server checks everything else and says so itself.
#pragma once

#include <string>
#include <string_view>

#include "client/command/command_line.h"
#include "client/result.h"
#include "pingti/v1/content.pb.h"

namespace pingti::command {

// Everything but the conversation, which begins with the system prompt if there is one.
client::Result<v1::CompletionSpec> MakeSpec(const RequestOptions& options);

// The user's turn. Pictures come before the text, as providers advise.
client::Result<v1::Message> MakeUserMessage(std::string_view text,
                                            const std::vector<std::string>& images);

// A picture by `http:`, `https:` or `data:` URL, or from a file, whose first bytes say what it is.
client::Result<v1::Image> MakeImage(const std::string& path_or_url);

}  // namespace pingti::command
