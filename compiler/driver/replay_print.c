// See replay_print.h.
#include "compiler/driver/replay_print.h"

#include <math.h>
#include <stdio.h>

bool replay_passed(const MlaReplayRow *rows) {
  bool passed = true;
  for (int i = 0; i < MLA_N_CHECKS; i++) passed = passed && mla_replay_passed(&rows[i]);
  return passed;
}

static const char *text_of(const ReplayInput *input, const char *name) {
  const char *text = json_string_value(json_object_get(input->fixture->sidecar, name));
  return text ? text : "(unnamed)";
}

void replay_print_head(const ReplayInput *input, const char *page) {
  printf("%s: %s, %lld steps of %lld images; map %s, model %s\n", text_of(input, "case"),
         text_of(input, "method"), (long long)input->fixture->steps, (long long)input->fixture->batch,
         input->map->path, page);
}

static void print_row(MlaCheck check, const MlaReplayRow *row) {
  char limit[32] = "none";
  if (isfinite(row->limit)) snprintf(limit, sizeof limit, "%.0e", row->limit);
  const char *verdict = !isfinite(row->limit) ? "" : mla_replay_passed(row) ? "ok" : "FAILED";
  printf("    %-28s %5d  %9.1e  %8s  %-6s%s%s\n", mla_check_title(check), row->n, row->deviation, limit,
         verdict, row->where[0] ? "  " : "", row->where);
}

void replay_print_table(const MlaTrajectory *trajectory, const MlaReplayRow *rows) {
  char head[64];
  snprintf(head, sizeof head, "%s, lr %g", trajectory->group, trajectory->learning_rate);
  printf("  %-30s %5s  %9s  %8s  %-6s  %s\n", head, "of", "deviation", "limit", "", "worst at");
  for (int i = 0; i < MLA_N_CHECKS; i++)
    if (rows[i].is_compared) print_row((MlaCheck)i, &rows[i]);
  fflush(stdout);
}

// A number, or null for what JSON cannot write.
static json_t *number_or_null(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

void replay_print_json(const ReplayInput *input, const char *page, const MlaTrajectory *trajectory,
                       const MlaReplayRow *rows) {
  json_t *checks = json_array();
  for (int i = 0; i < MLA_N_CHECKS; i++) {
    if (!rows[i].is_compared) continue;
    json_array_append_new(checks, json_pack("{s:s,s:i,s:o,s:o,s:s,s:b}", "check", mla_check_name((MlaCheck)i),
                                            "n", rows[i].n, "deviation", number_or_null(rows[i].deviation),
                                            "limit", number_or_null(rows[i].limit), "where", rows[i].where,
                                            "ok", mla_replay_passed(&rows[i])));
  }
  json_t *json = json_pack("{s:s,s:s,s:s,s:s,s:s,s:f,s:o,s:b}", "fixture", text_of(input, "case"), "method",
                           text_of(input, "method"), "map", input->map->path, "model", page, "trajectory",
                           trajectory->group, "lr", trajectory->learning_rate, "checks", checks, "ok",
                           replay_passed(rows));
  json_dumpf(json, stdout, JSON_COMPACT);
  putchar('\n');
  fflush(stdout);
  json_decref(json);
}
