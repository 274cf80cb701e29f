// The first call: asks the server on 127.0.0.1:50051, or where the first argument says.
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

#include "client/client.h"

int main(int argc, char** argv) {
  const char* home = std::getenv("HOME");
  std::ifstream key_file(std::string(home ? home : "") + "/.config/pingti/key");
  std::string key;
  key_file >> key;
  auto client = pingti::client::Client::Create(
      {.target = argc > 1 ? argv[1] : "127.0.0.1:50051", .api_key = key});
  if (!client.ok()) {
    std::cerr << client.error().message << '\n';
    return 1;
  }

  pingti::v1::CompletionSpec spec;
  spec.set_model("gpt-4o");
  pingti::v1::Message* message = spec.add_messages();
  message->set_role(pingti::v1::ROLE_USER);
  message->add_parts()->set_text("say hello in Chinese");

  auto stream = client->Stream(spec);
  for (const auto& event : stream) std::cout << event.delta().text() << std::flush;
  std::cout << '\n';
  if (const auto& error = stream.Finish(); !error.ok()) {  // ok: the answer is complete
    std::cerr << error.message << '\n';
    return 1;
  }
}
