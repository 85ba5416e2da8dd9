// The graph as a drawing: DOT text for graphviz, one cluster a module.
#pragma once
#include "compiler/ir/graph.h"
#include <stdio.h>

// Every node a box; losses and module outputs stand out.
void draw_graph(const Graph *graph, FILE *out);
// Every kernel a box (after pass_fuse), with the operators it computes.
void draw_kernels(const Graph *graph, FILE *out);
