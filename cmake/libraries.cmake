# optional_library(NAME MODULE PACKAGE FORMATS): a library that some data formats need and the build does not. If
# pkg-config knows MODULE, the files of runtime/data/with_NAME are built, otherwise those of without_NAME, which tell
# the user to install PACKAGE; MLAANC_WITHOUT names those that are not looked for. Afterwards LIBRARY_TARGETS holds what
# to link, LIBRARY_EXCEPT the files left out. libraries_write() leaves what was found in data_libraries.def: a row LIBRARY(name, version or "", package, formats).
set(LIBRARY_ROWS "")
set(LIBRARY_TARGETS "")
set(LIBRARY_EXCEPT "")

macro(optional_library name module package formats)
  if(NOT ${name} IN_LIST MLAANC_WITHOUT)
    pkg_check_modules(LIBRARY_${name} QUIET IMPORTED_TARGET ${module})
  endif()
  if(LIBRARY_${name}_FOUND)
    message(STATUS "lib${name} ${LIBRARY_${name}_VERSION} found: ${formats}")
    list(APPEND LIBRARY_TARGETS PkgConfig::LIBRARY_${name})
    set(unused without_${name})
  else()
    message(STATUS "lib${name} not found (${package}): built without ${formats}")
    set(unused with_${name})
  endif()
  file(GLOB unused_files CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/runtime/data/${unused}/*.c)
  list(APPEND LIBRARY_EXCEPT ${unused_files})
  string(APPEND LIBRARY_ROWS "LIBRARY(${name}, \"${LIBRARY_${name}_VERSION}\", \"${package}\", \"${formats}\")\n")
endmacro()

function(libraries_write)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/data_libraries.def CONTENT "${LIBRARY_ROWS}" @ONLY)
endfunction()
