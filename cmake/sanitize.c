// Linked into the programs of a sanitizer build. The leak check reads /proc, which a bare chroot may lack (and there the
// sanitizers cannot read ASAN_OPTIONS either): without /proc it is off, and everything else is still checked.
#include <unistd.h>

int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) {
  return access("/proc/self/task", F_OK) != 0;
}

// Where a loaded library's thread-local variables lie is guessed from bytes in front of them, which glibc's loader does not write:
// the leak check then reads addresses that are none, and ends in a signal of its own (emulated kernels, now and then).
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
  return "intercept_tls_get_addr=0";
}
