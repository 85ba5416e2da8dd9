// Groups nodes into kernels.
//
// needs: pruned graph
// gives: Graph.groups in an order that computes before it reads, with their parts; Node.group
// breaks: nothing; from here on the nodes keep their numbers
//
// Every reduction and every operator with a kernel of its own is the root of a group. Element-wise nodes are
// visited downwards, users first; each is either computed inside all the kernels that read it, or stored by a
// group of its own:
//
//   n = batch_norm c; r = relu n; d = conv r; s = bn_stats d      kernels: { n r }  { d }  { s }
//   g' = gate(g, r); u = bn_grad_sums(g', c); v = bn_grad_input(g', c, u)   r again from c, which is read
//   anyway:
//                                                                 kernels: { n r g' u }  { n r g' v }
//
// Taking a node into a kernel must not make the kernel read more: it then reads the node's inputs in place of
// the node, and those that it reads already, or can compute from what it reads already, cost nothing. With a
// single reader more inputs are allowed, except where a sum would wait for a summand that comes later, and
// hold on to the earlier ones. Even a node that must be stored for somebody is taken into the kernels where
// that is free. A group has one root, so groups can not form a circle.
//
// Where the target's products take in what stands around them (PassCtx.products):
//
//   d = conv r, read by nobody else than products: r is computed where its tensor is fetched      { n r d }
//   g' = gate(conv2d_grad_input ..), u = bn_grad_sums(g', c): both where the result is stored     { gi g' u }
//
//   u = resize x; d = conv u, u read by nobody else than products: the operand is gathered where it is fetched   { u d }
//
// Before a product comes only what starts from one tensor: fetching it costs what fetching r would have cost, however often
// the taps of a kernel meet it; only if nobody needs r stored, for reading a stored r is cheaper still; and only what takes a
// few instructions, for it is computed as often as it is met. Behind it
// comes a whole group that reads the product and otherwise only what is there before the product, so the result is not
// read back and, where it has no other reader, not even written.
#include "compiler/ir/kernel.h"
#include "compiler/ir/op.h"
#include "compiler/passes/pass.h"

#include <string.h>

enum {
  MAX_GROUP_NODES = 24,
  MAX_BEFORE = 4,
  MAX_PRODUCT_NODES = MAX_GROUP_NODES + MAX_BEFORE + 2,
  MAX_STORED = 3
};

typedef struct Draft { // a group being made
  NodeId root;
  Shape space;
  GroupKind kind;
  NodeId nodes[MAX_PRODUCT_NODES]; // downwards; the root first
  int n_nodes;
  NodeId also_stored;   // a reduction's element-wise value that is stored, too; NO_NODE: none
  struct Draft *behind; // of a product: the draft that it has taken in; NULL: none
  bool is_gone;         // taken into another
} Draft;

typedef struct Membership { // a draft that computes a node
  Draft *draft;
  struct Membership *next;
} Membership;

typedef struct Fuse {
  Graph *graph;
  Arena *scratch;
  Users users;
  bool *is_head;       // losses and output
  Membership **drafts; // [n_nodes]
  Draft **rooted;      // [n_nodes] the draft that stores the node
  ProductFusion products;
} Fuse;

typedef struct DraftList {
  Draft **items;
  int n;
} DraftList;

static FuseKind fuse_of(const Fuse *fuse, NodeId id) {
  return op_info(graph_node(fuse->graph, id)->op)->fuse;
}

static bool is_point(const Fuse *fuse, NodeId id) {
  return fuse_of(fuse, id) == FUSE_POINT || fuse_of(fuse, id) == FUSE_MARK;
}

static bool is_leaf(const Fuse *fuse, NodeId id) {
  return fuse_of(fuse, node_storage(fuse->graph, id, NULL)) == FUSE_LEAF;
}

static void find_heads(Fuse *fuse) {
  const Graph *graph = fuse->graph;
  fuse->is_head = ARENA_ARRAY(fuse->scratch, bool, graph->n_nodes);
  fuse->is_head[graph->output] = true;
  for (int l = 0; l < graph->n_losses; l++)
    fuse->is_head[graph->losses[l].value] = fuse->is_head[graph->losses[l].term] = true;
}

// ---- drafts ----

