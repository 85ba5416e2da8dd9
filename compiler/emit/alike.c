// Groups that are alike: the same operators, shapes, attributes and wiring, at other places of the memory. A deep model has
// thousands of groups and some hundred different ones, and text takes long to write: a group that is like an earlier
// one takes over its drafts, with its own values in place of the other's.
//
// The key of a group is all that its text may depend on, as a row of numbers. Values are numbered in the order in which the
// group names them; states count from the first that the group updates. Whatever else an emitter comes to
// read of a group, a node or a state belongs into the key (tests/emit/alike.c compares).
#include "compiler/emit/program.h"
#include <stdlib.h>
#include <string.h>

// The runs of states that an update touches: its own, momenta, squares, EMA copies, and the sources of EMA copies.
enum { SOURCES = 4, N_UPDATE_RUNS };
typedef struct UpdateStates {
  StateId first[N_UPDATE_RUNS]; // NO_STATE: none
  int n;                        // of each run; 0: no update
} UpdateStates;

typedef struct Key {
  const Graph *graph;
  const Group *group;
  int64_t *words;
  int n_words, capacity;
  NodeId *ids, *storages; // values named and what they lie in, each once
  int n_ids, n_storages;
  UpdateStates states;
} Key;

struct Alike {
  uint64_t hash;
  Key key;
  AlikeDrafts drafts;
  Alike *next;
};

static void put(Arena *arena, Key *key, int64_t word) {
  if (key->n_words == key->capacity) {
    int capacity = key->capacity ? 2 * key->capacity : 128;
    int64_t *words = ARENA_ARRAY(arena, int64_t, capacity);
    if (key->n_words) memcpy(words, key->words, sizeof *words * (size_t)key->n_words);
    key->words = words;
    key->capacity = capacity;
  }
  key->words[key->n_words++] = word;
}

// The number of `id` in the list, which it joins if it is new.
static int number_of(NodeId *list, int *n, NodeId id) {
  int i = 0;
  while (i < *n && list[i] != id) i++;
  if (i == *n) list[(*n)++] = id;
  return i;
}

static void put_shape(Arena *arena, Key *key, Shape shape) {
  put(arena, key, shape.rank);
  for (int d = 0; d < shape.rank; d++) put(arena, key, shape.dim[d]);
}

// ---- states ----

static UpdateStates states_of(const Graph *graph, const Group *group) {
  const Node *node = graph_node(graph, group->nodes[0]);
  UpdateStates states = {.n = node->n_states};
  if (op_info(node->op)->effect != EFFECT_WRITES_STATE) return states;
  const Node *source = graph_node(graph, node->in[0]);
  states.first[0] = node->state;
  states.first[1] = op_beside(node, "momentum_state");
  states.first[2] = op_beside(node, "square_state");
  states.first[3] = op_beside(node, "copy_state");
  states.first[SOURCES] = source->op == OP_state ? source->state : NO_STATE;
  return states;
}

static void put_state(Arena *arena, Key *key, StateId first, StateId id) {
  const State *a = state_get(key->graph->states, first), *b = state_get(key->graph->states, id);
  put(arena, key, id - first);
  put(arena, key, b->kind);
  put(arena, key, b->offset - a->offset);
  put_shape(arena, key, b->shape);
}

static void put_states(Arena *arena, Key *key) {
  put(arena, key, key->states.n);
  for (int r = 0; key->states.n && r < SOURCES; r++) {
    StateId first = key->states.first[r];
    put(arena, key, first == NO_STATE);
    for (int i = 0; first != NO_STATE && i < key->states.n; i++) put_state(arena, key, first, first + i);
  }
}

static bool has_source(const Key *key) {
  return key->states.first[SOURCES] != NO_STATE;
}

// ---- nodes ----

static void put_input(Arena *arena, Key *key, NodeId id) {
  int64_t offset = 0;
  NodeId storage = node_storage(key->graph, id, &offset);
  const Node *node = graph_node(key->graph, id), *leaf = graph_node(key->graph, storage);
  put(arena, key, number_of(key->ids, &key->n_ids, id));
  put(arena, key, number_of(key->storages, &key->n_storages, storage));
  put(arena, key, offset);
  put(arena, key, node->dtype);
  put_shape(arena, key, node->shape);
  put(arena, key, leaf->op == OP_state);
  bool has_place = key->states.n && node->op == OP_state;
  if (has_place) put_state(arena, key, key->states.first[has_source(key) ? SOURCES : 0], node->state);
}

// Which states an update writes beside its own is said by put_states.
static void put_attributes(Arena *arena, Key *key, const Node *node) {
  const AttrDef *defs = op_info(node->op)->attrs;
  for (int i = 0; i < op_n_attrs(node->op); i++) {
    size_t n = strlen(defs[i].name), n_ending = strlen("_state");
    bool is_state = n > n_ending && !strcmp(defs[i].name + n - n_ending, "_state");
    if (!is_state) put(arena, key, node->attr[i].i);
  }
}

