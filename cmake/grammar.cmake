# grammar/NAME.y -> generated/grammar/NAME.tab.{c,h}; grammar/NAME.l -> generated/grammar/NAME.lex.{c,h}.
# Sets GRAMMAR_SOURCES. The texts that the tools write are compiled without our warnings.
set(GRAMMAR_SOURCES "")
set(grammar_out ${CMAKE_BINARY_DIR}/generated/grammar)
file(MAKE_DIRECTORY ${grammar_out})

file(GLOB grammar_parsers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/grammar/*.y)
foreach(parser ${grammar_parsers})
  get_filename_component(stem ${parser} NAME_WE)
  set(base ${grammar_out}/${stem}.tab)
  add_custom_command(OUTPUT ${base}.c ${base}.h
    COMMAND ${BISON_EXECUTABLE} -Wall -Werror --no-lines --defines=${base}.h -o ${base}.c ${parser}
    DEPENDS ${parser} COMMENT "bison ${stem}.y" VERBATIM)
  list(APPEND GRAMMAR_SOURCES ${base}.c)
endforeach()

file(GLOB grammar_lexers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/grammar/*.l)
foreach(lexer ${grammar_lexers})
  get_filename_component(stem ${lexer} NAME_WE)
  set(base ${grammar_out}/${stem}.lex)
  add_custom_command(OUTPUT ${base}.c ${base}.h
    COMMAND ${FLEX_EXECUTABLE} --noline --header-file=${base}.h -o ${base}.c ${lexer}
    DEPENDS ${lexer} COMMENT "flex ${stem}.l" VERBATIM)
  list(APPEND GRAMMAR_SOURCES ${base}.c)
endforeach()
add_custom_target(mla_grammar DEPENDS ${GRAMMAR_SOURCES}) # so that all generated headers exist before any use
set_source_files_properties(${GRAMMAR_SOURCES} PROPERTIES COMPILE_OPTIONS -w)
