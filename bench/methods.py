"""Methods of local learning in plain PyTorch, the way their papers' code is written: a forward pass and a backward() for
each module in turn, detach() at the borders, copies of blocks as modules of their own, EMA by hand, one optimiser over all.

Every method is an nn.Module with
    losses(x, label): yields, module by module, what is to be differentiated and the plain losses by mlaanc's names
    backward(x, label): fills the gradients; the plain losses by mlaanc's names
    after_backward(): what the method does to its weights before the optimiser's step
    states():         (module, prefix) pairs, where mlaanc's checkpoints have these weights
Modules' attributes have mlaanc's names, but for those that RENAMED translates."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

import resnet
from ours import MEAN, STD

RENAMED = {"shortcut.0.": "conv3.", "shortcut.1.": "bn3.", "0.": "conv1.", "1.": "bn1.", "fc.": "linear1."}


# ---- heads ----------------------------------------------------------------------------------------------------------


class HeadConv(nn.Module):
    def __init__(self, n_in):
        super().__init__()
        self.planes = min(2 * n_in, 64)
        self.conv1 = resnet.conv(n_in, self.planes, 3, 1 if self.planes == n_in else 2)
        self.bn1 = nn.BatchNorm2d(self.planes)

    def forward(self, x):
        return F.relu(self.bn1(self.conv1(x)))


class Head1c2f(nn.Module):
    def __init__(self, n_in, classes=10):
        super().__init__()
        self.head_conv = HeadConv(n_in)
        self.linear1, self.linear2 = nn.Linear(self.head_conv.planes, 128), nn.Linear(128, classes)

    def forward(self, x):
        return self.linear2(F.relu(self.linear1(self.head_conv(x).mean((2, 3)))))


class Head2c2f(Head1c2f):
    def __init__(self, n_in, classes=10):
        super().__init__(n_in, classes)
        planes = self.head_conv.planes
        self.conv1, self.bn1 = resnet.conv(planes, planes, 3), nn.BatchNorm2d(planes)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(self.head_conv(x))))
        return self.linear2(F.relu(self.linear1(y.mean((2, 3)))))


class Head0c1f(nn.Module):
    def __init__(self, n_in, classes=10):
        super().__init__()
        self.linear1 = nn.Linear(n_in, classes)

    def forward(self, x):
        return self.linear1(x.mean((2, 3)))


class DglHead(nn.Module):
    def __init__(self, n_in, classes=10):
        super().__init__()
        for i in (1, 2, 3):
            setattr(self, f"conv{i}", resnet.conv(n_in, n_in, 1))
            setattr(self, f"bn{i}", nn.BatchNorm2d(n_in))
        for i in (1, 2):
            setattr(self, f"linear{i}", nn.Linear(4 * n_in, 4 * n_in, bias=False))
            setattr(self, f"bn{i + 3}", nn.BatchNorm1d(4 * n_in))
        self.linear3 = nn.Linear(4 * n_in, classes)

    def forward(self, x):
        x = F.adaptive_avg_pool2d(x, (-(-x.shape[2] // 4), -(-x.shape[3] // 4)))
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.relu(self.bn3(self.conv3(x)))
        x = F.adaptive_avg_pool2d(x, (2, 2)).flatten(1)
        x = F.relu(self.bn4(self.linear1(x)))
        return self.linear3(F.relu(self.bn5(self.linear2(x))))


class Decoder(nn.Module):
    def __init__(self, n_in, size, channels=3):
        super().__init__()
        self.size = size
        self.conv1, self.bn1 = nn.Conv2d(n_in, 12, 3, padding=1), nn.BatchNorm2d(12)
        self.conv2 = nn.Conv2d(12, channels, 3, padding=1)

    def forward(self, x):
        x = F.interpolate(x, self.size, mode="bilinear", align_corners=True)
        return self.conv2(F.relu(self.bn1(self.conv1(x))))


class InfoPro(nn.Module):
    """Reconstruction of the image and its class, with two weights."""

    def __init__(self, n_in, size, head, weights):
        super().__init__()
        self.decoder, self.head, self.weights = Decoder(n_in, size), head(n_in), weights

    def forward(self, y, x, label):
        # On probabilities, as published; which autocast allows in float32 alone.
        logits = self.decoder(y)
        with torch.autocast(logits.device.type, enabled=False):
            reconstruct = F.binary_cross_entropy(torch.sigmoid(logits.float()), x * STD + MEAN)
        classify = F.cross_entropy(self.head(y), label)
        return self.weights[0] * reconstruct + self.weights[1] * classify, {"reconstruct": reconstruct, "classify": classify}

    def states(self, prefix, name):
        return [(self.decoder, f"{prefix}.infopro.reconstruction.decoder."), (self.head, f"{prefix}.infopro.classifier.{name}.")]


# ---- the backbone, cut ----------------------------------------------------------------------------------------------


class Cut(nn.Module):
    """A CIFAR ResNet; `ends` are the numbers of the units (0: the stem) that end the modules but the last."""

    def __init__(self, n_blocks, width, ends, size):
        super().__init__()
        units = resnet.units(width, n_blocks)
        self.names = ["stem"] + [f"stage{1 + b // n_blocks}.{b % n_blocks}" for b in range(3 * n_blocks)]
        self.units, self.tail, self.ends, self.size = nn.ModuleList(units), resnet.Tail(4 * width), ends, size
        begins = [0] + [end + 1 for end in ends]
        self.parts = [nn.Sequential(*units[begin:end + 1]) for begin, end in zip(begins, ends + [len(units) - 1])]
        self.widths = [width] + [width << (b // n_blocks) for b in range(3 * n_blocks)]
        self.n_modules = len(self.parts)

    def states(self):
        return [(unit, name + ".") for unit, name in zip(self.units, self.names)] + [(self.tail, "logits.")]

    def final(self, x, label):
        return F.cross_entropy(self.tail(self.parts[-1](x)), label)


class Method(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def backward(self, x, label):
        """As the papers' code: each module's loss is differentiated before the next module runs."""
        plain = {}
        for loss, terms in self.losses(x, label):
            loss.backward()
            plain.update((name, term.detach()) for name, term in terms.items())
        return plain

    def after_backward(self):
        pass

    def states(self):
        return self.net.states()

    def trained(self):
        return [p for p in self.parameters() if p.requires_grad]

    def last(self, x, label):
        loss = self.net.final(x.detach(), label)
        return loss, {f"{self.net.n_modules - 1}.cross_entropy": loss}


class E2e(Method):
    def losses(self, x, label):
        for part in self.net.parts[:-1]:
            x = part(x)
        loss = self.net.final(x, label)
        yield loss, {"0.cross_entropy": loss}


class Dgl(Method):
    def __init__(self, net):
        super().__init__(net)
        self.heads = nn.ModuleList(DglHead(net.widths[end]) for end in net.ends)

    def losses(self, x, label):
        for i, part in enumerate(self.net.parts[:-1]):
            x = part(x.detach())
            loss = F.cross_entropy(self.heads[i](x), label)
            yield loss, {f"{i}.cross_entropy": loss}
        yield self.last(x, label)

    def states(self):
        return super().states() + [(head, f"aux{i}.dgl_head.") for i, head in enumerate(self.heads)]


def between(first, last, i, n):
    r = i / (n - 2) if n > 2 else 0
    return [a * (1 - r) + b * r for a, b in zip(first, last)]


class InfoProSoftmax(Method):
    def __init__(self, net):
        super().__init__(net)
        first, last = ([5, 0.05], [0.2, 0.5]) if net.n_modules == 16 else ([5, 0], [0.5, 1]) if net.n_modules == 55 else ([5, 0.5], [0.5, 1])
        self.heads = nn.ModuleList(InfoPro(net.widths[end], net.size, Head1c2f, between(first, last, i, net.n_modules))
                                   for i, end in enumerate(net.ends))

    def losses(self, x, label):
        image = x
        for i, part in enumerate(self.net.parts[:-1]):
            x = part(x.detach())
            loss, terms = self.heads[i](x, image, label)
            yield loss, {f"{i}.{name}": term for name, term in terms.items()}
        yield self.last(x, label)

    def states(self):
        return super().states() + [pair for i, head in enumerate(self.heads) for pair in head.states(f"aux{i}", "head_1c2f")]


def frozen(block):
    block = copy.deepcopy(block)
    for p in block.parameters():
        p.requires_grad_(False)
    return block


def follow(copies, sources, momentum):
    with torch.no_grad():
        for mine, source in zip(copies, sources):
            for p, q in zip(mine.parameters(), source.parameters()):
                p.mul_(momentum).add_(q, alpha=1 - momentum)


class Man(Method):
    """EMA copy + learnable copy of the block behind each border, InfoPro's losses on their sum."""

    def __init__(self, net, momentum=0.995):
        super().__init__(net)
        self.momentum, self.sources = momentum, [net.units[end + 1] for end in net.ends]
        self.ema = nn.ModuleList(frozen(block) for block in self.sources)
        self.fresh = nn.ModuleList(copy.deepcopy(block) for block in self.sources)
        self.heads = nn.ModuleList(InfoPro(net.widths[end + 1], net.size, Head2c2f, [5, 0.5]) for end in net.ends)

    def losses(self, x, label):
        image = x
        for i, part in enumerate(self.net.parts[:-1]):
            x = part(x.detach())
            loss, terms = self.heads[i](self.ema[i](x) + self.fresh[i](x), image, label)
            yield loss, {f"{i}.{name}": term for name, term in terms.items()}
        yield self.last(x, label)

    def after_backward(self):
        follow(self.ema, self.sources, self.momentum)

    def states(self):
        pairs = super().states()
        for i, head in enumerate(self.heads):
            pairs += [(self.ema[i], f"aux{i}.ema1."), (self.fresh[i], f"aux{i}.copy1.")] + head.states(f"aux{i}", "head_2c2f")
        return pairs


