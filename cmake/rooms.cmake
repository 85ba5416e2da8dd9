# room(NAME FOLDER [EXCEPT file...] [SOURCES file...] [USES target...])
# A room is a static library of every .c under its folder; a file there is its own registration. A room may use
# another that uses it back (operators and emitters do): the linker is given both as often as it needs.
function(room name folder)
  cmake_parse_arguments(ROOM "" "" "EXCEPT;SOURCES;USES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/${folder}/*.c)
  if(ROOM_EXCEPT)
    list(REMOVE_ITEM sources ${ROOM_EXCEPT})
  endif()
  list(APPEND sources ${ROOM_SOURCES})
  if(NOT sources)
    add_library(${name} INTERFACE)
    return()
  endif()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC mla_options ${ROOM_USES})
  set_target_properties(${name} PROPERTIES LINK_INTERFACE_MULTIPLICITY 4) # table -> operator -> pass, emitter -> table
endfunction()
