// Questions about texts that several layers ask: is it UTF-8, and which known name was meant.
//
// Pure functions, safe on any thread. All of them take any bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pingti::base {

// Names longer than this, in bytes, are near to nothing: the cost of comparing stays bounded.
inline constexpr size_t kComparedNameBytesMax = 256;

// True if `text` is well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing past
// U+10FFFF). U+0000 is well-formed.
bool IsValidUtf8(std::string_view text);

// Least number of bytes to insert, remove or replace that makes `a` of `b` (Levenshtein). Takes
// |a| x |b| steps, so bound what you pass.
size_t EditDistance(std::string_view a, std::string_view b);

// The names that are likely to have been meant by `name`: at most `count_max` of those that differ
// by no more than a third of its length (at least 2) or that begin with it, the nearest first and
// in the order of `names` where they are equally near. Upper and lower case count as equal.
std::vector<std::string> NearestNames(std::string_view name, std::span<const std::string> names,
                                      size_t count_max);
std::vector<std::string> NearestNames(std::string_view name,
                                      std::span<const std::string_view> names, size_t count_max);

// How many of them a message names.
inline constexpr size_t kNearNamesMax = 3;

}  // namespace pingti::base