def chains_of(net):
    """The published links of each module, as numbers of units; of other cuts, the openers of later stages and the last block."""
    n, k = (len(net.units) - 1) // 3, net.n_modules
    unit = lambda stage, block: 1 + (stage - 1) * n + block
    if n == 5 and k == 15:
        a, b = [(2, 0), (3, 0), (3, 2), (3, 4)], [(2, 0), (3, 0), (3, 3), (3, 4)]
        rows = [a, a, b, a, b] + 5 * [[(3, 0), (3, 2), (3, 3), (3, 4)]]
        rows += [[(3, 1), (3, 2), (3, 4)], [(3, 2), (3, 3), (3, 4)], [(3, 3), (3, 4)], [(3, 4)]]
    elif n == 18 and k == 54:
        rows = 18 * [[(2, 0), (3, 0), (3, 2), (3, 17)]] + 17 * [[(3, 0), (3, 2), (3, 3), (3, 17)]] + [[(3, 0), (3, 3), (3, 4), (3, 17)]]
        rows += 7 * [[(3, 8), (3, 17)]] + 4 * [[(3, 14), (3, 17)]] + 2 * [[(3, 15), (3, 17)]] + 3 * [[(3, 16), (3, 17)]] + [[(3, 17)]]
    else:
        return [[u for u in range(end + 1, 3 * n) if net.widths[u] != net.widths[u - 1]] + [3 * n] for end in net.ends]
    return [[unit(*link) for link in row] for row in rows]


