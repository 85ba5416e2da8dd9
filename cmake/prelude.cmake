# compiler/emit/c/prelude.h, a real C file, becomes the string `mla_c_prelude` of mla_emit. Sets PRELUDE_SOURCE.
set(prelude_in ${CMAKE_SOURCE_DIR}/compiler/emit/c/prelude.h)
set(PRELUDE_SOURCE "")
if(EXISTS ${prelude_in})
  set(PRELUDE_SOURCE ${CMAKE_BINARY_DIR}/generated/prelude.c)
  add_custom_command(OUTPUT ${PRELUDE_SOURCE}
    COMMAND ${CMAKE_COMMAND} -DIN=${prelude_in} -DOUT=${PRELUDE_SOURCE} -DSYMBOL=mla_c_prelude
            -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${prelude_in} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake COMMENT "embed prelude.h" VERBATIM)
endif()
