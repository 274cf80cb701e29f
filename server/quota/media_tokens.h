// Tokens of what a message holds beside text: images, sounds, files.
//
// Pure functions. What a provider fetches itself (a URL, the id of a file) we cannot see; it counts
// as something usual, never as nothing.
#pragma once

#include <cstdint>

#include "server/model/completion.h"
#include "server/quota/image_size.h"

namespace pingti::quota {

inline constexpr int64_t kTokensLowDetailImage = 85;
inline constexpr int64_t kTokensUnknownImage = 765;   // as 1024 x 1024
inline constexpr int64_t kTokensUnknownFile = 1'500;  // as a page of text and its picture

// OpenAI's rule (platform.openai.com/docs/guides/images-vision, for gpt-4o): scaled down to fit
// into 2048 x 2048, then until the shorter side is 768; 170 for each tile of 512 x 512 and 85.
int64_t HighDetailTokens(ImageSize size);

// Low detail 85; else by its size as above; 765 where that cannot be told.
int64_t ImageTokens(const model::Image& image);

// 10 a second: by the byte rate that a WAV file names, else 1,600 bytes each, which is 128 kbit/s.
int64_t AudioTokens(const model::Audio& audio);

// Text by its characters; any other (a PDF becomes text and pictures of its pages) 1 for each 16
// bytes, which is 1,500 to 3,000 for the usual page.
int64_t FileTokens(const model::File& file);

}  // namespace pingti::quota
