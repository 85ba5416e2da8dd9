// Statements. A body has one set of names; `if` and `for` do not open another.
#include "compiler/sema/internal.h"

#include <string.h>

static const char *const body_words[] = {"a block", "a model", "an auxiliary", "an entry"};

static void run(Sema *sema, Body *body, const Ast *statement);

static void run_all(Sema *sema, Body *body, const Ast *statements) {
  for (int i = 0; i < statements->n_kids; i++) {
    const Ast *statement = statements->kids[i];
    if (body->is_returned) {
      sema_error(sema, statement->span, "nothing is evaluated after `return`");
      body->is_failed = true;
      return;
    }
    run(sema, body, statement);
  }
}

static bool is_fit_to_bind(Sema *sema, Body *body, Value value, const Ast *name) {
  if (value.kind == VAL_ERROR) return false;
  if (body->kind != BODY_MODEL || value.kind == VAL_TENSOR || value.kind == VAL_NETWORK) return true;
  sema_error(sema, name->span, "a stage of a model must be a tensor, %s is %s", name->text,
             value_describe(sema, value));
  sema_note(sema, NO_SPAN, "`let %s = ...` names any other value", name->text);
  return false;
}

// A network without a name of its own takes the name it is bound to.
static void label_network(Value value, const char *name) {
  if (value.kind == VAL_NETWORK && !value.network->label && value.network->n_applied == 0)
    value.network->label = name;
}

static void run_let(Sema *sema, Body *body, const Ast *let) {
  Value value = eval(sema, body->env, let->kids[1]);
  body->is_failed |= value.kind == VAL_ERROR;
  label_network(value, let->kids[0]->text);
  env_set(sema, body->env, let->kids[0]->text, value);
}

static void run_bind(Sema *sema, Body *body, const Ast *bind) {
  if (body->kind == BODY_MODEL) {
    model_bind_stage(sema, body, bind);
    return;
  }
  Value value = eval(sema, body->env, bind->kids[1]);
  body->is_failed |= !is_fit_to_bind(sema, body, value, bind->kids[0]);
  label_network(value, bind->kids[0]->text);
  env_set(sema, body->env, bind->kids[0]->text, value);
}

static void run_input(Sema *sema, Body *body, const Ast *input) {
  if (body->kind == BODY_MODEL) {
    model_input(sema, body, input);
    return;
  }
  body->is_failed = true;
  if (body->kind == BODY_AUXILIARY) {
    sema_error(sema, input->span, "the input of an auxiliary is x, the output of its module");
    return;
  }
  if (input->kids[1]) {
    sema_error(sema, input->kids[1]->span, "the input of a block has the shape of what it is applied to");
    env_set(sema, body->env, input->kids[0]->text, value_error(input->span));
    return;
  }
  body->is_failed = false;
  env_set(sema, body->env, input->kids[0]->text, env_find(body->env, "x")->value);
}

static void run_if(Sema *sema, Body *body, const Ast *statement) {
  bool truth;
  if (!expect_truth(sema, eval(sema, body->env, statement->kids[0]), "the condition of `if`", &truth)) {
    body->is_failed = true;
    return;
  }
  const Ast *branch = statement->kids[truth ? 1 : 2];
  if (!branch) return;
  if (branch->kind == AST_IF)
    run_if(sema, body, branch);
  else
    run_all(sema, body, branch);
}

static int count_elements(Sema *sema, Value value) {
  if (value.kind == VAL_LIST) return value.list->n;
  if (value.kind == VAL_STAGE) return sema->backbone->stages[value.index].n_units;
  if (value.kind != VAL_ERROR)
    sema_error(sema, value.span, "`for` walks over a list or a stage, this is %s",
               value_describe(sema, value));
  return -1;
}

static Value element(Sema *sema, Value value, int i) {
  if (value.kind == VAL_LIST) return value.list->items[i];
  return (Value){
      .kind = VAL_UNIT, .span = value.span, .index = sema->backbone->stages[value.index].first_unit + i};
}

static void run_for(Sema *sema, Body *body, const Ast *statement) {
  Value list = eval(sema, body->env, statement->kids[1]);
  int n = count_elements(sema, list);
  body->is_failed |= n < 0;
  for (int i = 0; i < n && !body->is_failed && !body->is_returned; i++) {
    env_set(sema, body->env, statement->kids[0]->text, element(sema, list, i));
    run_all(sema, body, statement->kids[2]);
  }
}

static void run_return(Sema *sema, Body *body, const Ast *statement) {
  if (body->kind != BODY_BLOCK && body->kind != BODY_ENTRY) {
    sema_error(sema, statement->span,
               "`return` belongs in a block; the output of a model is its last binding");
    body->is_failed = true;
    return;
  }
  body->result = eval(sema, body->env, statement->kids[0]);
  body->is_failed |= body->result.kind == VAL_ERROR;
  body->is_returned = true;
}

// What says how a module trains.
static bool may_train(Sema *sema, Body *body, const Ast *statement, const char *what) {
  if (body->kind == BODY_AUXILIARY) return true;
  sema_error(sema, statement->span, "%s in an auxiliary or in `final`, not in %s", what,
             body_words[body->kind]);
  body->is_failed = true;
  return false;
}

static void run(Sema *sema, Body *body, const Ast *statement) {
  switch (statement->kind) {
  case AST_BIND: run_bind(sema, body, statement); break;
  case AST_LET: run_let(sema, body, statement); break;
  case AST_INPUT: run_input(sema, body, statement); break;
  case AST_LOSS:
    if (may_train(sema, body, statement, "a loss belongs")) losses_statement(sema, body, statement);
    break;
  case AST_STATISTICS:
    if (may_train(sema, body, statement, "`statistics` belongs")) statistics_statement(sema, body, statement);
    break;
  case AST_RETURN: run_return(sema, body, statement); break;
  case AST_IF: run_if(sema, body, statement); break;
  case AST_FOR: run_for(sema, body, statement); break;
  default: body->is_failed = true; break; // what a syntax error left
  }
}

void body_run(Sema *sema, Body *body, const Ast *statements) {
  run_all(sema, body, statements);
}
