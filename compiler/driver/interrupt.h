// Ctrl-C asks; it does not kill. The second one does.
#pragma once
#include <signal.h>

// From now on SIGINT and SIGTERM set the flag that is returned.
const volatile sig_atomic_t *interrupt_catch(void);
