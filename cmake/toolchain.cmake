# Compiler, linker and sanitizer flags for all of our own targets.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Without these it lets pass what uses a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
endif()

find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
add_library(pingti_flags INTERFACE)
target_compile_options(pingti_flags INTERFACE -Wall -Wextra -Wpedantic -Werror=return-type
  -Wno-missing-field-initializers -fno-omit-frame-pointer)
target_include_directories(pingti_flags INTERFACE ${PROJECT_SOURCE_DIR})
# simdjson's parser has one more member where the compiler does not optimise, as in our tests: one layout for all.
target_compile_definitions(pingti_flags INTERFACE SIMDJSON_DEVELOPMENT_CHECKS=0)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  target_compile_options(pingti_flags INTERFACE -Wthread-safety)
elseif(CMAKE_UNITY_BUILD)
  # GCC takes each source of a batch for a header.
  target_compile_options(pingti_flags INTERFACE -Wno-subobject-linkage)
endif()

if(PINGTI_SANITIZER STREQUAL address)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-sanitize=vptr)
  add_link_options(-fsanitize=address,undefined)
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
    # RapidJSON 1.1 adds offsets to null pointers in its own stack.
    add_compile_options(-fno-sanitize=pointer-overflow)
  endif()
elseif(PINGTI_SANITIZER STREQUAL thread)
  # protobuf's headers give map fields another layout where GCC says that it sanitizes threads, and Debian's library has
  # the usual one. So nobody is told but us.
  add_compile_options(-fsanitize=thread -U__SANITIZE_THREAD__ -DPINGTI_TSAN=1)
  add_link_options(-fsanitize=thread)
elseif(PINGTI_SANITIZER)
  message(FATAL_ERROR "PINGTI_SANITIZER is '${PINGTI_SANITIZER}'; it may be address, thread or empty")
endif()
