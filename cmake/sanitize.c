// Linked into the programs of a sanitizer build. The leak check reads /proc, which a bare chroot may lack (and there the
// sanitizers cannot read ASAN_OPTIONS either): without /proc it is off, and everything else is still checked.
#include <unistd.h>

int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) {
  return access("/proc/self/task", F_OK) != 0;
}
