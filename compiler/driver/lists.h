// --list-ops, --list-passes, --list-devices, --list-formats: printed from the tables that the compiler itself works with.
#pragma once

int list_operators(void);
int list_passes(void);
int list_devices(void);
int list_formats(void);
