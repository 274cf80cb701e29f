# How our targets are declared: one library per folder, its sources being all *.cc of that folder.

# pingti_library(<name> [SUBFOLDERS <folder>...] DEPS <target>...): the library of the current folder.
function(pingti_library name)
  cmake_parse_arguments(ARG "" "" "SUBFOLDERS;DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  foreach(folder ${ARG_SUBFOLDERS})
    file(GLOB more CONFIGURE_DEPENDS ${folder}/*.cc)
    list(APPEND sources ${more})
  endforeach()
  list(FILTER sources EXCLUDE REGEX "main\\.cc$")
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC pingti_flags ${ARG_DEPS})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE pingti_flags ${ARG_DEPS})
  endif()
endfunction()

# pingti_slow_to_sanitize(<source>): a source whose templates take half a minute to optimise under a sanitizer. (Never
# unoptimised in a release: the linker would take what else is inline in it for the whole program.)
function(pingti_slow_to_sanitize source)
  if(PINGTI_SANITIZER)
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -O0)
  endif()
endfunction()

# pingti_binary(<name> <source>... DEPS <target>...): a program in build/bin.
function(pingti_binary name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  list(GET ARG_UNPARSED_ARGUMENTS 0 first_source)
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${first_source})
    return()
  endif()
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE pingti_flags ${ARG_DEPS})
endfunction()

# pingti_test(<name> LABEL <label> SOURCES <file>... DEPS <target>... [TIMEOUT <s>] [ENVIRONMENT <name=value>...]):
# a GoogleTest binary, one ctest entry.
function(pingti_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;DEPS;ENVIRONMENT" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE pingti_flags ${ARG_DEPS} GTest::gtest GTest::gmock GTest::gtest_main)
  # A test is compiled more often than it is run. The libraries that it tests keep their optimisation.
  target_compile_options(${name} PRIVATE -O0)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(NOT ARG_TIMEOUT AND PINGTI_SANITIZER)
    set(ARG_TIMEOUT 600)
  elseif(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT})
  if(ARG_ENVIRONMENT)
    set_tests_properties(${name} PROPERTIES ENVIRONMENT "${ARG_ENVIRONMENT}")
  endif()
endfunction()
