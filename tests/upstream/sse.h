// Server-sent events as bytes, in the good and the odd ways that providers write them.
//
// Pure functions.
#pragma once

#include <string>

#include "tests/upstream/reply.h"

namespace pingti::upstream {

struct SseStyle {
  enum class Newline { kLf, kCrLf, kCr, kMixed };
  Newline newline = Newline::kLf;
  int spaces = 1;           // after `data:`
  bool many_lines = false;  // each event over several data lines, with an empty one among them
};

// Turns the payload of an event into its lines. Raw pieces stay as they are.
void RenderSse(const SseStyle& style, Piece* piece);

}  // namespace pingti::upstream
