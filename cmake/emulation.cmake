# The text in front of emulated kernels, `mla_emulation_text` of mla_runtime: parts of runtime/device/emulation around
# the arithmetic that every CUDA kernel uses. Sets EMULATION_SOURCE.
set(emulation_parts
  ${CMAKE_SOURCE_DIR}/runtime/device/emulation/interface.h
  ${CMAKE_SOURCE_DIR}/runtime/device/emulation/prelude.h
  ${CMAKE_SOURCE_DIR}/runtime/device/emulation/mma.h
  ${CMAKE_SOURCE_DIR}/compiler/emit/cuda/arithmetic.cuh
  ${CMAKE_SOURCE_DIR}/runtime/device/emulation/unit.h)
string(REPLACE ";" "," emulation_list "${emulation_parts}")
set(EMULATION_SOURCE ${CMAKE_BINARY_DIR}/generated/emulation_text.c)
add_custom_command(OUTPUT ${EMULATION_SOURCE}
  COMMAND ${CMAKE_COMMAND} -DIN=${emulation_list} -DOUT=${EMULATION_SOURCE} -DSYMBOL=mla_emulation_text
          -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
  DEPENDS ${emulation_parts} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake COMMENT "embed the emulation's prelude" VERBATIM)