static bool computes(const Draft *draft, NodeId id) {
  for (int i = 0; i < draft->n_nodes; i++)
    if (draft->nodes[i] == id) return true;
  return false;
}

static bool reads(const Fuse *fuse, const Draft *draft, NodeId id) {
  for (int i = 0; i < draft->n_nodes; i++) {
    const Node *node = graph_node(fuse->graph, draft->nodes[i]);
    for (int k = 0; k < node->n_in; k++)
      if (node->in[k] == id) return true;
  }
  return false;
}

static void take(Fuse *fuse, Draft *draft, NodeId id) {
  draft->nodes[draft->n_nodes++] = id;
  Membership *membership = ARENA_NEW(fuse->scratch, Membership);
  *membership = (Membership){draft, fuse->drafts[id]};
  fuse->drafts[id] = membership;
}

static void open_draft(Fuse *fuse, NodeId id) {
  Draft *draft = ARENA_NEW(fuse->scratch, Draft);
  FuseKind kind = fuse_of(fuse, id);
  draft->root = id;
  draft->kind = kind == FUSE_SINGLE ? GROUP_SINGLE : kind == FUSE_REDUCE ? GROUP_REDUCE : GROUP_POINT;
  take(fuse, draft, id);
  Group group = {.nodes = draft->nodes, .n_nodes = 1, .kind = draft->kind};
  if (kind != FUSE_SINGLE) draft->space = group_space(fuse->graph, &group);
  const Node *node = graph_node(fuse->graph, id);
  if (op_is_product(node->op)) {
    draft->kind = GROUP_PRODUCT;
    draft->space = graph_node(fuse->graph, node->in[0])->shape;
  }
  fuse->rooted[id] = draft;
}

// ---- what comes before a product ----

static bool is_wide(const Fuse *fuse, const Draft *draft, NodeId id) {
  return shape_equal(graph_node(fuse->graph, id)->shape, draft->space);
}

static bool is_same_time(const Fuse *fuse, const Draft *draft, NodeId id) {
  const Node *node = graph_node(fuse->graph, id), *root = graph_node(fuse->graph, draft->root);
  return node->phase == root->phase && node->module == root->module;
}

// Tensors of the operand's shape that `id` follows from, each counted once.
static int count_wide(const Fuse *fuse, const Draft *draft, NodeId id) {
  const Node *node = graph_node(fuse->graph, id);
  int n = 0;
  for (int i = 0; i < node->n_in; i++) {
    bool is_new = is_wide(fuse, draft, node->in[i]);
    for (int k = 0; k < i; k++) is_new &= node->in[k] != node->in[i];
    n += is_new;
  }
  return n;
}

static bool has_fitting_channels(const Fuse *fuse, NodeId operand) {
  const Shape shape = graph_node(fuse->graph, operand)->shape;
  return !fuse->products.in_pairs || shape.dim[shape.rank - 1] % 2 == 0;
}

static bool takes_before(const Fuse *fuse, const Draft *draft, NodeId id) {
  const Node *product = graph_node(fuse->graph, draft->root);
  if (draft->kind != GROUP_PRODUCT || draft->n_nodes > MAX_BEFORE) return false;
  if (!(product_has_rows(product->op) ? fuse->products.before : fuse->products.before_weights)) return false;
  for (int i = 1; i < product->n_in; i++)
    if (product->in[i] == id) return false;
  return is_point(fuse, id) && is_wide(fuse, draft, id) && has_fitting_channels(fuse, id) &&
         is_same_time(fuse, draft, id) && count_wide(fuse, draft, id) == 1 &&
         !op_is_costly(graph_node(fuse->graph, id)->op);
}

// A product can read the weight itself where another target wants it transposed.
static bool is_taken_transposed(const Fuse *fuse, NodeId id) {
  if (graph_node(fuse->graph, id)->op != OP_transpose_weight || !fuse->products.transposed) return false;
  for (NodeId u = fuse->users.first[id]; u < fuse->users.first[id + 1]; u++)
    if (!op_is_product(graph_node(fuse->graph, fuse->users.items[u])->op)) return false;
  return true;
}

