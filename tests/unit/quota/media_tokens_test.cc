#include "server/quota/media_tokens.h"

#include <string>

#include "gtest/gtest.h"

namespace pingti::quota {
namespace {

TEST(HighDetailTokensTest, CountsTilesAsOpenAiDoes) {
  // The examples of OpenAI's guide.
  EXPECT_EQ(HighDetailTokens({1'024, 1'024}), 85 + 4 * 170);  // 768 x 768
  EXPECT_EQ(HighDetailTokens({2'048, 4'096}), 85 + 6 * 170);  // 768 x 1,536
  EXPECT_EQ(HighDetailTokens({4'096, 8'192}), 85 + 6 * 170);
  // Not scaled up.
  EXPECT_EQ(HighDetailTokens({512, 512}), 85 + 170);
  EXPECT_EQ(HighDetailTokens({513, 1}), 85 + 2 * 170);
  EXPECT_EQ(HighDetailTokens({1, 1}), 85 + 170);
}

TEST(HighDetailTokensTest, IsBoundedForAnySize) {
  // The longest that is left: 2,048 x 768, which is 4 x 2 tiles.
  for (const int64_t width : {1LL, 700LL, 768LL, 5'000LL, 65'535LL, 0xffffffffLL}) {
    for (const int64_t height : {1LL, 700LL, 768LL, 5'000LL, 65'535LL, 0xffffffffLL}) {
      EXPECT_GE(HighDetailTokens({width, height}), 85 + 170) << width << " x " << height;
      EXPECT_LE(HighDetailTokens({width, height}), 85 + 8 * 170) << width << " x " << height;
    }
  }
  EXPECT_EQ(HighDetailTokens({2'048, 768}), 85 + 8 * 170);
}

// A GIF of 2,048 x 768.
const std::string kWide("GIF89a\x00\x08\x00\x03", 10);

TEST(ImageTokensTest, GoesByDetailAndSize) {
  model::Image image;
  image.data = kWide;
  EXPECT_EQ(ImageTokens(image), 1'445);
  image.detail = model::ImageDetail::kHigh;
  EXPECT_EQ(ImageTokens(image), 1'445);
  image.detail = model::ImageDetail::kLow;
  EXPECT_EQ(ImageTokens(image), 85);
}

TEST(ImageTokensTest, AssumesASquareWhereItCannotSee) {
  model::Image image;
  image.url = "https://example.com/a.png";
  EXPECT_EQ(ImageTokens(image), 765);
  image.url = "data:image/gif;base64,R0lGODlhAAgAAw==";  // kWide
  EXPECT_EQ(ImageTokens(image), 1'445);
  image.url.clear();
  image.data = "nothing known";
  EXPECT_EQ(ImageTokens(image), 765);
}

std::string Wav(uint32_t bytes_per_second, size_t size) {
  std::string wav = "RIFF....WAVEfmt ............";
  for (int i = 0; i < 4; ++i) wav.push_back(static_cast<char>(bytes_per_second >> (8 * i)));
  wav.resize(size, 'x');
  return wav;
}

TEST(AudioTokensTest, CountsTenASecond) {
  // A minute of 24 kHz in 16 bits.
  EXPECT_EQ(AudioTokens({Wav(48'000, 60 * 48'000), "wav"}), 600);
  // A minute of MP3 at 128 kbit/s.
  EXPECT_EQ(AudioTokens({std::string(60 * 16'000, 'x'), "mp3"}), 600);
  EXPECT_EQ(AudioTokens({"x", "mp3"}), 1);
}

TEST(AudioTokensTest, DoesNotBelieveEveryByteRate) {
  EXPECT_EQ(AudioTokens({Wav(0, 80'000), "wav"}), 100);             // as 8,000 a second
  EXPECT_EQ(AudioTokens({Wav(0xffffffff, 6'144'000), "wav"}), 10);  // as 6,144,000 a second
  EXPECT_EQ(AudioTokens({Wav(48'000, 32).substr(0, 31), "wav"}), 1);
}

TEST(FileTokensTest, CountsTextAsText) {
  model::File file;
  file.data = "the quick brown fox jumps";
  for (const char* type : {"text/plain", "TEXT/csv; charset=utf-8", "application/json",
                           "application/ld+json", "image/svg+xml"}) {
    file.media_type = type;
    EXPECT_EQ(FileTokens(file), 6) << type;
  }
}

TEST(FileTokensTest, CountsOthersByTheirBytes) {
  model::File file;
  file.data = std::string(40'001, 'x');
  file.media_type = "application/pdf";
  EXPECT_EQ(FileTokens(file), 2'501);
}

TEST(FileTokensTest, DoesNotSkipAFileThatTheProviderHas) {
  model::File file;
  file.file_id = "file-1";
  EXPECT_EQ(FileTokens(file), kTokensUnknownFile);
}

}  // namespace
}  // namespace pingti::quota
