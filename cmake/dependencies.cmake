# Everything that is not ours; all of it from Debian packages (./dev setup installs them). Nothing is downloaded.
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(CURL REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(simdjson CONFIG REQUIRED)
find_package(yaml-cpp CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBEVENT REQUIRED IMPORTED_TARGET libevent_core libevent_pthreads libevent_extra)

# gRPC, protobuf and abseil are linked in where their archives are there (Debian's packages have them): calls go straight
# to them instead of through the linker's tables, and their thread-local variables are a load instead of a call. A unary
# call costs about a tenth less (bench S2). The sanitizers take the shared ones: these are quicker to link.
if(PINGTI_SANITIZER STREQUAL "")
  get_property(imported DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS imported)
    if(NOT target MATCHES "^(gRPC|absl|protobuf)::")
      continue()
    endif()
    foreach(property IN ITEMS IMPORTED_LOCATION IMPORTED_LOCATION_RELEASE IMPORTED_LOCATION_NONE)
      get_target_property(location ${target} ${property})
      string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${location}")
      if(archive MATCHES "\\.a$" AND EXISTS "${archive}")
        set_target_properties(${target} PROPERTIES ${property} "${archive}")
      endif()
    endforeach()
  endforeach()
endif()

# The server's allocator (docs/architecture.md says why). The sanitizers have their own.
add_library(pingti_allocator INTERFACE)
if(PINGTI_SANITIZER STREQUAL "")
  find_library(JEMALLOC_LIBRARY NAMES libjemalloc_pic.a jemalloc REQUIRED)
  target_link_libraries(pingti_allocator INTERFACE ${JEMALLOC_LIBRARY} Threads::Threads ${CMAKE_DL_LIBS} m)
endif()

# yaml-cpp's target got its namespace in 0.8.
if(TARGET yaml-cpp::yaml-cpp)
  add_library(pingti_yaml ALIAS yaml-cpp::yaml-cpp)
else()
  add_library(pingti_yaml INTERFACE)
  target_link_libraries(pingti_yaml INTERFACE yaml-cpp)
endif()

# Debian's own CMake files of hiredis 0.14 name no target.
find_path(HIREDIS_INCLUDE hiredis/async.h REQUIRED)
find_library(HIREDIS_LIBRARY hiredis REQUIRED)
add_library(pingti_hiredis INTERFACE)
target_include_directories(pingti_hiredis SYSTEM INTERFACE ${HIREDIS_INCLUDE})
target_link_libraries(pingti_hiredis INTERFACE ${HIREDIS_LIBRARY})

# SOCI's own CMake files name no target in Debian 12. Its archives keep the runtime image small: only libpq and
# libsqlite3 are needed beside the program.
find_path(SOCI_INCLUDE soci/soci.h REQUIRED)
find_library(SOCI_CORE NAMES libsoci_core.a soci_core REQUIRED)
find_library(SOCI_SQLITE3 NAMES libsoci_sqlite3.a soci_sqlite3 REQUIRED)
find_library(SOCI_POSTGRESQL NAMES libsoci_postgresql.a soci_postgresql REQUIRED)
find_package(SQLite3 REQUIRED)
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)
add_library(pingti_soci INTERFACE)
target_include_directories(pingti_soci SYSTEM INTERFACE ${SOCI_INCLUDE})
target_link_libraries(pingti_soci INTERFACE ${SOCI_SQLITE3} ${SOCI_POSTGRESQL} ${SOCI_CORE} SQLite::SQLite3
  PkgConfig::LIBPQ ${CMAKE_DL_LIBS})
