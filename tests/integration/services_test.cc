// The services beside Pingti's own: health, and reflection where it is switched on.
#include <gmock/gmock.h>

#include "tests/integration/raw_call.h"
#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

using testing::HasSubstr;

// ServerReflectionRequest{list_services: "*"}
const char kListServices[] = "\x3a\x01*";
constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

std::string FileContainingSymbol(const std::string& symbol) {
  return std::string("\x22") + static_cast<char>(symbol.size()) + symbol;
}

TEST(ServicesTest, HealthOfTheWholeAndOfEachService) {
  World world;
  for (const char* service :
       {"", "pingti.v1.Completion", "pingti.v1.Models", "pingti.v1.Embedding"}) {
    EXPECT_EQ(CheckHealth(world.server().Channel(), service), 1) << service;
  }
  EXPECT_EQ(CheckHealth(world.server().Channel(), "no.such.Service"),
            -static_cast<int>(grpc::StatusCode::NOT_FOUND));
  world.Stop();
}

// The channels go before the server: an idle one would answer its farewell only after seconds.
TEST(ServicesTest, ReflectionWhereItIsOn) {
  World world({.server = "{reflection: true}"});
  {
    RawCall list(world.server().Channel(), kReflection, kListServices, {});
    const std::string services = list.Next().value_or("");
    EXPECT_TRUE(list.Finish().ok());
    for (const char* service : {"pingti.v1.Completion", "pingti.v1.Models", "pingti.v1.Embedding",
                                "grpc.health.v1.Health"}) {
      EXPECT_THAT(services, HasSubstr(service));
    }
    RawCall file(world.server().Channel(), kReflection,
                 FileContainingSymbol("pingti.v1.Completion"), {});
    EXPECT_THAT(file.Next().value_or(""), HasSubstr("GenerateCompletionRequest"));
  }
  world.Stop();
}

TEST(ServicesTest, NoReflectionByDefault) {
  World world;
  {
    RawCall list(world.server().Channel(), kReflection, kListServices, {});
    EXPECT_FALSE(list.Next());
    EXPECT_EQ(list.Finish().code, grpc::StatusCode::UNIMPLEMENTED);
  }
  world.Stop();
}

}  // namespace
}  // namespace pingti::integration