// Products can fetch their operand from the smaller tensor that it is gathered from, if nobody else reads it.
static bool is_taken_gathered(const Fuse *fuse, NodeId id) {
  const Node *node = graph_node(fuse->graph, id);
  if (!fuse->products.gathered || !op_is_gathered(node->op) || fuse->is_head[id]) return false;
  if (!has_fitting_channels(fuse, id)) return false;
  if (shape_elems(graph_node(fuse->graph, node->in[0])->shape, 1) >= shape_elems(node->shape, 1))
    return false;
  for (NodeId u = fuse->users.first[id]; u < fuse->users.first[id + 1]; u++) {
    const Node *product = graph_node(fuse->graph, fuse->users.items[u]);
    if (!op_is_product(product->op) || product->module != node->module) return false;
    for (int i = 0; i < product->n_in; i++)
      if ((product->in[i] == id) != (i == 0)) return false;
  }
  return fuse->users.first[id] < fuse->users.first[id + 1];
}

static void take_by_users(Fuse *fuse, NodeId id) {
  for (NodeId u = fuse->users.first[id]; u < fuse->users.first[id + 1]; u++)
    take(fuse, fuse->rooted[fuse->users.items[u]], id);
}

// ---- who reads a value ----

static bool is_bound_by(const Fuse *fuse, NodeId user, NodeId id) {
  FuseKind kind = fuse_of(fuse, user);
  if (kind == FUSE_VIEW) return true;
  return kind == FUSE_SINGLE && !(fuse->rooted[user] && takes_before(fuse, fuse->rooted[user], id));
}

// The drafts that read `id`, each once. *is_bound: a view or a kernel of its own reads it from memory.
static DraftList readers_of(Fuse *fuse, NodeId id, bool *is_bound) {
  NodeId begin = fuse->users.first[id], end = fuse->users.first[id + 1];
  int n_most = 0;
  for (NodeId u = begin; u < end; u++)
    for (Membership *m = fuse->drafts[fuse->users.items[u]]; m; m = m->next) n_most++;
  DraftList list = {ARENA_ARRAY(fuse->scratch, Draft *, n_most), 0};
  *is_bound = fuse->is_head[id];
  for (NodeId u = begin; u < end; u++) {
    *is_bound |= is_bound_by(fuse, fuse->users.items[u], id);
    for (Membership *m = fuse->drafts[fuse->users.items[u]]; m; m = m->next) {
      bool is_new = m->draft->kind != GROUP_SINGLE;
      for (int i = 0; i < list.n; i++) is_new &= list.items[i] != m->draft;
      if (is_new) list.items[list.n++] = m->draft;
    }
  }
  return list;
}

// ---- what taking a node in costs ----

typedef struct NewInputs {
  NodeId ids[MAX_GROUP_NODES];
  int n;
} NewInputs;

// Collects the full-size tensors that `draft` must read to compute `id`, beyond those it reads now. Leaves
// are there anyway and count nothing.
static void collect_new(const Fuse *fuse, const Draft *draft, NodeId id, NewInputs *inputs, int depth) {
  const Node *node = graph_node(fuse->graph, id);
  for (int i = 0; i < node->n_in; i++) {
    NodeId in = node->in[i];
    if (!is_wide(fuse, draft, in) || is_leaf(fuse, in)) continue;
    if (computes(draft, in) || reads(fuse, draft, in)) continue;
    if (is_point(fuse, in) && depth < MAX_GROUP_NODES / 2) {
      NewInputs deeper = {.n = 0};
      collect_new(fuse, draft, in, &deeper, depth + 1);
      if (deeper.n == 0) continue;
    }
    bool is_known = false;
    for (int k = 0; k < inputs->n; k++) is_known |= inputs->ids[k] == in;
    if (!is_known && inputs->n < MAX_GROUP_NODES) inputs->ids[inputs->n++] = in;
  }
}

static int count_new(const Fuse *fuse, const Draft *draft, NodeId id) {
  NewInputs inputs = {.n = 0};
  collect_new(fuse, draft, id, &inputs, 0);
  return inputs.n;
}

