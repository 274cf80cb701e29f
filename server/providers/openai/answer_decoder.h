// Decodes a whole answer with HTTP status 200.
//
// Besides the object that belongs there: an error object, an empty body, a page of HTML, and a
// stream of events although none was asked for, whose pieces are put together.
#pragma once

#include <memory>
#include <string_view>

#include "server/model/answer.h"
#include "server/model/failure.h"
#include "server/providers/openai/chunk_reader.h"

namespace pingti::providers::openai {

// Failure: kMalformed where the body is no answer, kServerError for HTML, kCut where a choice has
// no finish reason (one is never made up), or the class of the error that the body states.
model::Result<model::Answer> DecodeWholeAnswer(std::string_view content_type, std::string_view body,
                                               const std::shared_ptr<ChunkReader>& reader);

}  // namespace pingti::providers::openai
