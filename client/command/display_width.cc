#include "client/command/display_width.h"

#include <algorithm>
#include <iterator>

#include "client/command/utf8.h"

namespace pingti::command {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// EastAsianWidth W and F, with the gaps inside the CJK blocks closed: what is not assigned there
// yet will be wide. Ordered.
constexpr Range kWide[] = {
    {0x1100, 0x115f},    // Hangul Jamo, initial consonants.
    {0x231a, 0x231b},    // Watch, hourglass.
    {0x2329, 0x232a},    // Angle brackets.
    {0x23e9, 0x23ec},    // Media buttons.
    {0x23f0, 0x23f0},    // Alarm clock.
    {0x23f3, 0x23f3},    // Hourglass.
    {0x25fd, 0x25fe},    // Small squares.
    {0x2614, 0x2615},    // Umbrella, hot beverage.
    {0x2648, 0x2653},    // Zodiac.
    {0x267f, 0x267f},    // Wheelchair.
    {0x2693, 0x2693},    // Anchor.
    {0x26a1, 0x26a1},    // High voltage.
    {0x26aa, 0x26ab},    // Circles.
    {0x26bd, 0x26be},    // Balls.
    {0x26c4, 0x26c5},    // Snowman, sun.
    {0x26ce, 0x26ce},    // Ophiuchus.
    {0x26d4, 0x26d4},    // No entry.
    {0x26ea, 0x26ea},    // Church.
    {0x26f2, 0x26f3},    // Fountain, golf.
    {0x26f5, 0x26f5},    // Sailboat.
    {0x26fa, 0x26fa},    // Tent.
    {0x26fd, 0x26fd},    // Fuel pump.
    {0x2705, 0x2705},    // Check mark.
    {0x270a, 0x270b},    // Hands.
    {0x2728, 0x2728},    // Sparkles.
    {0x274c, 0x274c},    // Cross mark.
    {0x274e, 0x274e},    // Cross mark in a box.
    {0x2753, 0x2755},    // Question marks.
    {0x2757, 0x2757},    // Exclamation mark.
    {0x2795, 0x2797},    // Arithmetic signs.
    {0x27b0, 0x27b0},    // Loop.
    {0x27bf, 0x27bf},    // Double loop.
    {0x2b1b, 0x2b1c},    // Large squares.
    {0x2b50, 0x2b50},    // Star.
    {0x2b55, 0x2b55},    // Circle.
    {0x2e80, 0x303e},    // CJK radicals, punctuation.
    {0x3041, 0x3247},    // Kana, Bopomofo, Hangul compatibility, enclosed CJK.
    {0x3250, 0x4dbf},    // Enclosed CJK, CJK extension A.
    {0x4e00, 0xa4cf},    // CJK unified ideographs, Yi.
    {0xa960, 0xa97f},    // Hangul Jamo extended A.
    {0xac00, 0xd7a3},    // Hangul syllables.
    {0xf900, 0xfaff},    // CJK compatibility ideographs.
    {0xfe10, 0xfe19},    // Vertical forms.
    {0xfe30, 0xfe6f},    // CJK compatibility forms, small forms.
    {0xff01, 0xff60},    // Full-width forms.
    {0xffe0, 0xffe6},    // Full-width signs.
    {0x16fe0, 0x18cff},  // Tangut, Khitan.
    {0x18d00, 0x18d8f},  // Tangut supplement.
    {0x1aff0, 0x1b2ff},  // Kana extensions, Nushu.
    {0x1f004, 0x1f004},  // Mahjong tile.
    {0x1f0cf, 0x1f0cf},  // Joker.
    {0x1f18e, 0x1f18e},  // AB button.
    {0x1f191, 0x1f19a},  // Squared words.
    {0x1f200, 0x1f320},  // Enclosed ideographs, weather.
    {0x1f32d, 0x1f335},  // Food, plants.
    {0x1f337, 0x1f37c},  // Plants, food.
    {0x1f37e, 0x1f393},  // Food, celebration.
    {0x1f3a0, 0x1f3ca},  // Entertainment, sport.
    {0x1f3cf, 0x1f3d3},  // Sport.
    {0x1f3e0, 0x1f3f0},  // Buildings.
    {0x1f3f4, 0x1f3f4},  // Black flag.
    {0x1f3f8, 0x1f43e},  // Sport, animals.
    {0x1f440, 0x1f440},  // Eyes.
    {0x1f442, 0x1f4fc},  // Body, people, objects.
    {0x1f4ff, 0x1f53d},  // Objects, buttons.
    {0x1f54b, 0x1f54e},  // Places of prayer.
    {0x1f550, 0x1f567},  // Clock faces.
    {0x1f57a, 0x1f57a},  // Man dancing.
    {0x1f595, 0x1f596},  // Hands.
    {0x1f5a4, 0x1f5a4},  // Black heart.
    {0x1f5fb, 0x1f64f},  // Places, faces, gestures.
    {0x1f680, 0x1f6c5},  // Transport.
    {0x1f6cc, 0x1f6cc},  // Person in bed.
    {0x1f6d0, 0x1f6d2},  // Signs.
    {0x1f6d5, 0x1f6df},  // Buildings, signs.
    {0x1f6eb, 0x1f6ef},  // Aeroplanes.
    {0x1f6f4, 0x1f6ff},  // Vehicles.
    {0x1f7e0, 0x1f7f0},  // Coloured circles and squares.
    {0x1f90c, 0x1f93a},  // Gestures, people.
    {0x1f93c, 0x1f945},  // Sport.
    {0x1f947, 0x1f9ff},  // Medals, food, animals, people.
    {0x1fa70, 0x1faff},  // Objects.
    {0x20000, 0x3fffd},  // CJK extensions B and later.
};

// Drawn over or into the character before them. Ordered. The scripts of the catalogue's speakers
// and the common marks; rarer scripts may be off by a column.
constexpr Range kZero[] = {
    {0x0000, 0x001f},    // Controls.
    {0x007f, 0x009f},    // Controls.
    {0x0300, 0x036f},    // Combining diacritics.
    {0x0483, 0x0489},    // Cyrillic marks.
    {0x0591, 0x05bd},    // Hebrew points.
    {0x05bf, 0x05bf},    // Hebrew rafe.
    {0x05c1, 0x05c2},    // Hebrew dots.
    {0x05c4, 0x05c5},    // Hebrew dots.
    {0x0610, 0x061a},    // Arabic signs.
    {0x064b, 0x065f},    // Arabic vowels.
    {0x0670, 0x0670},    // Arabic superscript alef.
    {0x06d6, 0x06dc},    // Koranic signs.
    {0x093a, 0x093a},    // Devanagari vowel sign.
    {0x093c, 0x093c},    // Devanagari nukta.
    {0x0941, 0x0948},    // Devanagari vowel signs.
    {0x094d, 0x094d},    // Devanagari virama.
    {0x0e31, 0x0e31},    // Thai vowel.
    {0x0e34, 0x0e3a},    // Thai vowels.
    {0x0e47, 0x0e4e},    // Thai tone marks.
    {0x1160, 0x11ff},    // Hangul Jamo, vowels and finals.
    {0x1ab0, 0x1aff},    // Combining diacritics extended.
    {0x1dc0, 0x1dff},    // Combining diacritics supplement.
    {0x200b, 0x200f},    // Zero-width space and joiners, direction marks.
    {0x202a, 0x202e},    // Direction embeddings.
    {0x2060, 0x206f},    // Word joiner, isolates.
    {0x20d0, 0x20ff},    // Combining marks for symbols.
    {0x302a, 0x302d},    // Ideographic tone marks.
    {0x3099, 0x309a},    // Kana voicing marks.
    {0xfe00, 0xfe0f},    // Variation selectors.
    {0xfe20, 0xfe2f},    // Combining half marks.
    {0xfeff, 0xfeff},    // Byte order mark.
    {0x1f3fb, 0x1f3ff},  // Skin tones.
    {0xe0001, 0xe01ef},  // Tags, variation selectors.
};

template <std::size_t N>
bool Contains(const Range (&ranges)[N], char32_t code) {
  const auto* after =
      std::upper_bound(std::begin(ranges), std::end(ranges), code,
                       [](char32_t value, const Range& range) { return value < range.first; });
  return after != std::begin(ranges) && code <= std::prev(after)->last;
}

}  // namespace

int DisplayWidth(char32_t code) {
  if (code >= 0x20 && code < 0x7f) return 1;
  if (Contains(kZero, code)) return 0;
  return Contains(kWide, code) ? 2 : 1;
}

int DisplayWidth(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const Utf8Char character = DecodeUtf8(text);
    width += character.valid ? DisplayWidth(character.code) : 1;
    text.remove_prefix(character.bytes);
  }
  return width;
}

}  // namespace pingti::command