class Mlaan(Method):
    """Independent losses, and cascades through two modules and a chain of copies of later blocks, the first beside its EMA.
    As published, a cascade computes the modules that it runs through again."""

    def __init__(self, net, w_x=0.001, w_y=0.999, momentum=0.995):
        super().__init__(net)
        self.momentum, self.w_x, self.w_y, chains = momentum, w_x, w_y, chains_of(net)
        self.sources = [net.units[chain[0]] for chain in chains]
        self.ema = nn.ModuleList(frozen(block) for block in self.sources)
        self.copies = nn.ModuleList(nn.ModuleList(copy.deepcopy(net.units[u]) for u in chain) for chain in chains)
        self.own = nn.ModuleList(Head0c1f(net.widths[end]) for end in net.ends)
        self.far = nn.ModuleList(Head0c1f(net.widths[-1]) for _ in net.ends)

    def chain(self, i, y):
        y = self.copies[i][0](y) + self.ema[i](y)
        for link in self.copies[i][1:]:
            y = link(y)
        return self.far[i](y)

    def both(self, name, independent, cascade):
        inner = "" if name.endswith(str(self.net.n_modules - 1)) else ".cross_entropy"
        return self.w_x * independent + self.w_y * cascade, {f"{name}.independent{inner}": independent, f"{name}.cascade{inner}": cascade}

    def losses(self, x, label):
        parts, before = self.net.parts, None
        for i, part in enumerate(parts[:-1]):
            handed = x.detach()
            x = part(handed)
            y = x if i == 0 else part(parts[i - 1](before))
            yield self.both(f"{i}", F.cross_entropy(self.own[i](x), label), F.cross_entropy(self.chain(i, y), label))
            before = handed
        yield self.both(f"{len(parts) - 1}", self.net.final(x.detach(), label), self.net.final(parts[-2](before), label))

    def after_backward(self):
        follow(self.ema, self.sources, self.momentum)

    def states(self):
        pairs = super().states()
        for i, chain in enumerate(self.copies):
            pairs += [(self.ema[i], f"aux{i}.leap.ema1."), (self.own[i], f"aux{i}.greedy.head_0c1f."), (self.far[i], f"aux{i}.greedy_2.head_0c1f.")]
            pairs += [(link, f"aux{i}.leap.copy{k + 1}.") for k, link in enumerate(chain)]
        return pairs


