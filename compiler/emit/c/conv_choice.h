// The ways to cut a convolution's kernel that --tune measures.
#pragma once
#include "compiler/emit/c/conv.h"
#include "compiler/emit/layer.h"

// How this kernel is cut: by estimate unless choices say otherwise. *use: for KernelDraft.
ConvCut conv_choice(Emit *emit, const ConvSpec *spec, LayerKernel kernel, int *use);
