// The dialect of OpenAI's chat completions API and of everybody who copies it: OpenAI, Azure, Yi,
// DeepSeek, DashScope, Moonshot, Zhipu, vLLM, llama.cpp, ...
//
// What differs between them is data of the target (TargetTraits) or is tolerated by the decoders.
#pragma once

#include <memory>

#include "server/providers/dialect.h"

namespace pingti::providers::openai {

// One for each worker: it reuses its parser and its buffers. Its stream decoders may outlive it.
std::unique_ptr<Dialect> NewOpenAiDialect();

}  // namespace pingti::providers::openai
