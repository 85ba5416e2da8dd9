# cmake -DIN=text -DOUT=text.c -DSYMBOL=name -P embed.cmake: a file as `const char name[]`, one character
# an element (string literals have a length limit in ISO C).
file(READ ${IN} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n  " hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
file(WRITE ${OUT} "extern const char ${SYMBOL}[];\nconst char ${SYMBOL}[] = {\n  ${bytes}0};\n")
