// How many tokens a text is, without the tokenizer of its model.
//
// Byte-pair encoders cut a text into words, numbers and runs of signs and then merge the frequent
// ones; so tokens are nearly a weighted sum of a few counts that one pass over the bytes yields.
// The weights are a least-squares fit against the two encodings of OpenAI, o200k_base and
// cl100k_base, half way between them, over 1,500-character pieces of prose, code and data in 13
// languages. Estimated over real tokens, for o200k_base and cl100k_base:
//
//   English                   0.98-1.09, the same    Chinese              0.94-1.22, 0.71-0.98
//   C++, Python               1.08-1.16, the same    Japanese             1.19-1.27, 0.93-0.98
//   shell, CMake, JS, HTML    0.93-1.02, the same    Korean               1.15-1.23, 0.86-0.90
//   JSON, YAML, CSV, logs     0.89-1.02, the same    Russian              1.35-1.59, 0.98-1.02
//   base64, hex, numbers      0.90-1.11, the same    Polish, Turkish      0.86-0.94, 0.72-0.77
//   German, French            0.97-1.05, 0.82-0.96   Arabic, Thai, Hindi  1.12-1.78, 0.56-0.81
//
// Code needs no case of its own: what sets it apart (many signs in runs, indented lines, names in
// camel case) is what is counted. What remains is per model and learned (input_factor.h).
//
// Pure functions and a value type; any bytes are a text, no byte is read twice.
#pragma once

#include <cstdint>
#include <string_view>

namespace pingti::quota {

// Counts the tokens of a text that comes in pieces; they count as the whole would, however it was
// cut. Value type.
class TokenCounter {
 public:
  void Add(std::string_view piece);

  // Rounded to the nearest, but at least 1 for a text that is not only single spaces.
  int64_t tokens() const;

 private:
  int64_t hundredths_ = 0;
  uint32_t trail_ = 0;  // kinds of the bytes so far, the last in the lowest bits
};

// Linear in its bytes: two loads and two additions for each.
int64_t EstimateTextTokens(std::string_view text);

}  // namespace pingti::quota
