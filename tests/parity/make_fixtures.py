#!/usr/bin/env python3
"""Records a few training steps of tiny networks with PyTorch, as fixtures for `mlaanc replay`.

    tests/parity/make_fixtures.py [--out DIR] [--venv DIR]

Writes DIR/NAME.safetensors and DIR/NAME.json (default: tests/parity/fixtures). Every method is written down plainly:
run the modules in order, call backward where the method does, then one SGD step. Networks are dictionaries of tensors by
name; a layer is a function of its name. Each fixture is recorded in float64 and float32, at the method's learning rate
and at a small one ("calm"), from one float32 start.
"""

import argparse
import json
import math
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "bench"))
import torchenv  # noqa: E402

BATCH, STEPS, SIZE, CLASSES, WIDTH = 8, 3, 12, 7, 3
LR, CALM_LR, MOMENTUM, WEIGHT_DECAY, EMA_MOMENTUM = 0.05, 1e-4, 0.9, 1e-4, 0.995
MEAN, STD = ["125.3/255", "123.0/255", "113.9/255"], ["63.0/255", "62.1/255", "66.7/255"]
SAMPLE_LIMIT = 24  # larger tensors are recorded as every p-th element


def per_channel(texts, dtype):
    """The constants of normalisation: rounded to float32, whatever is computed in."""
    values = [float(text.split("/")[0]) / float(text.split("/")[1]) for text in texts]
    return torch.tensor(values, dtype=torch.float32).to(dtype).view(1, 3, 1, 1)


