// The one variable that outlives a call: a signal handler can be told nothing.
#include "compiler/driver/interrupt.h"

#include <stddef.h>

static volatile sig_atomic_t interrupted;

static void note_signal(int signal_number) {
  (void)signal_number;
  interrupted = 1;
}

const volatile sig_atomic_t *interrupt_catch(void) {
  struct sigaction action = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  return &interrupted;
}
