#include "tests/integration/fault_check.h"

#include <gmock/gmock.h>

#include <string_view>
#include <utility>

namespace pingti::integration {
namespace {

using client::Error;
using testing::HasSubstr;
using testing::Not;

template <typename Calls>
std::string LinesOf(const Calls& calls) {
  std::string lines;
  int index = 0;
  for (const v1::ToolCall& call : calls) {
    lines += std::to_string(index++) + " " + call.id() + " " + call.name() + " " +
             call.arguments_json() + "\n";
  }
  return lines;
}

CallEnd EndOf(Streamed all) {
  CallEnd end;
  end.error = all.error;
  end.finished = all.finished.has_value();
  end.request_id = end.finished ? all.start.request_id() : all.error.request_id;
  end.text = all.text();
  end.calls = LinesOf(all.tool_calls[0]);
  if (!end.finished) return end;
  end.finish = all.finished->choices(0).finish_reason();
  end.usage = all.finished->usage();
  end.served_by = all.finished->served_by();
  return end;
}

std::string In(const Error& error, const char* key) {
  const auto value = error.metadata.find(key);
  return value == error.metadata.end() ? "" : value->second;
}

}  // namespace

CallEnd CallOnce(const client::Client& client, const v1::CompletionSpec& spec, bool stream) {
  if (stream) return EndOf(ReadAll(client.Stream(spec)));
  const auto answer = client.Generate(spec);
  CallEnd end;
  end.finished = answer.ok();
  if (!answer.ok()) {
    end.error = answer.error();
    end.request_id = end.error.request_id;
    return end;
  }
  const v1::Choice& choice = answer->choices(0);
  end.request_id = answer->request_id();
  end.text = choice.text();
  end.calls = LinesOf(choice.tool_calls());
  end.finish = choice.finish_reason();
  end.usage = answer->usage();
  end.served_by = answer->served_by();
  return end;
}

void FaultCheck::Expect(const Want& want, const v1::CompletionSpec& spec, bool stream,
                        const std::string& answer, const Seen& seen) {
  provider_.Reset();
  const Metrics before = server_.Scrape();
  const CallEnd end = CallOnce(client_, spec, stream);
  ASSERT_FALSE(end.request_id.empty()) << end.error.message;
  const rapidjson::Document record = server_.AccessRecord(end.request_id);
  ASSERT_TRUE(record.HasMember("attempts"));
  EXPECT_EQ(record["attempts"].Size(), 1u);
  EXPECT_EQ(provider_.Requests().Size(), seen.requests);
  const Metrics after = server_.Scrape();
  auto more = [&](const char* name) { return after.Sum(name) - before.Sum(name); };
  EXPECT_EQ(more("pingti_quota_admitted_total"), 1);
  EXPECT_EQ(after.Sum("pingti_quota_reservations_open"), 0);
  const double settled = more("pingti_quota_settled_tokens_total");
  if (want.cause[0] == '\0') {
    EXPECT_STREQ(record["code"].GetString(), "OK");
    EXPECT_EQ(settled, static_cast<double>(end.tokens()));
    ExpectComplete(want, end, answer);
  } else {
    ExpectFailure(want, end, answer, seen.provider);
    EXPECT_EQ(end.error.answer_started, want.content && stream);
    Want part = want;
    part.content = want.content && stream;
    ExpectPaid(part, end.error, record, settled);
  }
}

void FaultCheck::ExpectComplete(const Want& want, const CallEnd& end, const std::string& answer) {
  EXPECT_TRUE(end.error.ok()) << end.error.message;
  EXPECT_TRUE(end.finished);
  EXPECT_EQ(end.finish, want.finish);
  EXPECT_EQ(end.calls, want.calls);
  const bool whole = want.finish == v1::FINISH_REASON_STOP;
  EXPECT_EQ(end.text, want.text != nullptr ? want.text : whole ? answer : "");
}

void FaultCheck::ExpectFailure(const Want& want, const CallEnd& end, const std::string& answer,
                               const char* provider) {
  const Error& error = end.error;
  EXPECT_EQ(error.code, want.code) << error.message;
  EXPECT_EQ(error.reason, want.reason);
  EXPECT_EQ(In(error, "cause"), want.cause);
  EXPECT_EQ(In(error, "provider"), provider);
  EXPECT_THAT(error.message, Not(HasSubstr("SIMULATED-HTML-BODY")));
  EXPECT_THAT(error.message, Not(HasSubstr("<")));
  EXPECT_FALSE(end.finished);
  EXPECT_EQ(!end.text.empty(), error.answer_started);
  EXPECT_TRUE(std::string_view(answer).starts_with(end.text));
  if (want.wait < Millis(0)) return;
  ASSERT_TRUE(error.retry_delay);
  EXPECT_LE(*error.retry_delay, want.wait);
  EXPECT_GE(*error.retry_delay, want.wait - Millis(want.by_date ? 2'000 : 0));
}

void FaultCheck::ExpectPaid(const Want& want, const Error& error, const rapidjson::Document& record,
                            double settled) {
  EXPECT_EQ(record.HasMember("usage"), want.content);
  if (!want.content || !record.HasMember("usage")) {
    EXPECT_EQ(settled, 0);
    return;
  }
  // What was delivered is counted, as a lower bound: nothing is given back.
  EXPECT_EQ(In(error, "usage_source"), "counted");
  EXPECT_GT(std::stoll(In(error, "output_tokens")), 0);
  EXPECT_GE(settled, record["usage"]["output_tokens"].GetDouble());
  EXPECT_TRUE(record["usage"]["lower_bound"].GetBool());
}

}  // namespace pingti::integration
