// The ways to cut a convolution's kernel that --tune measures.
#pragma once
#include "compiler/emit/c/conv.h"
#include "compiler/emit/writer.h"

typedef enum ConvDirection { CONV_FORWARD, CONV_GRAD_INPUT, CONV_GRAD_WEIGHT } ConvDirection;

// How this kernel is cut: by estimate unless choices say otherwise. *use: for KernelDraft.
ConvCut conv_choice(Emit *emit, const ConvSpec *spec, ConvDirection direction, int *use);