class MlaanShared(Mlaan):
    """The same losses and gradients with the work that cascades have in common done once: a forward pass of each module, and
    over its graph two backward passes. The first carries its cascade's gradient on into the module before; the second, for
    its weights alone, what stops at its input: the independent loss's, and what the next module's cascade sends. (Running
    statistics move once a step, where the published code moves them once for each time that it runs a module.)"""

    def backward(self, x, label):
        parts, plain, flush = self.net.parts, {}, None
        for i, part in enumerate(parts[:-1]):
            handed = x.detach().requires_grad_(i > 0)
            x = part(handed)
            stops, flows, terms = self.heads_backward(i, x.detach().requires_grad_(), label)
            plain.update(terms)
            if i > 0:
                torch.autograd.backward(x, flows, retain_graph=True)
                flush(handed.grad)
            flush = self.second_pass(part, x, stops if i > 0 else stops + flows)
        handed = x.detach().requires_grad_()
        loss = self.net.final(handed, label)
        weighted, terms = self.both(f"{len(parts) - 1}", loss, loss)
        weighted.backward()
        flush(handed.grad * (self.w_y / (self.w_x + self.w_y)))
        return {**plain, **{name: term.detach() for name, term in terms.items()}}

    def heads_backward(self, i, x, label):
        """Gradients for x of the independent and of the cascade's loss, weighted, and the plain losses."""
        grads, losses = [], []
        for weight, logits in ((self.w_x, lambda: self.own[i](x)), (self.w_y, lambda: self.chain(i, x))):
            x.grad, loss = None, F.cross_entropy(logits(), label)
            (weight * loss).backward()
            grads.append(x.grad)
            losses.append(loss.detach())
        return *grads, self.both(f"{i}", *losses)[1]

    @staticmethod
    def second_pass(part, x, stops):
        return lambda sent: torch.autograd.backward(x, stops + sent, inputs=list(part.parameters()))


METHODS = {"e2e": E2e, "dgl": Dgl, "infopro_softmax": InfoProSoftmax, "man": Man, "mlaan": Mlaan, "mlaan_shared": MlaanShared}


# ---- weights, steps -------------------------------------------------------------------------------------------------


def load(method, tensors):
    """Takes mlaanc's weights, by name; every parameter must be there, each tensor be used."""
    unused = {name for name in tensors if not name.endswith(".momentum")}
    with torch.no_grad():
        for module, prefix in method.states():
            for key, value in module.state_dict().items():
                if key.endswith("num_batches_tracked"):
                    continue
                ours = next((new + key[len(old):] for old, new in RENAMED.items() if key.startswith(old)), key)
                if prefix + ours not in tensors:
                    if "running_" in key:
                        continue  # of auxiliaries: not kept
                    raise KeyError(f"the checkpoint has no {prefix + ours}")
                value.copy_(tensors[prefix + ours])
                unused.discard(prefix + ours)
    if unused:
        raise KeyError(f"no place for {sorted(unused)[0]} and {len(unused) - 1} more of the checkpoint")


def step(method, optimizer, x, label):
    """The plain losses."""
    optimizer.zero_grad(set_to_none=True)
    plain = method.backward(x, label)
    method.after_backward()
    optimizer.step()
    return plain


def total(method, x, label):
    """All losses in one graph: the borders are cut all the same. For torch.compile."""
    parts = list(method.losses(x, label))
    return sum(loss for loss, _ in parts), torch.stack([term.detach() for _, terms in parts for term in terms.values()])
