#include "client/command/request.h"

#include <gtest/gtest.h>

#include "client/command/conversation.h"
#include "tests/fakes/scratch_folder.h"

namespace pingti::command {
namespace {

using fakes::ScratchFolder;

TEST(MakeSpec, SendsOnlyWhatWasGiven) {
  RequestOptions options;
  const auto spec = MakeSpec(options);
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(spec->model(), "gpt-4o");
  EXPECT_FALSE(spec->has_sampling());
  EXPECT_EQ(spec->messages_size(), 0);
}

TEST(MakeSpec, ZeroIsAValue) {
  RequestOptions options;
  options.temperature = 0;
  options.seed = 0;
  options.system = "be brief";
  options.labels = {{"team", "a"}};
  const auto spec = MakeSpec(options);
  ASSERT_TRUE(spec.ok());
  EXPECT_TRUE(spec->sampling().has_temperature());
  EXPECT_TRUE(spec->sampling().has_seed());
  EXPECT_FALSE(spec->sampling().has_max_output_tokens());
  ASSERT_EQ(spec->messages_size(), 1);
  EXPECT_EQ(spec->messages(0).role(), v1::ROLE_SYSTEM);
  EXPECT_EQ(spec->labels().at("team"), "a");
}

TEST(MakeSpec, RefusesTextThatIsNotUtf8) {
  RequestOptions options;
  options.stop = {"ok", "\xff"};
  const auto spec = MakeSpec(options);
  ASSERT_FALSE(spec.ok());
  EXPECT_NE(spec.error().message.find("--stop"), std::string::npos);
  EXPECT_FALSE(MakeUserMessage("\xff", {}).ok());
  EXPECT_FALSE(MakeUserMessage("", {}).ok());
}

TEST(MakeImage, UrlsGoAsTheyAre) {
  for (const char* url : {"https://i/a.png", "http://i/a.png", "data:image/png;base64,AA=="}) {
    const auto image = MakeImage(url);
    ASSERT_TRUE(image.ok());
    EXPECT_EQ(image->url(), url);
  }
}

TEST(MakeImage, TheContentSaysWhatAFileIs) {
  const ScratchFolder folder;
  const std::pair<std::string, std::string> kinds[] = {
      {"\x89PNG\r\n\x1a\n....", "image/png"},
      {"\xff\xd8\xff\xe0....", "image/jpeg"},
      {"GIF89a....", "image/gif"},
      {"RIFF\x10...WEBPVP8 ", "image/webp"},
  };
  for (const auto& [content, media_type] : kinds) {
    const auto image = MakeImage(folder.Write("misnamed.txt", content, 0600));
    ASSERT_TRUE(image.ok()) << media_type << ": " << image.error().message;
    EXPECT_EQ(image->media_type(), media_type);
    EXPECT_EQ(image->data(), content);
  }
}

TEST(MakeImage, RefusesWhatIsNoPicture) {
  const ScratchFolder folder;
  EXPECT_FALSE(MakeImage(folder.Write("a.png", "not a picture", 0600)).ok());
  EXPECT_FALSE(MakeImage(folder.Write("a.webp", "RIFF....WAVEfmt ", 0600)).ok());
  EXPECT_FALSE(MakeImage(folder.Write("empty.png", "", 0600)).ok());
  EXPECT_FALSE(MakeImage(folder.path() + "/missing.png").ok());
  EXPECT_FALSE(MakeImage(folder.path()).ok());
}

TEST(MakeUserMessage, PicturesComeBeforeTheText) {
  const auto message = MakeUserMessage("what is it", {"https://i/a.png", "https://i/b.png"});
  ASSERT_TRUE(message.ok());
  ASSERT_EQ(message->parts_size(), 3);
  EXPECT_EQ(message->parts(1).image().url(), "https://i/b.png");
  EXPECT_EQ(message->parts(2).text(), "what is it");
}

v1::CompletionSpec History(const std::vector<v1::Role>& roles) {
  v1::CompletionSpec spec;
  for (const v1::Role role : roles) {
    v1::Message& message = *spec.add_messages();
    message.set_role(role);
    message.add_parts()->set_text(std::string(100, 'x') + std::to_string(spec.messages_size()));
  }
  return spec;
}

TEST(ForgetOldestTurns, KeepsTheSystemPromptAndWholeTurns) {
  auto spec = History({v1::ROLE_SYSTEM, v1::ROLE_USER, v1::ROLE_ASSISTANT, v1::ROLE_USER,
                       v1::ROLE_ASSISTANT, v1::ROLE_USER});
  EXPECT_EQ(ForgetOldestTurns(spec, 5, 1 << 20), 2);
  ASSERT_EQ(spec.messages_size(), 4);
  EXPECT_EQ(spec.messages(0).role(), v1::ROLE_SYSTEM);
  EXPECT_EQ(spec.messages(1).role(), v1::ROLE_USER);
  EXPECT_EQ(spec.messages(1).parts(0).text().back(), '4');
}

TEST(ForgetOldestTurns, NeverForgetsTheLastMessage) {
  auto spec = History({v1::ROLE_USER, v1::ROLE_ASSISTANT, v1::ROLE_USER});
  EXPECT_EQ(ForgetOldestTurns(spec, 4096, 10), 2);
  ASSERT_EQ(spec.messages_size(), 1);
  EXPECT_EQ(spec.messages(0).parts(0).text().back(), '3');
  EXPECT_EQ(ForgetOldestTurns(spec, 4096, 10), 0);
}

}  // namespace
}  // namespace pingti::command
