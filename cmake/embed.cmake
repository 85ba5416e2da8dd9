# cmake -DIN=text[,text...] -DOUT=text.c -DSYMBOL=name -P embed.cmake: files, one behind the other, as `const char name[]`,
# one character an element (string literals have a length limit in ISO C).
string(REPLACE "," ";" files "${IN}")
set(hex "")
foreach(file ${files})
  file(READ ${file} part HEX)
  string(APPEND hex "${part}")
endforeach()
string(REGEX REPLACE "(................................)" "\\1\n  " hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
file(WRITE ${OUT} "extern const char ${SYMBOL}[];\nconst char ${SYMBOL}[] = {\n  ${bytes}0};\n")
