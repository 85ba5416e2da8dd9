"""The CIFAR ResNet of the models in plain PyTorch: conv3x3 stem, three stages of basic blocks, projection shortcuts."""

import math

import torch
from torch import nn
from torch.nn import functional as F


def conv(n_in, n_out, kernel, stride=1):
    return nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False)


class Basic(nn.Module):
    def __init__(self, n_in, n_out, stride=1):
        super().__init__()
        self.conv1, self.bn1 = conv(n_in, n_out, 3, stride), nn.BatchNorm2d(n_out)
        self.conv2, self.bn2 = conv(n_out, n_out, 3), nn.BatchNorm2d(n_out)
        same = n_in == n_out and stride == 1
        self.shortcut = nn.Sequential() if same else nn.Sequential(conv(n_in, n_out, 1, stride), nn.BatchNorm2d(n_out))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


def units(width=16, n_blocks=5, channels=3, stem_stride=1):
    """The stem and every block, in order: what a split may name."""
    result = [nn.Sequential(conv(channels, width, 3, stem_stride), nn.BatchNorm2d(width), nn.ReLU())]
    n_in = width
    for stage in range(3):
        n_out = width << stage
        for block in range(n_blocks):
            result.append(Basic(n_in, n_out, 2 if stage > 0 and block == 0 else 1))
            n_in = n_out
    return result


class Tail(nn.Module):
    def __init__(self, n_in, classes=10):
        super().__init__()
        self.fc = nn.Linear(n_in, classes)

    def forward(self, x):
        return self.fc(x.mean((2, 3)))


def init(module):
    """N(0, sqrt(2 / (k * k * out_channels))) for every convolution without bias; the defaults for the rest."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d) and m.bias is None:
            nn.init.normal_(m.weight, 0, math.sqrt(2 / (m.kernel_size[0] * m.kernel_size[1] * m.out_channels)))
    return module


def resnet(width=16, n_blocks=5, channels=3, classes=10):
    return init(nn.Sequential(*units(width, n_blocks, channels), Tail(4 * width, classes)))


def sgd(parameters, lr):
    return torch.optim.SGD(parameters, lr, momentum=0.9, nesterov=True, weight_decay=1e-4)
