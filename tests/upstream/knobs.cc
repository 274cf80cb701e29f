#include "tests/upstream/knobs.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "server/base/strings.h"
#include "tests/upstream/errors.h"
#include "tests/upstream/faults.h"

namespace pingti::upstream {
namespace {

using ShapeField = std::optional<UsageShape> Knobs::*;
using Field = std::variant<double Knobs::*, int64_t Knobs::*, bool Knobs::*, std::string Knobs::*,
                           ShapeField>;

struct KnobRow {
  std::string_view name;
  Field field;
  double max;  // of a number; of a text: its length
  std::string_view help;
};

constexpr double kMsMax = 600'000;
constexpr double kTextMax = 128;

const KnobRow kKnobs[] = {
    {"latency_ms", &Knobs::latency_ms, kMsMax, "wait before the header"},
    {"first_token_ms", &Knobs::first_token_ms, kMsMax,
     "wait before the first content; unary: before the body"},
    {"chunk_interval_ms", &Knobs::chunk_interval_ms, kMsMax, "time between content chunks"},
    {"tokens_per_second", &Knobs::tokens_per_second, 1e6, "pace by size instead"},
    {"trickle_ms", &Knobs::trickle_ms, kMsMax, "fault 22: time between bytes"},
    {"ping_ms", &Knobs::ping_ms, kMsMax, "fault 5: longest silence between pings"},
    {"chunks", &Knobs::chunks, static_cast<double>(kChunksMax), "content chunks of a stream"},
    {"chunk_bytes", &Knobs::chunk_bytes, 1 << 20, "bytes of content per chunk"},
    {"output_tokens", &Knobs::output_tokens, 4'000'000, "size of the answer in tokens"},
    {"segment_bytes", &Knobs::segment_bytes, 1 << 20, "most bytes per send()"},
    {"fail_times", &Knobs::fail_times, 1e6, "fault/status for the first N requests of `key`"},
    {"fail_every", &Knobs::fail_every, 1e6, "fault/status for every Nth request only"},
    {"rpm", &Knobs::rpm, 1e9, "requests per minute per API key"},
    {"tpm", &Knobs::tpm, 1e12, "tokens per minute per API key"},
    {"send_time", &Knobs::send_time, 1, "content is t=<monotonic ns>;..."},
    {"canned", &Knobs::canned, 1, "prebuilt answer, for load"},
    {"reasoning", &Knobs::reasoning, 1, "reasoning_content before the content"},
    {"citations", &Knobs::citations, 1, "quote, as Yi-Large-RAG"},
    {"usage_shape", &Knobs::usage_shape, 0,
     "openai|finish_chunk|choice|every_chunk|none|zero|null_then_real|prompt_zero|doubtful"},
    {"voice", &Knobs::voice, kTextMax, "the answer is `<voice>/<user>/<n> ...`"},
    {"fault", &Knobs::fault, kTextMax, "a fault of the list below"},
    {"status", &Knobs::status, kTextMax, "an error of the list below"},
    {"key", &Knobs::key, kTextMax, "what fail_times counts by"},
    {"retry_after", &Knobs::retry_after, kTextMax, "Retry-After of an error, verbatim"},
    {"retry_after_ms", &Knobs::retry_after_ms, kTextMax, "retry-after-ms of an error, verbatim"},
};

constexpr std::pair<std::string_view, UsageShape> kShapes[] = {
    {"openai", UsageShape::kOpenAi},
    {"finish_chunk", UsageShape::kFinishChunk},
    {"choice", UsageShape::kChoice},
    {"every_chunk", UsageShape::kEveryChunk},
    {"none", UsageShape::kNone},
    {"zero", UsageShape::kZero},
    {"null_then_real", UsageShape::kNullThenReal},
    {"prompt_zero", UsageShape::kPromptZero},
    {"doubtful", UsageShape::kDoubtful},
};

bool Assign(double Knobs::* field, std::string_view value, double max, Knobs* knobs) {
  double number = 0;
  if (!absl::SimpleAtod(base::AbslView(value), &number)) return false;
  if (!std::isfinite(number) || number < 0 || number > max) return false;
  knobs->*field = number;
  return true;
}

bool Assign(int64_t Knobs::* field, std::string_view value, double max, Knobs* knobs) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(base::AbslView(value), &number)) return false;
  if (number < 0 || static_cast<double>(number) > max) return false;
  knobs->*field = number;
  return true;
}

