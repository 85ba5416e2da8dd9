// Operations of a warp: shuffles, votes, matrix products, warp barriers. A lane waits until all lanes of its mask
// have come to the same place with the same mask; the last one collects what all brought.
#include "runtime/device/emulation/emulation.h"

#include <string.h>

static void check_lane(Lane *lane, int index, unsigned mask, const MlaSite *site) {
  const Worker *worker = lane->worker;
  int first = (int)lane->self.thread.x - index, n = worker->n_threads - first;
  if (!(mask >> index & 1))
    mla_fault_at(lane, site, "is lane %d of its warp and not in the mask 0x%08x that it gives", index, mask);
  for (int i = 0; i < MLA_WARP; i++) {
    if (!(mask >> i & 1) || i == index) continue;
    if (i >= n) mla_fault_at(lane, site, "gives the mask 0x%08x, but its warp has %d lanes", mask, n);
    const Lane *other = &worker->lanes[first + i];
    if (other->waiting == MLA_RETURNED)
      mla_fault_at(lane, site, "gives the mask 0x%08x, but lane %d, thread %d, has returned", mask, i,
                   first + i);
    if (other->waiting != MLA_IN_WARP || (other->site == site && other->mask == mask)) continue;
    char place[128];
    mla_describe_site(other->site, place, sizeof place);
    mla_fault_at(lane, site,
                 "gives the mask 0x%08x, but lane %d, thread %d, waits with the mask 0x%08x at %s", mask, i,
                 first + i, other->mask, place);
  }
}

// The lanes of the mask have seen each other's memory accesses.
static void join_clocks(Warp *warp, unsigned mask) {
  uint32_t latest[MLA_WARP] = {0};
  for (int i = 0; i < MLA_WARP; i++)
    for (int k = 0; mask >> i & 1 && k < MLA_WARP; k++)
      if (warp->clock[i][k] > latest[k]) latest[k] = warp->clock[i][k];
  for (int i = 0; i < MLA_WARP; i++) {
    if (!(mask >> i & 1)) continue;
    memcpy(warp->clock[i], latest, sizeof latest);
    warp->clock[i][i]++;
  }
}

void mla_collective(MlaThread *thread, const MlaSite *site, unsigned mask, int is_barrier, const void *mine,
                    int n_bytes, void *all) {
  Lane *lane = (Lane *)thread;
  int index = (int)thread->thread.x % MLA_WARP;
  Lane *lanes = lane - index;
  Warp *warp = &lane->worker->warps[thread->thread.x / MLA_WARP];
  check_lane(lane, index, mask, site);
  lane->mask = mask;
  lane->brought = mine;
  lane->site = site;
  bool is_last = true;
  for (int i = 0; i < MLA_WARP; i++)
    if (mask >> i & 1 && i != index && lanes[i].waiting != MLA_IN_WARP) is_last = false;
  if (!is_last) {
    mla_lane_wait(lane, MLA_IN_WARP, site);
  } else {
    for (int i = 0; i < MLA_WARP; i++) {
      if (!(mask >> i & 1)) continue;
      if (n_bytes) memcpy(warp->slot[i], lanes[i].brought, (size_t)n_bytes);
      lanes[i].waiting = MLA_RUNS;
      lanes[i].site = NULL;
    }
    if (is_barrier) join_clocks(warp, mask);
  }
  for (int i = 0; i < MLA_WARP && n_bytes; i++)
    if (mask >> i & 1) memcpy((unsigned char *)all + i * n_bytes, warp->slot[i], (size_t)n_bytes);
}
