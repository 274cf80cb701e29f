#include "server/quota/image_size.h"

#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "server/base/strings.h"

namespace pingti::quota {
namespace {

std::string BigEndian(int64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  return out;
}

std::string LittleEndian(int64_t value, int bytes) {
  const std::string big = BigEndian(value, bytes);
  return {big.rbegin(), big.rend()};
}

std::string Png(int64_t width, int64_t height) {
  return "\x89PNG\r\n\x1a\n" + BigEndian(13, 4) + "IHDR" + BigEndian(width, 4) +
         BigEndian(height, 4) + "\x08\x06";
}

std::string Gif(int64_t width, int64_t height) {
  return "GIF89a" + LittleEndian(width, 2) + LittleEndian(height, 2);
}

std::string Segment(int marker, const std::string& body) {
  return BigEndian(0xff00 | marker, 2) + BigEndian(static_cast<int64_t>(body.size()) + 2, 2) + body;
}

// With what a camera writes before the frame header.
std::string Jpeg(int64_t width, int64_t height, int frame_marker = 0xc0) {
  return "\xff\xd8" + Segment(0xe0, "JFIF-stuff") + Segment(0xe1, std::string(60'000, '\xff')) +
         "\xff\xff" + Segment(0xc4, "tables") +
         Segment(frame_marker, "\x08" + BigEndian(height, 2) + BigEndian(width, 2) + "\x03") +
         Segment(0xda, "scan");
}

std::string WebPOf(const std::string& chunk) {
  return "RIFF" + LittleEndian(100, 4) + "WEBP" + chunk;
}

std::string LossyWebP(int64_t width, int64_t height) {
  return WebPOf("VP8 " + LittleEndian(50, 4) + std::string(3, '\x01') + "\x9d\x01\x2a" +
                LittleEndian(width | 0x4000, 2) + LittleEndian(height | 0x8000, 2));
}

std::string LosslessWebP(int64_t width, int64_t height) {
  return WebPOf("VP8L" + LittleEndian(50, 4) + "\x2f" +
                LittleEndian((width - 1) | (height - 1) << 14, 4));
}

std::string ExtendedWebP(int64_t width, int64_t height) {
  return WebPOf("VP8X" + LittleEndian(10, 4) + std::string(4, '\x10') + LittleEndian(width - 1, 3) +
                LittleEndian(height - 1, 3));
}

std::vector<std::string> OneOfEach(int64_t width, int64_t height) {
  return {Png(width, height),       Gif(width, height),          Jpeg(width, height),
          LossyWebP(width, height), LosslessWebP(width, height), ExtendedWebP(width, height)};
}

std::string DataUrl(std::string_view bytes) {
  std::string encoded;
  absl::Base64Escape(base::AbslView(bytes), &encoded);
  return "data:image/png;base64," + encoded;
}

TEST(ImageSizeTest, ReadsEveryFormat) {
  for (const std::string& image : OneOfEach(1'920, 1'081)) {
    EXPECT_EQ(ReadImageSize(image), (ImageSize{1'920, 1'081})) << image.substr(0, 16);
    EXPECT_EQ(ReadImageSize(image + "more"), (ImageSize{1'920, 1'081})) << image.substr(0, 16);
  }
}

TEST(ImageSizeTest, ReadsTheLargestThatEachFormatCanSay) {
  EXPECT_EQ(ReadImageSize(Png(0xffffffff, 1)), (ImageSize{0xffffffff, 1}));
  EXPECT_EQ(ReadImageSize(Gif(65'535, 65'535)), (ImageSize{65'535, 65'535}));
  EXPECT_EQ(ReadImageSize(Jpeg(65'535, 65'535)), (ImageSize{65'535, 65'535}));
  EXPECT_EQ(ReadImageSize(LossyWebP(16'383, 16'383)), (ImageSize{16'383, 16'383}));
  EXPECT_EQ(ReadImageSize(LosslessWebP(16'384, 16'384)), (ImageSize{16'384, 16'384}));
  EXPECT_EQ(ReadImageSize(ExtendedWebP(1 << 24, 1 << 24)), (ImageSize{1 << 24, 1 << 24}));
}

TEST(ImageSizeTest, KnowsEveryFrameOfAJpeg) {
  for (int marker = 0xc0; marker <= 0xcf; ++marker) {
    const bool frame = marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    EXPECT_EQ(ReadImageSize(Jpeg(640, 480, marker)).has_value(), frame) << marker;
  }
}

// On the heap and without a byte to spare, so that a sanitizer sees the first one too many.
TEST(ImageSizeTest, KnowsNothingOfAnImageThatIsCutShort) {
  for (const std::string& image : OneOfEach(33, 44)) {
    size_t needed = 0;
    for (size_t size = 0; size <= image.size(); ++size) {
      const auto copy = std::make_unique<char[]>(size);
      image.copy(copy.get(), size);
      const auto read = ReadImageSize(std::string_view(copy.get(), size));
      if (needed == 0 && read.has_value()) needed = size;
      ASSERT_EQ(read.has_value(), needed > 0) << image.substr(0, 16) << " at " << size;
    }
    EXPECT_GT(needed, 9u) << image.substr(0, 16);
  }
}

TEST(ImageSizeTest, RefusesNonsense) {
  EXPECT_EQ(ReadImageSize(Png(0, 5)), std::nullopt);
  EXPECT_EQ(ReadImageSize(Gif(5, 0)), std::nullopt);
  EXPECT_EQ(ReadImageSize(Jpeg(0, 0)), std::nullopt);
  EXPECT_EQ(ReadImageSize("<svg width=\"5\" height=\"5\"/>"), std::nullopt);
  EXPECT_EQ(ReadImageSize("RIFF1234WAVEfmt 123456789012345"), std::nullopt);
  EXPECT_EQ(ReadImageSize(WebPOf("VP8 " + std::string(40, 'x'))), std::nullopt);
  const std::string start = "\xff\xd8\xff";
  EXPECT_EQ(ReadImageSize(start + std::string("\xe0\x00\x01", 3) + std::string(90, '\xff')),
            std::nullopt);  // a segment shorter than its own length
  EXPECT_EQ(ReadImageSize(start + std::string("\xe0\xff\xff", 3) + "x"), std::nullopt);
  EXPECT_EQ(ReadImageSize(start + "\xd9" + Jpeg(5, 5).substr(2)), std::nullopt);
}

TEST(ImageSizeTest, LooksAtABoundedNumberOfSegments) {
  std::string many = "\xff\xd8";
  for (int i = 0; i < 1'000'000; ++i) many += std::string("\xff\xe0\x00\x02", 4);
  many += Jpeg(5, 5).substr(2);
  EXPECT_EQ(ReadImageSize(many), std::nullopt);
  std::string fill = "\xff\xd8";
  fill.resize(10'000'000, '\xff');
  EXPECT_EQ(ReadImageSize(fill), std::nullopt);
}

TEST(ImageSizeTest, SurvivesAnyBytes) {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    const auto images = OneOfEach(100, 200);
    std::string image = images[random() % images.size()].substr(0, 1 + random() % 400);
    for (int i = 0; i < 4; ++i) image[random() % image.size()] = static_cast<char>(random());
    const auto copy = std::make_unique<char[]>(image.size());
    image.copy(copy.get(), image.size());
    if (const auto size = ReadImageSize(std::string_view(copy.get(), image.size()))) {
      ASSERT_GE(size->width, 1);
      ASSERT_GE(size->height, 1);
      ASSERT_EQ(ReadImageSizeOfDataUrl(DataUrl(image)), size);
    }
  }
}

TEST(ImageSizeOfDataUrlTest, ReadsEveryFormat) {
  for (const std::string& image : OneOfEach(1'920, 1'081)) {
    EXPECT_EQ(ReadImageSizeOfDataUrl(DataUrl(image)), (ImageSize{1'920, 1'081}))
        << image.substr(0, 16);
  }
  std::string encoded;
  absl::WebSafeBase64Escape(Png(255, 1'023), &encoded);
  EXPECT_EQ(ReadImageSizeOfDataUrl("DATA:image/jpeg;x=y;BASE64," + encoded),
            (ImageSize{255, 1'023}));
}

TEST(ImageSizeOfDataUrlTest, KnowsNothingOfOneThatIsCutShort) {
  const std::string url = DataUrl(Png(255, 1'023));
  const size_t needed = url.find(',') + 1 + 32;  // 24 bytes
  for (size_t size = 0; size <= url.size(); ++size) {
    const auto copy = std::make_unique<char[]>(size);
    url.copy(copy.get(), size);
    ASSERT_EQ(ReadImageSizeOfDataUrl(std::string_view(copy.get(), size)).has_value(),
              size >= needed)
        << size;
  }
}

TEST(ImageSizeOfDataUrlTest, RefusesWhatIsNoBase64) {
  EXPECT_EQ(ReadImageSizeOfDataUrl("https://example.com/a.png;base64,iVBORw0KGgo"), std::nullopt);
  EXPECT_EQ(ReadImageSizeOfDataUrl("data:image/png," + Png(5, 5)), std::nullopt);
  EXPECT_EQ(ReadImageSizeOfDataUrl("data:image/png;base64"), std::nullopt);
  EXPECT_EQ(ReadImageSizeOfDataUrl("data:image/png;base64," + std::string(100, '%')), std::nullopt);
  std::string url = DataUrl(Png(5, 5));
  url[url.find(',') + 25] = ' ';
  EXPECT_EQ(ReadImageSizeOfDataUrl(url), std::nullopt);
}

}  // namespace
}  // namespace pingti::quota
