// The faults that the simulated provider commits on request: a table, one row per fault.
//
// A fault works on up to three stages of a reply: before the answer is made (knobs and style of the
// stream), on the events of a stream, and on the finished reply. To add one: a row and a function.
// Names are the numbers of the fault catalogue, with a letter or a word for its variants.
//
// The table is constant; the functions touch only what they are given.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/upstream/answer.h"
#include "tests/upstream/knobs.h"
#include "tests/upstream/reply.h"
#include "tests/upstream/sse.h"

namespace pingti::upstream {

struct FaultContext {
  const Answer& answer;
  const Knobs& knobs;
};

struct FaultRow {
  std::string_view name;
  std::string_view title;
  void (*prepare)(Knobs*, SseStyle*);
  void (*edit_events)(const FaultContext&, std::vector<Piece>*);  // streams only
  void (*edit_reply)(const FaultContext&, Reply*);
};

// Null where there is no such fault.
const FaultRow* FindFault(std::string_view name);

// The list in --help.
std::string FaultHelp();

}  // namespace pingti::upstream
