// Which of a product's tiles: the best by estimated time, or the one that was measured to be faster.
#pragma once
#include "compiler/emit/choices.h"
#include "compiler/emit/cuda/tile.h"

// choices NULL: by estimated time. *use: where the choice is noted, -1: nowhere.
Tile tile_choice(EmitChoices *choices, const TileSize *size, int *use);
