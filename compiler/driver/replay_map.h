// Name maps: how a fixture's method is written in our language, and which of its names are ours. JSON, so that people
// can read them (tests/parity/*.json):
//   "about"     text for people, in any object
//   "use"       maps whose entries come after this one's own
//   "fixture"   what the sidecar must say for the map to apply: {"method": "MAN", "aux_net_config": "2c2f"}
//   "model"     the page: beside the map, else in the library
//   "set"       values of --set, as templates
//   "blocks"    recorded block -> ours: {"layer{s}.{b}": "stage{s}[{b}]"}, for templates with |ours
//   "names"     our name of a weight -> theirs; the first pattern that matches counts
//   "left_out"  recorded tensors we have no counterpart for -> why
//   "losses"    kind of a recorded loss term -> name of our loss in that module; null: computed but not used
//   "limits"    trajectory -> check (runtime/replay/checks.def) -> largest deviation; null or none: no limit.
//               `gradient_noise`: a gradient may deviate by this many times its recorded noise if that is more
// Patterns and templates: replay_text.h.
#pragma once
#include "compiler/driver/options.h"
#include "compiler/driver/replay_text.h"
#include "runtime/replay/replay.h"

typedef struct ReplayMap {
  const char *path;
  json_t *json; // owned: everything it uses merged in
} ReplayMap;

bool replay_map_open(Arena *arena, ReplayMap *map, const char *path, MlaError *error);
void replay_map_close(ReplayMap *map);
// The map of a folder that says it applies to the fixture.
bool replay_map_choose(Arena *arena, ReplayMap *map, const char *dir, const MlaFixture *fixture,
                       MlaError *error);
const json_t *replay_map_section(const ReplayMap *map, const char *name); // NULL: the map has none
// The page's path.
const char *replay_map_model(Arena *arena, const ReplayMap *map, MlaError *error);
// NAME=VALUE texts for --set, from the sidecar.
bool replay_map_sets(const ReplayText *text, const ReplayMap *map, TextList *sets, MlaError *error);
// The first entry of a section whose pattern matches `name`; NULL: none.
const json_t *replay_map_match(Arena *arena, const ReplayMap *map, const char *section, const char *name,
                               Captures *captures);
// Fills trajectory->limit from "limits"; `noise`: by how much a gradient may exceed its recorded noise.
bool replay_map_limits(const ReplayMap *map, MlaTrajectory *trajectory, double *noise, MlaError *error);
// Where a map says something: "MAP.json, names".
const char *replay_map_where(Arena *arena, const ReplayMap *map, const char *section);
