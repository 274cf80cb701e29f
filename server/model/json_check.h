// Is a text JSON, and which members has an object? For fields that callers give as JSON text (tool
// schemas, provider fields) and that are passed on as they are.
//
// Strict RFC 8259: UTF-8 is validated, a byte order mark, NUL, comments, NaN and trailing text are
// refused, and so are escapes of half a surrogate pair and numbers beyond a double. Depth is
// bounded by kJsonDepthMax; neither function recurses. Problems are one phrase for people with the
// byte offset, for example `missing a name for object member at byte 12`.
//
// Thread-safety: free functions without state.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pingti::model {

// Deepest nesting of arrays and objects that is taken.
inline constexpr int kJsonDepthMax = 64;

// What is wrong with `json` as one JSON value; nothing where it is fine.
std::optional<std::string> JsonProblem(std::string_view json);

// Names of the members of the object `json`, unescaped, in order; or what is wrong with it, which
// includes that it is another value than an object and that a name occurs twice.
std::variant<std::vector<std::string>, std::string> JsonObjectMembers(std::string_view json);

}  // namespace pingti::model
