# The sources of a stand-alone trainer, `standalone_files` of mla_driver: the runtime's own, without what compiles kernels,
# opens libraries of CUDA or reads JSON, and runtime/standalone, which stands in for that. Sets STANDALONE_SOURCE, and
# STANDALONE_EXCEPT: the files that only such a trainer is built from.
set(standalone_entries "")
set(standalone_paths "")
function(standalone_add from to)
  set(standalone_entries ${standalone_entries} ${to}=${CMAKE_SOURCE_DIR}/${from} PARENT_SCOPE)
  set(standalone_paths ${standalone_paths} ${CMAKE_SOURCE_DIR}/${from} PARENT_SCOPE)
endfunction()

foreach(name trainer.c linked.c linked.h unread.c data_libraries.def Makefile)
  standalone_add(runtime/standalone/${name} ${name})
endforeach()
standalone_add(runtime/standalone/devices.def runtime/device/devices.def)
standalone_add(runtime/standalone/formats.def runtime/data/formats.def)

file(GLOB standalone_runtime CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
  ${CMAKE_SOURCE_DIR}/runtime/error.* ${CMAKE_SOURCE_DIR}/runtime/program.h ${CMAKE_SOURCE_DIR}/runtime/program_check.*
  ${CMAKE_SOURCE_DIR}/runtime/data/*.[ch]
  ${CMAKE_SOURCE_DIR}/runtime/data/with*/*.[ch] ${CMAKE_SOURCE_DIR}/runtime/files/*.[ch] ${CMAKE_SOURCE_DIR}/runtime/train/*.[ch]
  ${CMAKE_SOURCE_DIR}/runtime/device/*.[ch] ${CMAKE_SOURCE_DIR}/runtime/device/cuda/*.[ch])
list(FILTER standalone_runtime EXCLUDE REGEX "data/tensors\\.c|files/safetensors\\.c|train/(checkpoint|metrics_resume)\\.c") # read JSON
list(FILTER standalone_runtime EXCLUDE REGEX "cuda/(cudart|cublaslt|nvrtc|library)\\.c|cuda/report\\.[ch]")            # is linked
list(FILTER standalone_runtime EXCLUDE REGEX "device/(jit|sha256)\\.c|device/(jit_.*|kernel_cache|choice_cache)\\.[ch]")    # is compiled
list(FILTER standalone_runtime EXCLUDE REGEX "device/(cpu|cpu_[a-z]+|emulated_cuda|null|reference)\\.[ch]")      # other devices
foreach(path ${standalone_runtime})
  standalone_add(${path} ${path})
endforeach()

string(REPLACE ";" "," standalone_list "${standalone_entries}")
set(STANDALONE_SOURCE ${CMAKE_BINARY_DIR}/generated/standalone_files.c)
add_custom_command(OUTPUT ${STANDALONE_SOURCE}
  COMMAND ${CMAKE_COMMAND} -DFILES=${standalone_list} -DOUT=${STANDALONE_SOURCE} -DSYMBOL=standalone_files
          -P ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake
  DEPENDS ${standalone_paths} ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake COMMENT "embed the stand-alone trainer" VERBATIM)
file(GLOB STANDALONE_EXCEPT CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/runtime/standalone/*.c)