// `id` joins two or more tensors, and a user in the draft waits for another that comes later than all of
// them.
static bool would_wait(const Fuse *fuse, const Draft *draft, NodeId id) {
  const Node *node = graph_node(fuse->graph, id);
  NodeId last = NO_NODE;
  int n_wide = 0;
  for (int i = 0; i < node->n_in; i++) {
    if (!is_wide(fuse, draft, node->in[i]) || is_leaf(fuse, node->in[i])) continue;
    n_wide++;
    if (node->in[i] > last) last = node->in[i];
  }
  if (n_wide < 2) return false;
  for (NodeId u = fuse->users.first[id]; u < fuse->users.first[id + 1]; u++) {
    if (!computes(draft, fuse->users.items[u])) continue;
    const Node *user = graph_node(fuse->graph, fuse->users.items[u]);
    for (int i = 0; i < user->n_in; i++) {
      NodeId other = user->in[i];
      if (other == id || other <= last || !is_wide(fuse, draft, other)) continue;
      if (!graph_node(fuse->graph, other)->recompute) return true;
    }
  }
  return false;
}

static bool has_room(const Fuse *fuse, const Draft *draft, NodeId id) {
  return draft->n_nodes < MAX_GROUP_NODES && is_wide(fuse, draft, id);
}

static bool is_free(const Fuse *fuse, const Draft *draft, NodeId id) {
  return draft->kind != GROUP_PRODUCT && has_room(fuse, draft, id) && count_new(fuse, draft, id) == 0;
}

static bool is_gain(const Fuse *fuse, const Draft *draft, NodeId id, bool is_only) {
  if (draft->kind == GROUP_PRODUCT) return takes_before(fuse, draft, id);
  if (is_free(fuse, draft, id)) return true;
  return has_room(fuse, draft, id) && is_same_time(fuse, draft, id) && !would_wait(fuse, draft, id) &&
         (is_only || count_new(fuse, draft, id) <= 1);
}

// ---- the decision ----

static void place_point(Fuse *fuse, NodeId id) {
  bool is_bound;
  DraftList readers = readers_of(fuse, id, &is_bound);
  bool is_inlined = !is_bound && readers.n > 0;
  for (int i = 0; i < readers.n && is_inlined; i++)
    is_inlined = is_gain(fuse, readers.items[i], id, readers.n == 1);
  for (int i = 0; i < readers.n; i++)
    if (is_inlined || is_free(fuse, readers.items[i], id)) take(fuse, readers.items[i], id);
  if (!is_inlined) open_draft(fuse, id);
}

// ---- reductions that store ----

// A stored element-wise value that reduction `draft` reads: both can be one kernel if the reduction needs
// nothing that comes after the value.
static bool can_absorb(const Fuse *fuse, const Draft *draft, NodeId value) {
  const Draft *maker = fuse->rooted[value];
  if (!maker || maker->kind != GROUP_POINT || !is_wide(fuse, draft, value) ||
      !is_same_time(fuse, draft, value))
    return false;
  if (draft->n_nodes + maker->n_nodes > MAX_GROUP_NODES) return false;
  for (int i = 0; i < draft->n_nodes; i++) {
    const Node *node = graph_node(fuse->graph, draft->nodes[i]);
    for (int k = 0; k < node->n_in; k++) {
      NodeId in = node->in[k];
      if (in == value || computes(draft, in) || is_leaf(fuse, in)) continue;
      bool is_early = graph_node(fuse->graph, in)->phase != node->phase || !is_wide(fuse, draft, in);
      if (in > value || !(is_early || reads(fuse, maker, in))) return false;
    }
  }
  return true;
}

static void absorb(Fuse *fuse, Draft *draft, NodeId value) {
  Draft *maker = fuse->rooted[value];
  for (int i = 0; i < maker->n_nodes; i++)
    if (!computes(draft, maker->nodes[i])) take(fuse, draft, maker->nodes[i]);
  maker->is_gone = true;
  draft->also_stored = value;
  fuse->rooted[value] = draft;
}

// { g } { bn_grad_sums g } -> one kernel that writes g and the sums.
static void absorb_makers(Fuse *fuse, Draft *draft) {
  for (int i = 0; i < draft->n_nodes; i++) {
    const Node *node = graph_node(fuse->graph, draft->nodes[i]);
    for (int k = 0; k < node->n_in; k++) {
      if (!can_absorb(fuse, draft, node->in[k])) continue;
      absorb(fuse, draft, node->in[k]);
      return;
    }
  }
}

// ---- what comes behind a product ----