static void put_node(Arena *arena, Key *key, NodeId id) {
  const Node *node = graph_node(key->graph, id);
  put(arena, key, node->op);
  put(arena, key, node->dtype);
  put(arena, key, id >= key->group->product);
  put_shape(arena, key, node->shape);
  put_attributes(arena, key, node);
  put(arena, key, node->n_in);
  for (int i = 0; i < node->n_in; i++) put_input(arena, key, node->in[i]);
}

static Key key_of(Arena *arena, const Graph *graph, const Group *group) {
  Key key = {.graph = graph, .group = group, .states = states_of(graph, group)};
  int most = group->n_nodes;
  for (int i = 0; i < group->n_nodes; i++) most += graph_node(graph, group->nodes[i])->n_in;
  key.ids = ARENA_ARRAY(arena, NodeId, most);
  key.storages = ARENA_ARRAY(arena, NodeId, most);
  int64_t facts[] = {group->kind,  group->n_nodes,       group->n_outputs,
                     group->parts, group->partial_bytes, graph->batch};
  for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) put(arena, &key, facts[i]);
  for (int i = 0; i < group->n_nodes; i++) {
    number_of(key.ids, &key.n_ids, group->nodes[i]);
    number_of(key.storages, &key.n_storages, group->nodes[i]);
  }
  put(arena, &key, group->product == NO_NODE ? -1 : number_of(key.ids, &key.n_ids, group->product));
  for (int i = 0; i < group->n_outputs; i++)
    put(arena, &key, number_of(key.ids, &key.n_ids, group->outputs[i]));
  put_states(arena, &key);
  for (int i = 0; i < group->n_nodes; i++) put_node(arena, &key, group->nodes[i]);
  return key;
}

static uint64_t hash_of(const Key *key) {
  uint64_t hash = 0x9e3779b97f4a7c15u;
  for (int i = 0; i < key->n_words; i++) {
    hash = (hash ^ (uint64_t)key->words[i]) * 0xbf58476d1ce4e5b9u;
    hash ^= hash >> 29;
  }
  return hash;
}

// ---- taking over ----

static bool translate_node(const Key *from, const Key *to, NodeId *id) {
  for (int i = 0; i < from->n_ids; i++) {
    if (from->ids[i] != *id) continue;
    *id = to->ids[i];
    return true;
  }
  return false;
}

static bool translate_state(const Key *from, const Key *to, StateId *id) {
  for (int r = 0; r < N_UPDATE_RUNS; r++) {
    StateId first = from->states.first[r];
    if (first == NO_STATE || *id < first || *id >= first + from->states.n) continue;
    *id += to->states.first[r] - first;
    return true;
  }
  return false;
}

static bool translate(const Key *from, const Key *to, BufferRef *ref) {
  switch (ref->kind) {
  case REF_NODE: return translate_node(from, to, &ref->node);
  case REF_STATE:
  case REF_RUN: return translate_state(from, to, &ref->state);
  case REF_PARTIAL:
  case REF_TICKETS: break;
  }
  return true;
}

// Returns NULL if a buffer is none of the values that the group names.
static AlikeDrafts *take_over(Arena *arena, const Alike *alike, const Key *key) {
  AlikeDrafts *drafts = ARENA_NEW(arena, AlikeDrafts);
  *drafts = alike->drafts;
  for (int d = 0; d < drafts->n; d++) {
    KernelDraft *draft = &drafts->of_launch[d];
    draft->buffers = arena_copy(arena, draft->buffers, sizeof *draft->buffers * (size_t)draft->n_buffers);
    for (int i = 0; i < draft->n_buffers; i++)
      if (!translate(&alike->key, key, &draft->buffers[i])) return NULL;
  }
  return drafts;
}

static AlikeDrafts *write_drafts(ProgramBuilder *builder, AlikeDrafts *drafts, const Graph *graph,
                                 const Group *group) {
  emit_group(&builder->emit, graph, group);
  drafts->n = builder->emit.n_drafts;
  for (int d = 0; d < drafts->n; d++) {
    drafts->of_launch[d] = builder->emit.drafts[d];
    drafts->kernels[d] = -1;
  }
  return drafts;
}

AlikeDrafts *alike_drafts(ProgramBuilder *builder, const Graph *graph, const Group *group) {
  enum { N_LISTS = sizeof builder->alike / sizeof *builder->alike };
  Arena *arena = builder->arena;
  if (builder->options->is_each_written)
    return write_drafts(builder, ARENA_NEW(arena, AlikeDrafts), graph, group);
  Key key = key_of(arena, graph, group);
  uint64_t hash = hash_of(&key);
  Alike **list = &builder->alike[hash % N_LISTS];
  for (const Alike *alike = *list; alike; alike = alike->next) {
    bool is_same = alike->hash == hash && alike->key.n_words == key.n_words &&
                   !memcmp(alike->key.words, key.words, sizeof *key.words * (size_t)key.n_words);
    AlikeDrafts *drafts = is_same ? take_over(arena, alike, &key) : NULL;
    if (drafts) return drafts;
  }
  Alike *fresh = ARENA_NEW(arena, Alike);
  *fresh = (Alike){.hash = hash, .key = key, .next = *list};
  *list = fresh;
  return write_drafts(builder, &fresh->drafts, graph, group);
}
