# The preludes of emitted kernels are real source files; each becomes a string of mla_emit. Sets PRELUDE_SOURCE.
set(PRELUDE_SOURCE "")
function(embed_prelude in symbol)
  set(out ${CMAKE_BINARY_DIR}/generated/${symbol}.c)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DIN=${CMAKE_SOURCE_DIR}/${in} -DOUT=${out} -DSYMBOL=${symbol}
            -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${CMAKE_SOURCE_DIR}/${in} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake COMMENT "embed ${in}" VERBATIM)
  set(PRELUDE_SOURCE ${PRELUDE_SOURCE} ${out} PARENT_SCOPE)
endfunction()
embed_prelude(compiler/emit/c/prelude.h mla_c_prelude)
embed_prelude(compiler/emit/c/bf16.h mla_c_bf16)
embed_prelude(compiler/emit/cuda/prelude.cuh mla_cuda_prelude)
embed_prelude(compiler/emit/cuda/arithmetic.cuh mla_cuda_arithmetic)