// One sum a channel, or several.
static bool is_by_channel(const Fuse *fuse, NodeId sums, NodeId product) {
  Shape shape = graph_node(fuse->graph, sums)->shape;
  return shape.rank > 0 && shape.dim[0] != DIM_BATCH &&
         shape_channels(shape) == shape_channels(graph_node(fuse->graph, product)->shape);
}

// All that `draft` reads beside the product is there before the product.
static bool can_come_behind(const Fuse *fuse, const Draft *product, const Draft *draft) {
  const Node *node = graph_node(fuse->graph, product->root);
  if (draft->is_gone || !shape_equal(draft->space, node->shape) || !is_same_time(fuse, product, draft->root))
    return false;
  if (draft->kind == GROUP_REDUCE &&
      (!fuse->products.sums || !is_by_channel(fuse, draft->root, product->root)))
    return false;
  for (int i = 0; i < draft->n_nodes; i++) {
    const Node *user = graph_node(fuse->graph, draft->nodes[i]);
    for (int k = 0; k < user->n_in; k++) {
      NodeId in = user->in[k];
      if (in == product->root || computes(draft, in) || is_leaf(fuse, in)) continue;
      if (node_storage(fuse->graph, in, NULL) >= product->root) return false;
    }
  }
  return true;
}

static Draft *find_behind(const Fuse *fuse, const Draft *product) {
  for (NodeId u = fuse->users.first[product->root]; u < fuse->users.first[product->root + 1]; u++)
    for (Membership *m = fuse->drafts[fuse->users.items[u]]; m; m = m->next) {
      bool is_kind = m->draft->kind == GROUP_POINT || m->draft->kind == GROUP_REDUCE;
      if (is_kind && can_come_behind(fuse, product, m->draft)) return m->draft;
    }
  return NULL;
}

static void take_behind(Fuse *fuse, Draft *product) {
  const Node *node = graph_node(fuse->graph, product->root);
  if (!fuse->products.behind || !product_has_rows(node->op)) return;
  Draft *draft = find_behind(fuse, product);
  if (!draft) return;
  for (int i = 0; i < draft->n_nodes; i++)
    if (!computes(product, draft->nodes[i])) take(fuse, product, draft->nodes[i]);
  product->behind = draft;
  draft->is_gone = true;
  fuse->rooted[draft->root] = product;
  if (draft->also_stored) fuse->rooted[draft->also_stored] = product;
}

// A kernel other than the product's own reads its result.
static bool is_read_back(const Fuse *fuse, const Draft *product) {
  if (fuse->is_head[product->root]) return true;
  for (NodeId u = fuse->users.first[product->root]; u < fuse->users.first[product->root + 1]; u++) {
    NodeId user = fuse->users.items[u];
    if (fuse_of(fuse, user) == FUSE_VIEW) return true;
    for (Membership *m = fuse->drafts[user]; m; m = m->next)
      if (m->draft != product && !m->draft->is_gone) return true;
  }
  return false;
}

// ---- drafts to groups ----

static void find_inputs(const Fuse *fuse, const Draft *draft, Group *group) {
  int n_most = 0;
  for (int i = 0; i < group->n_nodes; i++) n_most += graph_node(fuse->graph, group->nodes[i])->n_in;
  group->inputs = ARENA_ARRAY(fuse->graph->arena, NodeId, n_most);
  for (int i = 0; i < group->n_nodes; i++) {
    const Node *node = graph_node(fuse->graph, group->nodes[i]);
    for (int k = 0; k < node->n_in; k++) {
      bool is_new = !computes(draft, node->in[k]);
      for (int j = 0; j < group->n_inputs; j++) is_new &= group->inputs[j] != node->in[k];
      if (is_new) group->inputs[group->n_inputs++] = node->in[k];
    }
  }
}

// The values that the kernel of a draft stores, upwards. Returns their number.
static int find_stored(const Fuse *fuse, const Draft *draft, NodeId *stored) {
  int n = 0;
  const Draft *last = draft->behind ? draft->behind : draft;
  if (draft->behind && is_read_back(fuse, draft)) stored[n++] = draft->root;
  if (last->also_stored) stored[n++] = last->also_stored;
  stored[n++] = last->root;
  return n;
}

