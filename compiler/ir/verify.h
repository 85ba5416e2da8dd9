// Checks of the graph that run after every pass of every compilation. A violation is a fault of the compiler:
// the text says which rule, which nodes, and the pipeline saves the graph and stops.
#pragma once
#include "compiler/ir/graph.h"

// The longest reach among the taps that a loss sees, at least 1. Taps are gone after pass_simplify;
// Loss.reach keeps it.
int loss_reach(const Graph *graph, const Loss *loss);

// Structure: inputs precede users, shapes equal what the shape rules give, every state has at most one writer
// and no node reads a state after its writer (by group order once scheduled). Returns NULL or what is wrong.
const char *verify_structure(const Graph *graph, Arena *arena);

// Isolation: for every gradient that an update consumes, the losses it depends on (found by walking the
// backward nodes to the seeds) must lie in the parameter's scope: a backbone parameter of module i takes
// gradient only from losses of modules i..j whose taps reach back to i; an auxiliary parameter only from
// losses of its own module. Independent of how pass_differentiate works. Returns NULL or a sentence naming
// the parameter, the loss and both modules.
const char *verify_isolation(const Graph *graph, Arena *arena);

// Plan: replays the schedule symbolically over the byte arena: every read finds the value that was meant, no
// two live values overlap, every buffer lies inside work_bytes. Returns NULL or what is wrong.
const char *verify_plan(const Graph *graph, Arena *arena);