bool Assign(bool Knobs::* field, std::string_view value, double /*max*/, Knobs* knobs) {
  return absl::SimpleAtob(base::AbslView(value), &(knobs->*field));
}

// Texts may go into headers, so nothing that ends a line may be in them.
bool Assign(std::string Knobs::* field, std::string_view value, double max, Knobs* knobs) {
  if (static_cast<double>(value.size()) > max) return false;
  if (std::any_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x20; })) {
    return false;
  }
  knobs->*field = std::string(value);
  return true;
}

bool Assign(ShapeField field, std::string_view value, double /*max*/, Knobs* knobs) {
  for (const auto& [name, shape] : kShapes) {
    if (name == value) {
      knobs->*field = shape;
      return true;
    }
  }
  return false;
}

}  // namespace

absl::Status SetKnob(std::string_view name, std::string_view value, Knobs* knobs) {
  std::string wanted =
      absl::StrReplaceAll(absl::AsciiStrToLower(base::AbslView(name)), {{"-", "_"}});
  auto row = std::find_if(std::begin(kKnobs), std::end(kKnobs),
                          [&](const KnobRow& each) { return each.name == wanted; });
  if (row == std::end(kKnobs)) {
    return absl::InvalidArgumentError(base::StrCat("no such knob: '", wanted, "'"));
  }
  bool good =
      std::visit([&](auto field) { return Assign(field, value, row->max, knobs); }, row->field);
  if (wanted == "fault" && !value.empty()) good = good && FindFault(value) != nullptr;
  if (wanted == "status" && !value.empty()) good = good && FindError(value) != nullptr;
  if (!good) {
    return absl::InvalidArgumentError(
        base::StrCat("bad value for knob ", wanted, ": '", value, "'"));
  }
  return absl::OkStatus();
}

absl::Status SetKnobList(std::string_view list, Knobs* knobs) {
  for (absl::string_view pair : absl::StrSplit(base::AbslView(list), ',', absl::SkipWhitespace())) {
    std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(pair, absl::MaxSplits('=', 1));
    absl::string_view name = absl::StripAsciiWhitespace(parts.first);
    absl::string_view value = absl::StripAsciiWhitespace(parts.second);
    absl::Status set = SetKnob({name.data(), name.size()}, {value.data(), value.size()}, knobs);
    if (!set.ok()) return set;
  }
  return absl::OkStatus();
}

absl::Status CheckKnobs(const Knobs& knobs, int64_t choices) {
  int64_t chunk_bytes = std::max<int64_t>(knobs.chunk_bytes, 32);
  int64_t bytes = std::max(knobs.chunks * chunk_bytes, knobs.output_tokens * 4);
  if (bytes * choices > kAnswerBytesMax || knobs.chunks * choices > kChunksMax) {
    return absl::InvalidArgumentError(base::StrCat("an answer may have ", kAnswerBytesMax,
                                                   " bytes and ", kChunksMax, " chunks at most"));
  }
  return absl::OkStatus();
}

std::string KnobsKey(const Knobs& knobs) {
  std::string key;
  for (const KnobRow& row : kKnobs) {
    std::visit(
        [&](auto field) {
          if constexpr (std::is_same_v<decltype(field), ShapeField>) {
            base::StrAppend(&key, (knobs.*field) ? static_cast<int>(*(knobs.*field)) : -1, "\n");
          } else {
            base::StrAppend(&key, knobs.*field, "\n");
          }
        },
        row.field);
  }
  return key;
}

std::string KnobHelp() {
  std::string help =
      "Knobs (header x-sim-<knob>, model `name+sim:a=b,c=d`, prompt `[sim:a=b]`, "
      "POST /sim/defaults):\n";
  for (const KnobRow& row : kKnobs) {
    base::StrAppend(&help, "  ", row.name,
                    std::string(row.name.size() < 20 ? 20 - row.name.size() : 1, ' '), row.help,
                    "\n");
  }
  return help;
}

}  // namespace pingti::upstream
