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
