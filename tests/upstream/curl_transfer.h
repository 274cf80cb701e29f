// One exchange of libcurl's with the simulated provider: a second opinion on what it says, how its
// answers end, and what it speaks.
//
// Thread-safety: none; confined to one thread.
#pragma once

#include <curl/curl.h>

#include <string>
#include <string_view>

#include "tests/upstream/test_client.h"

namespace pingti::upstream {

struct CurlTransfer {
  CURL* handle = curl_easy_init();
  std::string request;
  std::string body;                  // of the answer
  char error[CURL_ERROR_SIZE] = "";  // in libcurl's words

  explicit CurlTransfer(const std::string& url) {
    curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(kDeadlineMs));
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(
        handle, CURLOPT_WRITEFUNCTION, +[](char* bytes, size_t, size_t size, void* out) {
          static_cast<std::string*>(out)->append(bytes, size);
          return size;
        });
  }
  // A chat completion.
  CurlTransfer(int port, std::string_view prompt, bool stream)
      : CurlTransfer("http://127.0.0.1:" + std::to_string(port) + "/v1/chat/completions") {
    request = ChatBody(prompt, stream);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.c_str());
  }
  ~CurlTransfer() { curl_easy_cleanup(handle); }
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  CURLcode Perform() { return curl_easy_perform(handle); }
  long Get(CURLINFO info) const {
    long value = 0;
    curl_easy_getinfo(handle, info, &value);
    return value;
  }
};

}  // namespace pingti::upstream