// A draft is closed where its first value would be stored: all that it reads comes before.
static NodeId place_of(const Draft *draft) {
  return draft->also_stored ? draft->also_stored : draft->root;
}

static void close_draft(Fuse *fuse, const Draft *draft) {
  Graph *graph = fuse->graph;
  Group *group = &graph->groups[graph->n_groups];
  const Node *root = graph_node(graph, draft->root);
  bool is_update = op_info(root->op)->effect == EFFECT_WRITES_STATE;
  *group =
      (Group){.kind = draft->kind, .n_nodes = draft->n_nodes, .module = root->module, .phase = root->phase};
  if (draft->kind == GROUP_PRODUCT && draft->n_nodes == 1) group->kind = GROUP_SINGLE;
  if (group->kind == GROUP_PRODUCT) group->product = draft->root;
  group->nodes = ARENA_ARRAY(graph->arena, NodeId, draft->n_nodes);
  for (int i = 0; i < draft->n_nodes; i++) { // upwards: insertion sort
    int k = i;
    for (; k > 0 && group->nodes[k - 1] > draft->nodes[i]; k--) group->nodes[k] = group->nodes[k - 1];
    group->nodes[k] = draft->nodes[i];
  }
  for (int i = 0; i < draft->n_nodes; i++)
    if (fuse->rooted[draft->nodes[i]] == draft || !fuse->rooted[draft->nodes[i]])
      graph_node(graph, draft->nodes[i])->group = graph->n_groups;
  find_inputs(fuse, draft, group);
  if (!is_update) {
    group->outputs = ARENA_ARRAY(graph->arena, NodeId, MAX_STORED);
    group->n_outputs = find_stored(fuse, draft, group->outputs);
  }
  group->parts = group_parts(graph, group);
  group->partial_bytes = kernel_partial_bytes(graph, group);
  graph->n_groups++;
}

// In the order of the first value stored, updates last: those that come first read a state that later ones
// write.
static void close_drafts(Fuse *fuse) {
  Graph *graph = fuse->graph;
  int n = 0;
  for (NodeId id = 1; id < graph->n_nodes; id++) n += fuse->rooted[id] != NULL;
  graph->groups = ARENA_ARRAY(graph->arena, Group, n);
  for (int updates = 0; updates < 2; updates++)
    for (NodeId id = 1; id < graph->n_nodes; id++) {
      const Draft *draft = fuse->rooted[id];
      if (!draft || place_of(draft) != id) continue;
      bool is_update = op_info(graph_node(graph, id)->op)->effect == EFFECT_WRITES_STATE;
      if (is_update == (updates == 1)) close_draft(fuse, draft);
    }
}

void pass_fuse(Graph *graph, PassCtx *ctx) {
  Fuse fuse = {.graph = graph,
               .scratch = ctx->scratch,
               .users = graph_users(graph, ctx->scratch),
               .drafts = ARENA_ARRAY(ctx->scratch, Membership *, graph->n_nodes),
               .rooted = ARENA_ARRAY(ctx->scratch, Draft *, graph->n_nodes),
               .products = ctx->products};
  if (ctx->unfused) fuse.products = (ProductFusion){0};
  find_heads(&fuse);
  for (NodeId id = graph->n_nodes - 1; id > 0; id--) {
    FuseKind kind = fuse_of(&fuse, id);
    if (kind == FUSE_LEAF || kind == FUSE_VIEW) continue;
    if (is_point(&fuse, id) && !ctx->unfused)
      place_point(&fuse, id);
    else if (is_taken_transposed(&fuse, id) || is_taken_gathered(&fuse, id))
      take_by_users(&fuse, id);
    else
      open_draft(&fuse, id);
  }
  for (NodeId id = 1; id < graph->n_nodes && !ctx->unfused; id++)
    if (fuse.rooted[id] && fuse.rooted[id]->kind == GROUP_REDUCE) absorb_makers(&fuse, fuse.rooted[id]);
  for (NodeId id = 1; id < graph->n_nodes; id++)
    if (fuse.rooted[id] && fuse.rooted[id]->kind == GROUP_PRODUCT && fuse.rooted[id]->root == id)
      take_behind(&fuse, fuse.rooted[id]);
  close_drafts(&fuse);
}
