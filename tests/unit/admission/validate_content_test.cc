#include "server/admission/validate_content.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/admission/requests.h"

namespace pingti::admission {
namespace {

using model::Role;
using ::testing::ElementsAre;
using testing::Good;
using testing::Path;
using testing::Problems;
using testing::Say;
using testing::With;

model::Image ImageAt(std::string url) {
  model::Image image;
  image.url = std::move(url);
  return image;
}
model::Image ImageOf(std::string data, std::string media_type) {
  model::Image image;
  image.data = std::move(data);
  image.media_type = std::move(media_type);
  return image;
}
model::File FileOf(std::string data, std::string id, std::string name, std::string type = "") {
  return model::File{std::move(data), std::move(id), std::move(name), std::move(type)};
}

TEST(ValidateContentTest, APartWithoutContentIsRefused) {
  EXPECT_THAT(Problems(With(std::monostate())),
              ElementsAre("spec.messages[0].parts[0]: has no content; set one of text, image, "
                          "audio, file, reasoning"));
}

TEST(ValidateContentTest, AnEmptyTextIsRefused) {
  EXPECT_EQ(Path(With(model::Text{""})), "spec.messages[0].parts[0].text");
  EXPECT_EQ(Path(With(model::Reasoning{""}, Role::kAssistant)),
            "spec.messages[0].parts[0].reasoning");
}

TEST(ValidateContentTest, NamesTheMessageAndThePart) {
  model::CompletionRequest request = Good();
  request.messages.push_back(Say(Role::kAssistant, model::Text{"hi"}));
  request.messages.push_back(Say(Role::kUser, model::Text{"a"}));
  request.messages[2].parts.push_back(model::Text{""});
  EXPECT_EQ(Path(request), "spec.messages[2].parts[1].text");
}

TEST(ValidateContentTest, AMessageNeedsARole) {
  model::CompletionRequest request = Good();
  request.messages[0].role.reset();
  EXPECT_EQ(Path(request), "spec.messages[0].role");
}

TEST(ValidateContentTest, AMessageNeedsContent) {
  model::CompletionRequest request = Good();
  request.messages[0].parts.clear();
  EXPECT_EQ(Path(request), "spec.messages[0]");
}

TEST(ValidateContentTest, AMessageHasABoundOnItsParts) {
  model::CompletionRequest request = Good();
  request.messages[0].parts.assign(1024, model::Text{"x"});
  EXPECT_EQ(Path(request), "(none)");
  request.messages[0].parts.push_back(model::Text{"x"});
  EXPECT_EQ(Path(request), "spec.messages[0].parts");
}

TEST(ValidateContentTest, ANameHasABound) {
  model::CompletionRequest request = Good();
  request.messages[0].name = std::string(64, 'n');
  EXPECT_EQ(Path(request), "(none)");
  request.messages[0].name += "n";
  EXPECT_EQ(Path(request), "spec.messages[0].name");
}

TEST(ValidateContentTest, PicturesSoundsAndFilesAreForUsers) {
  for (const Role role : {Role::kSystem, Role::kDeveloper, Role::kAssistant}) {
    EXPECT_EQ(Path(With(ImageAt("https://example.com/a.png"), role)),
              "spec.messages[0].parts[0].image");
    EXPECT_EQ(Path(With(model::Audio{"x", "wav"}, role)), "spec.messages[0].parts[0].audio");
    EXPECT_EQ(Path(With(FileOf("", "file-1", ""), role)), "spec.messages[0].parts[0].file");
  }
}

TEST(ValidateContentTest, ReasoningIsForAssistants) {
  EXPECT_EQ(Path(With(model::Reasoning{"hm"}, Role::kAssistant)), "(none)");
  EXPECT_EQ(Path(With(model::Reasoning{"hm"})), "spec.messages[0].parts[0].reasoning");
}

TEST(ValidateContentTest, AnImageNeedsASource) {
  EXPECT_EQ(Path(With(model::Image())), "spec.messages[0].parts[0].image");
}

TEST(ValidateContentTest, AnImageUrlHasASchemeAndABound) {
  for (const char* good :
       {"https://example.com/a.png", "http://10.0.0.1/a", "data:image/png;base64,AA=="}) {
    EXPECT_EQ(Path(With(ImageAt(good))), "(none)") << good;
  }
  for (const char* bad : {"file:///etc/passwd", "ftp://example.com/a", "example.com/a.png",
                          " https://example.com", "javascript:alert(1)"}) {
    EXPECT_EQ(Path(With(ImageAt(bad))), "spec.messages[0].parts[0].image.url") << bad;
  }
  const std::string head = "https://example.com/";
  EXPECT_EQ(Path(With(ImageAt(head + std::string(8192 - head.size(), 'a')))), "(none)");
  EXPECT_EQ(Path(With(ImageAt(head + std::string(8193 - head.size(), 'a')))),
            "spec.messages[0].parts[0].image.url");
}

TEST(ValidateContentTest, AnImageOverTheLimitIsRefused) {
  config::Limits limits;
  limits.image_bytes_max = 1'000;
  EXPECT_EQ(Path(With(ImageOf(std::string(1'000, 'x'), "image/png")), limits), "(none)");
  EXPECT_THAT(Problems(With(ImageOf(std::string(1'001, 'x'), "image/png")), limits),
              ElementsAre("spec.messages[0].parts[0].image.data: has 1001 bytes; at most 1000"));
}

TEST(ValidateContentTest, AnImageInAUrlHasTheSameLimit) {
  config::Limits limits;
  limits.image_bytes_max = 3'000;
  const std::string head = "data:image/png;base64,";
  EXPECT_EQ(Path(With(ImageAt(head + std::string(4'000, 'A'))), limits), "(none)");
  EXPECT_EQ(Path(With(ImageAt(head + std::string(4'400, 'A'))), limits),
            "spec.messages[0].parts[0].image.url");
}

TEST(ValidateContentTest, AnImageByValueNeedsItsMediaType) {
  for (const char* bad : {"", "png", "text/plain", "image/png; charset=x", "image/png\r\nx: 1",
                          "image/p ng", "image/png,text/html"}) {
    EXPECT_EQ(Path(With(ImageOf("x", bad))), "spec.messages[0].parts[0].image.media_type") << bad;
  }
  EXPECT_EQ(Path(With(ImageOf("x", "image/svg+xml"))), "(none)");
}

TEST(ValidateContentTest, ASoundNeedsBytesAndAKnownFormat) {
  EXPECT_EQ(Path(With(model::Audio{"x", "wav"})), "(none)");
  EXPECT_EQ(Path(With(model::Audio{"x", "mp3"})), "(none)");
  EXPECT_EQ(Path(With(model::Audio{"", "wav"})), "spec.messages[0].parts[0].audio.data");
  EXPECT_EQ(Path(With(model::Audio{"x", "ogg"})), "spec.messages[0].parts[0].audio.format");
}

TEST(ValidateContentTest, AFileNeedsASourceAndAName) {
  EXPECT_EQ(Path(With(FileOf("", "file-1", ""))), "(none)");
  EXPECT_EQ(Path(With(FileOf("x", "", "a.pdf"))), "(none)");
  EXPECT_EQ(Path(With(FileOf("x", "", "a.pdf", "application/pdf"))), "(none)");
  EXPECT_EQ(Path(With(FileOf("", "", "a.pdf"))), "spec.messages[0].parts[0].file");
  EXPECT_EQ(Path(With(FileOf("x", "", ""))), "spec.messages[0].parts[0].file.filename");
  EXPECT_EQ(Path(With(FileOf("x", "", "a.pdf", "application/pdf;x"))),
            "spec.messages[0].parts[0].file.media_type");
}

TEST(ValidateContentTest, ToolCallsAreForAssistantsAndNeedNameAndId) {
  model::CompletionRequest request = Good();
  request.messages.push_back(model::Message());
  model::Message& called = request.messages[1];
  called.role = Role::kAssistant;
  called.tool_calls = {{"call-1", "find", "not checked"}};
  EXPECT_EQ(Path(request), "(none)");
  called.tool_calls.push_back({"", "two words", "{}"});
  EXPECT_EQ(Path(request), "spec.messages[1].tool_calls[1].name spec.messages[1].tool_calls[1].id");
  called.tool_calls.pop_back();
  called.role = Role::kUser;
  EXPECT_EQ(Path(request), "spec.messages[1].tool_calls");
}

TEST(ValidateContentTest, AToolResultNamesItsCall) {
  EXPECT_EQ(Path(With(model::Text{"42"}, Role::kTool)), "spec.messages[0].tool_call_id");
  model::CompletionRequest request = With(model::Text{"42"}, Role::kTool);
  request.messages[0].tool_call_id = "call-1";
  EXPECT_EQ(Path(request), "(none)");
}

TEST(ValidateContentTest, ACallIdIsForToolResults) {
  model::CompletionRequest request = Good();
  request.messages[0].tool_call_id = "call-1";
  EXPECT_EQ(Path(request), "spec.messages[0].tool_call_id");
}

TEST(ValidateContentTest, LooksNoFurtherThanTheTenthViolation) {
  model::CompletionRequest request = Good();
  request.messages[0].parts.assign(500, std::monostate());
  EXPECT_EQ(Problems(request).size(), Violations::kViolationsMax);
}

}  // namespace
}  // namespace pingti::admission
