// The provider's bytes: server-sent events, and the OpenAI decoder on top of them, one 300-byte
// chunk at a time as a paced stream delivers them.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "server/model/answer.h"
#include "server/providers/openai/dialect.h"
#include "server/providers/sse_parser.h"

namespace pingti::providers::openai {
namespace {

constexpr size_t kLineBytesMax = 16 * 1024 * 1024;

// One chunk as OpenAI sends it, with that text.
std::string ChunkWith(const std::string& content) {
  return R"(data: {"id":"chatcmpl-9lMgfRSWPHcw51s6wxKT1YEO2CKpd","object":"chat.completion.chunk",)"
         R"("created":1721075653,"model":"yi-large","choices":[{"index":0,"delta":{"content":")" +
         content + R"("},"logprobs":null,"finish_reason":null}]})" + "\n\n";
}

// With `content_bytes` of text.
std::string Chunk(size_t content_bytes) { return ChunkWith(std::string(content_bytes, 'a')); }

void BM_SseEvent(benchmark::State& state) {
  const std::string bytes = Chunk(static_cast<size_t>(state.range(0)));
  SseParser parser(kLineBytesMax);
  for (auto _ : state) {
    parser.Feed(bytes);
    SseEvent event;
    if (parser.Next(&event) != SseResult::kEvent) std::abort();
    benchmark::DoNotOptimize(event.data.data());
    if (parser.Next(&event) != SseResult::kNeedMore) std::abort();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}
BENCHMARK(BM_SseEvent)->Arg(20)->Arg(300)->Arg(4000);

// The same event cut in two, as a segment's border may cut it: it has to be collected.
void BM_SseEventCutInTwo(benchmark::State& state) {
  const std::string bytes = Chunk(300);
  const std::string_view whole = bytes;
  SseParser parser(kLineBytesMax);
  for (auto _ : state) {
    SseEvent event;
    parser.Feed(whole.substr(0, 200));
    if (parser.Next(&event) != SseResult::kNeedMore) std::abort();
    parser.Feed(whole.substr(200));
    if (parser.Next(&event) != SseResult::kEvent) std::abort();
    benchmark::DoNotOptimize(event.data.data());
    if (parser.Next(&event) != SseResult::kNeedMore) std::abort();
  }
}
BENCHMARK(BM_SseEventCutInTwo);

void Decode(benchmark::State& state, const std::string& bytes) {
  const std::unique_ptr<Dialect> dialect = NewOpenAiDialect();
  const std::unique_ptr<StreamDecoder> decoder = dialect->NewStreamDecoder(DecoderLimits{});
  model::StreamEvents events;
  for (auto _ : state) {
    events.clear();
    if (decoder->Feed(bytes, &events) || events.deltas.size() != 1) std::abort();
    benchmark::DoNotOptimize(events.deltas.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}

void BM_OpenAiStreamChunk(benchmark::State& state) {
  Decode(state, Chunk(static_cast<size_t>(state.range(0))));
}
BENCHMARK(BM_OpenAiStreamChunk)->Arg(20)->Arg(300)->Arg(4000);

// 300 bytes on the wire, the line end included.
constexpr size_t kChunkBytes = 300;

void BM_OpenAiChunkOf300Bytes(benchmark::State& state) {
  const std::string bytes = Chunk(kChunkBytes - Chunk(0).size());
  if (bytes.size() != kChunkBytes) std::abort();
  Decode(state, bytes);
}
BENCHMARK(BM_OpenAiChunkOf300Bytes);

// The same length, with a text of Chinese and of what JSON escapes.
void BM_OpenAiChunkOf300BytesMixed(benchmark::State& state) {
  std::string content = R"(\n\"\u4e00\")";
  const size_t room = kChunkBytes - Chunk(0).size();
  while (content.size() + 3 <= room) content += "\u4f60";
  content.resize(room, '.');
  Decode(state, ChunkWith(content));
}
BENCHMARK(BM_OpenAiChunkOf300BytesMixed);

}  // namespace
}  // namespace pingti::providers::openai
