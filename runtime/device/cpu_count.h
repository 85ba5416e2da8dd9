// How many threads this process may run at once. Private to runtime/device.
#pragma once

// Processors it may use: those of its affinity, and no more than its control groups grant it.
int mla_cpu_count(void);
// The processors that control groups grant, rounded up; 0: no limit. `root` stands before /proc and /sys: "" is this machine.
int mla_cpu_quota(const char *root);
