// What plan.json holds, as tables: one row a field of program.h. Saving and loading walk the same tables, so
// that neither can forget what the other writes. Private to the runtime's plan files.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct Schema Schema;

typedef enum FieldKind {
  FIELD_TEXT,
  FIELD_OPTIONAL_TEXT, // may be null
  FIELD_BOOL,
  FIELD_INT,
  FIELD_INT32,
  FIELD_INT64,
  FIELD_UINT64, // as the int64 of the same bits: JSON readers know no larger one
  FIELD_REAL,
  FIELD_NAME, // an enumeration, by the names of its values
  FIELD_RECORD,
} FieldKind;

typedef enum FieldList {
  LIST_NONE,    // one value
  LIST_INLINE,  // an array inside the record
  LIST_POINTER, // a pointer to an array
} FieldList;

typedef struct Field {
  const char *key;
  FieldKind kind;
  FieldList list;
  size_t offset;
  // A list's length: an int of the record, or what `count` derives from the fields before (-1: from
  // nonsense).
  size_t count_offset;
  int64_t (*count)(const void *record);
  int capacity;             // LIST_INLINE
  const char *count_key;    // the int's name; NULL: the length is derived
  const char *const *names; // FIELD_NAME; NULL ends
  const Schema *schema;     // FIELD_RECORD
} Field;

struct Schema {
  const char *name; // of the structure
  size_t n_bytes;
  const Field *fields; // key NULL ends
};

extern const Schema mla_program_schema;
#define MLA_PLAN_FORMAT "mlaanc plan"
enum { MLA_PLAN_VERSION = 10 };

size_t mla_field_bytes(const Field *field);                      // of one element
int64_t mla_field_count(const Field *field, const void *record); // of a list