class Net:
    """Parameters (trained), copies (EMA, not trained) and batch-norm buffers, by name."""

    def __init__(self, generator=None):
        self.params, self.copies, self.buffers, self.generator = {}, {}, {}, generator
        self.training = True

    def of_type(self, dtype):
        net = Net()
        net.params = {k: v.to(dtype).clone().requires_grad_() for k, v in self.params.items()}
        net.copies = {k: v.to(dtype).clone() for k, v in self.copies.items()}
        net.buffers = {k: v.to(dtype).clone() for k, v in self.buffers.items()}
        return net

    def weight(self, name):
        return self.params[name] if name in self.params else self.copies[name]

    # ---- making layers ----
    def uniform(self, shape, bound):
        return (2 * torch.rand(shape, generator=self.generator) - 1) * bound

    def make_conv(self, name, cin, cout, k, bias=False):
        self.params[name + ".weight"] = torch.randn(cout, cin, k, k, generator=self.generator) * math.sqrt(2 / (k * k * cout))
        if bias:
            self.params[name + ".bias"] = self.uniform((cout,), 1 / math.sqrt(cin * k * k))

    def make_linear(self, name, cin, cout):
        self.params[name + ".weight"] = self.uniform((cout, cin), 1 / math.sqrt(cin))
        self.params[name + ".bias"] = self.uniform((cout,), 1 / math.sqrt(cin))

    def make_bn(self, name, c):
        self.params[name + ".weight"], self.params[name + ".bias"] = torch.ones(c), torch.zeros(c)
        self.buffers[name + ".running_mean"], self.buffers[name + ".running_var"] = torch.zeros(c), torch.ones(c)

    def make_block(self, name, cin, cout):
        for i, (a, b) in enumerate([(cin, cout), (cout, cout)], 1):
            self.make_conv(f"{name}.conv{i}", a, b, 3)
            self.make_bn(f"{name}.bn{i}", b)
        if cin != cout:
            self.make_conv(f"{name}.downsample.0", cin, cout, 1)
            self.make_bn(f"{name}.downsample.1", cout)

    def make_copy(self, name, source, trained):
        """Starts equal to the source."""
        table = self.params if trained else self.copies
        for key in [k for k in self.params if k.startswith(source + ".")]:
            table[name + key[len(source):]] = self.params[key].clone()
        for key in [k for k in self.buffers if k.startswith(source + ".")]:
            self.buffers[name + key[len(source):]] = self.buffers[key].clone()

    def freeze(self, name):
        for key in [k for k in self.params if k.startswith(name + ".")]:
            self.copies[key] = self.params.pop(key)

    # ---- applying layers ----
    def conv(self, name, x, stride=1):
        weight = self.weight(name + ".weight")
        return F.conv2d(x, weight, self.params.get(name + ".bias"), stride, weight.shape[2] // 2)

    def linear(self, name, x):
        return F.linear(x, self.params[name + ".weight"], self.params[name + ".bias"])

    def bn(self, name, x):
        return F.batch_norm(x, self.buffers[name + ".running_mean"], self.buffers[name + ".running_var"],
                            self.weight(name + ".weight"), self.weight(name + ".bias"), self.training, 0.1, 1e-5)

    def block(self, name, x):
        narrow = name + ".downsample.0.weight" in self.params or name + ".downsample.0.weight" in self.copies
        y = F.relu(self.bn(name + ".bn1", self.conv(name + ".conv1", x, 2 if narrow else 1)))
        y = self.bn(name + ".bn2", self.conv(name + ".conv2", y))
        if narrow:
            x = self.bn(name + ".downsample.1", self.conv(name + ".downsample.0", x, 2))
        return F.relu(y + x)

    def blocks(self, names, x):
        for name in names:
            x = self.block(name, x)
        return x

    def stem(self, images):
        return F.relu(self.bn("bn1", self.conv("conv1", images)))

    def pooled(self, name, x):
        return self.linear(name, x.mean(dim=(2, 3)))

    def ema_step(self, name, source):
        """The source's value from before the optimiser step; buffers are left alone."""
        for key in [k for k in self.copies if k.startswith(name + ".")]:
            old = self.params[source + key[len(name):]].detach()
            self.copies[key] = EMA_MOMENTUM * self.copies[key] + (1 - EMA_MOMENTUM) * old


# ---- heads ----

def make_head(net, name, c, convs):
    """1c2f and 2c2f: convolutions, pool, two linear layers."""
    planes, at = min(2 * c, 64), 0
    for i in range(convs):
        net.make_conv(f"{name}.head.{at}", c if i == 0 else planes, planes, 3)
        net.make_bn(f"{name}.head.{at + 1}", planes)
        at += 3
    net.make_linear(f"{name}.head.{at + 2}", planes, 128)
    net.make_linear(f"{name}.head.{at + 4}", 128, CLASSES)


def head(net, name, x, convs):
    at = 0
    for i in range(convs):
        grows = i == 0 and net.params[f"{name}.head.0.weight"].shape[0] != x.shape[1]
        x = F.relu(net.bn(f"{name}.head.{at + 1}", net.conv(f"{name}.head.{at}", x, 2 if grows else 1)))
        at += 3
    return net.linear(f"{name}.head.{at + 4}", F.relu(net.pooled(f"{name}.head.{at + 2}", x)))


def make_decoder(net, name, c):
    net.make_conv(f"{name}.decoder.0", c, 12, 3, bias=True)
    net.make_bn(f"{name}.decoder.1", 12)
    net.make_conv(f"{name}.decoder.3", 12, 3, 3, bias=True)


def decoder(net, name, x):
    x = F.interpolate(x, size=(SIZE, SIZE), mode="bilinear", align_corners=True)
    x = F.relu(net.bn(f"{name}.decoder.1", net.conv(f"{name}.decoder.0", x)))
    return torch.sigmoid(net.conv(f"{name}.decoder.3", x))


# ---- backbone ----

def channels(block):
    return WIDTH * 2 ** (int(block[5]) - 1)  # "layer2.0"


def make_backbone(net, n, fc):
    net.make_conv("conv1", 3, WIDTH, 3)
    net.make_bn("bn1", WIDTH)
    c = WIDTH
    for stage in range(1, 4):
        for b in range(n):
            name = f"layer{stage}.{b}"
            net.make_block(name, c, channels(name))
            c = channels(name)
    net.make_linear(fc, c, CLASSES)


def split_modules(n, ends, fc):
    """One entry a module: the blocks up to and with each end, then the rest."""
    names = [f"layer{s}.{b}" for s in range(1, 4) for b in range(n)]
    starts = [0] + [names.index(end) + 1 for end in ends]
    stops = starts[1:] + [len(names)]
    modules = [{"index": i, "stem": i == 0, "blocks": names[a:b]} for i, (a, b) in enumerate(zip(starts, stops))]
    modules[-1]["head"] = fc
    return modules


def evaluate(net, modules, images):
    net.training = False
    x = net.stem(images)
    for module in modules:
        x = net.blocks(module["blocks"], x)
    return net.pooled(modules[-1]["head"], x)


# ---- methods: make(net) -> sidecar entries; step(net, sidecar, images, labels) -> terms, totals, logits ----

def term(name, kind, backward, weight):
    return {"name": name, "kind": kind, "backward": backward, "weight": weight}


def local_terms(modules, discarded=()):
    terms = []
    for i, module in enumerate(modules[:-1]):
        terms.append(term(module["decoder"], "decoder_bce", i, module["ixx"]))
        terms.append(term(module["aux"], "aux_cross_entropy", i, module["ixy"]))
    return terms + [term("criterion_ce", "cross_entropy", len(modules) - 1, 1.0)]


def make_infopro(net):
    first, last = (5.0, 0.5), (0.5, 1.0)
    make_backbone(net, 1, "fc")
    modules = split_modules(1, ["layer1.0", "layer2.0"], "fc")
    for i, module in enumerate(modules[:-1]):
        end = module["blocks"][-1]
        r = i / (len(modules) - 2)
        module["decoder"], module["aux"] = "decoder_" + end[5] + "_" + end[7:], "aux_classifier_" + end[5] + "_" + end[7:]
        module["ixx"], module["ixy"] = first[0] * (1 - r) + last[0] * r, first[1] * (1 - r) + last[1] * r
        make_decoder(net, module["decoder"], channels(end))
        make_head(net, module["aux"], channels(end), 1)
    return {"method": "InfoPro", "blocks": 1, "modules": modules, "aux_net_config": "1c2f", "K_argument": len(modules),
            "local_weights": {"ixx_1": first[0], "ixy_1": first[1], "ixx_2": last[0], "ixy_2": last[1]},
            "local_loss_mode": "cross_entropy", "loss_terms": local_terms(modules)}


def local_losses(net, module, y, images, labels, convs):
    target = images * per_channel(STD, images.dtype) + per_channel(MEAN, images.dtype)
    reconstruct = F.binary_cross_entropy(decoder(net, module["decoder"], y), target)
    classify = F.cross_entropy(head(net, module["aux"], y, convs), labels)
    return [reconstruct, classify], module["ixx"] * reconstruct + module["ixy"] * classify


def last_module(net, modules, x, labels):
    logits = net.pooled(modules[-1]["head"], net.blocks(modules[-1]["blocks"], x))
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    return logits, loss


def step_infopro(net, sidecar, images, labels):
    modules, terms, totals, x = sidecar["modules"], [], [], net.stem(images)
    for module in modules[:-1]:
        x = net.blocks(module["blocks"], x)
        two, total = local_losses(net, module, x, images, labels, 1)
        total.backward()
        x = x.detach()
        terms, totals = terms + two, totals + [total]
    logits, loss = last_module(net, modules, x, labels)
    return terms + [loss], totals + [loss], logits


def make_man(net):
    """As published: the weights follow the stage of the following block, and all blocks start from draws of their own."""
    first, k_argument = (5.0, 0.5), 5
    make_backbone(net, 1, "fc64")
    modules = split_modules(1, ["layer1.0", "layer2.0"], "fc64")
    for i, module in enumerate(modules[:-1]):
        end, leap = module["blocks"][-1], modules[i + 1]["blocks"][0]
        r = int(leap[5]) / (k_argument - 2)
        name = leap[5] + "_" + leap[7:]
        module.update(leap_block=leap, learnable=f"LB.{i}", ema=f"EMA_Net.{i}", decoder="decoder_" + name,
                      aux="aux_classifier_" + name, ixx=first[0] * (1 - r), ixy=first[1] * (1 - r))
        make_decoder(net, module["decoder"], channels(leap))
        make_head(net, module["aux"], channels(leap), 2)
        net.make_block(module["learnable"], channels(end), channels(leap))
        net.make_block(module["ema"], channels(end), channels(leap))
        net.freeze(module["ema"])
    return {"method": "InfoPro+MAN", "blocks": 1, "modules": modules, "aux_net_config": "2c2f", "K_argument": k_argument,
            "local_weights": {"ixx_1": first[0], "ixy_1": first[1], "ixx_2": 0.0, "ixy_2": 0.0},
            "local_loss_mode": "cross_entropy", "ema_momentum": EMA_MOMENTUM, "loss_terms": local_terms(modules),
            "calm_final": False}  # a smaller file


def step_man(net, sidecar, images, labels):
    modules, terms, totals, x = sidecar["modules"], [], [], net.stem(images)
    for module in modules[:-1]:
        x = net.blocks(module["blocks"], x)
        y = net.block(module["learnable"], x) + net.block(module["ema"], x)
        two, total = local_losses(net, module, y, images, labels, 2)
        total.backward()
        net.ema_step(module["ema"], module["leap_block"])
        x = x.detach()
        terms, totals = terms + two, totals + [total]
    logits, loss = last_module(net, modules, x, labels)
    return terms + [loss], totals + [loss], logits


W_X, W_Y = 0.001, 0.999


def make_mlaan(net):
    """As published: no loss on module 0, only the last EMA copy moves, the last loss of the x path is thrown away."""
    make_backbone(net, 2, "fc64")
    modules = split_modules(2, ["layer1.0", "layer2.0", "layer2.1"], "fc64")
    terms, alias = [], {}
    chains = {1: ["layer3.0", "layer3.1"], 2: ["layer3.0", "layer3.1"]}
    for i, chain in chains.items():
        end = modules[i]["blocks"][-1]
        name = end[5] + "_" + end[7:]
        modules[i].update(aux_chain=[f"Aug_Net.{i}.{j}" for j in range(len(chain))], aux_chain_source=chain,
                          ema_first=f"EMA_Net.{i}.0", net_classifier="net_classifier_" + name,
                          aux=f"aux_classifier_{name}_{i}", w_x=W_X, w_y=W_Y)
        for copy, source in zip(modules[i]["aux_chain"], chain):
            net.make_copy(copy, source, trained=True)
            alias[copy] = source
        net.make_copy(modules[i]["ema_first"], chain[0], trained=False)
        alias[modules[i]["ema_first"]] = chain[0]
        net.make_linear(modules[i]["net_classifier"] + ".fc", channels(end), CLASSES)
        net.make_linear(modules[i]["aux"] + ".fc", channels(chain[-1]), CLASSES)
        terms.append(term(modules[i]["net_classifier"], "net_cross_entropy", i - 1, W_X))
        terms.append(term(modules[i]["aux"], "aux_cross_entropy", i - 1, W_Y))
    terms.append(dict(term("criterion_ce", "cross_entropy_x_path", 2, 0.0), discarded=True))
    terms.append(term("criterion_ce", "cross_entropy_y_path", 2, 1.0))
    return {"method": "MLAAN", "blocks": 2, "modules": modules, "aux_net_config": None, "K_argument": len(modules),
            "local_weights": {}, "local_loss_mode": None, "ema_momentum": EMA_MOMENTUM, "init_alias": alias,
            "loss_terms": terms}


def step_mlaan(net, sidecar, images, labels):
    modules, terms, totals = sidecar["modules"], [], []
    x = y = net.stem(images)
    x = net.blocks(modules[0]["blocks"], x).detach()
    for i in range(1, len(modules) - 1):
        module, before = modules[i], modules[i - 1]
        x = net.blocks(module["blocks"], x)
        y = net.blocks(before["blocks"], y)
        z = net.blocks(module["blocks"], y)
        z = net.block(module["aux_chain"][0], z) + net.block(module["ema_first"], z)
        z = net.blocks(module["aux_chain"][1:], z)
        independent = F.cross_entropy(net.pooled(module["net_classifier"] + ".fc", x), labels)
        cascade = F.cross_entropy(net.pooled(module["aux"] + ".fc", z), labels)
        total = W_X * independent + W_Y * cascade
        total.backward()
        x, y = x.detach(), y.detach()
        terms, totals = terms + [independent, cascade], totals + [total]
    x = net.blocks(modules[-1]["blocks"], x)
    y = net.blocks(modules[-1]["blocks"], net.blocks(modules[-2]["blocks"], y))
    unused = F.cross_entropy(net.pooled(modules[-1]["head"], x), labels)
    logits = net.pooled(modules[-1]["head"], y)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    net.ema_step(modules[-2]["ema_first"], modules[-2]["aux_chain_source"][0])
    return terms + [unused, loss], totals + [loss], logits


METHODS = {"infopro_resnet8_k3": (make_infopro, step_infopro), "man_resnet8_k3": (make_man, step_man),
           "mlaan_resnet14_k4": (make_mlaan, step_mlaan)}


# ---- recording ----

def stride_of(n_elems):
    """A prime that does not divide the number of elements, so that samples pass through all of them."""
    stride = -(-n_elems // SAMPLE_LIMIT)
    while n_elems % stride == 0 or any(stride % d == 0 for d in range(2, stride)) or stride < 2:
        stride += 1
    return stride


def put(tensors, name, value):
    value = value.detach()
    if value.numel() > SAMPLE_LIMIT:
        stride = stride_of(value.numel())
        name, value = f"{name}@{stride}", value.flatten()[::stride]
    tensors[name] = value.clone()


def sums(values):
    """Sum, sum of squares, least and largest element of each, over the whole tensor."""
    rows = [value.detach().double() for value in values]
    return torch.stack([torch.stack([v.sum(), (v * v).sum(), v.min(), v.max()]) for v in rows])


def record(tensors, group, start, sidecar, step, lr, images, labels, dtype, gradients, final):
    net = start.of_type(dtype)
    optimizer = torch.optim.SGD(net.params.values(), lr=lr, momentum=MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY)
    all_terms, all_totals, all_logits = [], [], []
    for s in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        terms, totals, logits = step(net, sidecar, images[s].to(dtype), labels[s])
        if s == 0 and gradients:
            for name, value in net.params.items():
                put(tensors, f"{group}/grad1/{name}", value.grad)
            tensors[group + "/grad1_stats"] = sums([value.grad for value in net.params.values()])
        optimizer.step()
        all_terms.append(torch.stack(terms))
        all_totals.append(torch.stack(totals))
        all_logits.append(logits)
    state = {**net.params, **net.copies, **net.buffers} if final else {}
    for name, value in state.items():
        put(tensors, f"{group}/final/{name}", value)
    if final:
        tensors[group + "/final_stats"] = sums(state.values())
    tensors[group + "/loss_terms"], tensors[group + "/loss_totals"] = torch.stack(all_terms), torch.stack(all_totals)
    tensors[group + "/train_logits"] = torch.stack(all_logits)
    tensors[group + "/eval_logits"] = evaluate(net, sidecar["modules"], images[0].to(dtype))


def batches(generator):
    """Smooth random images in [0, 1], normalised in float32, and random labels."""
    coarse = torch.rand(STEPS * BATCH, 3, 5, 5, generator=generator)
    pixels = F.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear", align_corners=True)
    images = (pixels - per_channel(MEAN, torch.float32)) / per_channel(STD, torch.float32)
    labels = torch.randint(0, CLASSES, (STEPS, BATCH), generator=generator)
    return images.view(STEPS, BATCH, 3, SIZE, SIZE), labels


def describe(case, seed, entries, net):
    depth = 6 * entries["blocks"] + 2
    calm_final = entries.pop("calm_final", True)
    return {
        "case": case, "format": "mlaanc-parity-1", "source": "tests/parity/make_fixtures.py", "seed": seed,
        "framework": "PyTorch " + torch.__version__,
        "data": {"batch": BATCH, "steps": STEPS, "mean": MEAN, "std": STD},
        "network": {"backbone": f"resnet{depth}", "blocks_per_stage": [entries.pop("blocks")] * 3, "classes": CLASSES,
                    "widths": [WIDTH, WIDTH, 2 * WIDTH, 4 * WIDTH], "image": [3, SIZE, SIZE]},
        "K_effective": len(entries["modules"]), **entries,
        "loss_totals": 1 + max(t["backward"] for t in entries["loss_terms"]),
        "optimizer": {"type": "SGD", "lr": LR, "momentum": MOMENTUM, "nesterov": True, "weight_decay": WEIGHT_DECAY},
        "calm": {"lr": CALM_LR, "final_tensors": calm_final},
        "tensors": {"sample_limit": SAMPLE_LIMIT, "trained": list(net.params),
                    "state": [*net.params, *net.copies, *net.buffers],
                    "null_gradient": [k for k in net.params if k.endswith("decoder.0.bias")],
                    "exactly_zero_gradient": []},
    }


def make(case, seed):
    make_net, step = METHODS[case]
    generator = torch.Generator().manual_seed(seed)
    net = Net(generator)
    sidecar = describe(case, seed, make_net(net), net)
    images, labels = batches(generator)
    tensors = {"batch/images": images, "batch/labels": labels.to(torch.int32)}
    aliases = tuple(prefix + "." for prefix in sidecar.get("init_alias", {}))
    for name, value in {**net.params, **net.copies, **net.buffers}.items():
        if not name.startswith(aliases or ("\0",)):
            tensors["init/" + name] = value
    for dtype, name in [(torch.float64, "f64"), (torch.float32, "f32")]:
        record(tensors, name, net, sidecar, step, LR, images, labels, dtype, True, True)
        record(tensors, "calm_" + name, net, sidecar, step, CALM_LR, images, labels, dtype, False,
               sidecar["calm"]["final_tensors"])
    return tensors, sidecar


# ---- files ----

def write_safetensors(path, tensors):
    types = {torch.float64: "F64", torch.float32: "F32", torch.int32: "I32"}
    header, at, parts = {}, 0, []
    for name in sorted(tensors, key=lambda n: (tensors[n].dtype != torch.float64, n)):  # the wider ones first
        value = tensors[name].detach().contiguous()
        data = value.numpy().tobytes()
        header[name] = {"dtype": types[value.dtype], "shape": list(value.shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
        parts.append(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % 64)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=os.path.join(HERE, "fixtures"))
    parser.add_argument("--venv")
    args = parser.parse_args()
    torchenv.reenter(args.venv)
    global torch, F
    import torch
    import torch.nn.functional as F
    torch.manual_seed(0)
    torch.set_num_threads(1)
    os.makedirs(args.out, exist_ok=True)
    for i, case in enumerate(METHODS):
        tensors, sidecar = make(case, 1 + i)
        path = os.path.join(args.out, case)
        write_safetensors(path + ".safetensors", tensors)
        with open(path + ".json", "w") as file:
            json.dump(sidecar, file, indent=1)
            file.write("\n")
        print(f"{path}.safetensors: {os.path.getsize(path + '.safetensors')} bytes, {len(tensors)} tensors")


if __name__ == "__main__":
    main()
