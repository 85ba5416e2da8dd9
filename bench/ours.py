"""mlaanc's side of the comparisons with PyTorch: a shipped model with one of the nets, trained on noise. Needs no PyTorch."""

import json
import os
import random
import subprocess

import torchenv

MEAN, STD = 0.5, 0.25  # of the noise that both sides are given
NETS = {"resnet32": (5, 16), "resnet110": (18, 16), "tiny": (1, 8)}  # blocks of a stage, width
# K as the shipped models have it, by net; MAN and MLAAN count the stem to the first module.
MODULES = {"resnet32": {"e2e": 1, "man": 15, "mlaan": 15}, "resnet110": {"e2e": 1, "man": 54, "mlaan": 54}, "tiny": {"e2e": 1}}
SPLIT = {"resnet32": 16, "resnet110": 55, "tiny": 3}
CHECKED = {"batch": 40, "rate": 0.01, "steps": 3}  # the steps whose losses are compared


class Ours:
    """`remaining` says how many seconds a call may take."""

    def __init__(self, method, net, folder, device, remaining):
        self.method, self.net, self.folder, self.device, self.remaining = method, net, folder, device, remaining
        self.page = os.path.join(folder, f"noise_{method}.mlaan")  # not the name that it imports
        with open(self.page, "w") as page:
            page.write(f'import "{method}.mlaan"\ndata noise {{ format cifar10  root "."  classes 10  image [32, 32, 3]\n'
                       f"  normalize {{ mean [{MEAN}, {MEAN}, {MEAN}]  std [{STD}, {STD}, {STD}] }} }}\n")
        n_blocks, width = NETS[net]
        self.n_modules = MODULES[net].get(method, SPLIT[net])
        self.options = ["--set", "dataset=noise", "--set", f"backbone=cifar_resnet(n: {n_blocks}, width: {width})" if net == "tiny" else f"backbone={net}"]
        if self.n_modules > 1:
            self.options += ["--set", f"K={self.n_modules}"]

    def call(self, verb, *words):
        command = [torchenv.mlaanc_path(), verb, self.page, *self.options, "--device", self.device, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=max(self.remaining(), 30))
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[:3])}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
        return done.stdout

    def ends(self):
        """Numbers of the units that end the modules, as mlaanc cuts."""
        n_blocks, names = NETS[self.net][0], []
        for module in json.loads(self.call("plan", "--batch", 8, "--json"))["modules"][:-1]:
            names.append(module["name"].rstrip(")").replace("(", " ").replace(",", " ").replace("..", " ").split()[-1])
        number = lambda name: 0 if name == "stem" else 1 + (int(name[5]) - 1) * n_blocks + int(name[7:-1])
        return [number(name) for name in names]

    def train(self, data, batch, rate, n_steps, name, precision="f32"):
        """The losses of each step, and the newest checkpoint."""
        run_dir = os.path.join(self.folder, f"run-{self.method}-{self.net}-{name}-{precision}")
        self.call("run", "--data", data, "--run-dir", run_dir, "--batch", batch, "--epochs", n_steps, "--precision", precision,
                  "--set", "train.schedule=constant", "--set", f"train.lr={rate}")
        with open(os.path.join(run_dir, "metrics.jsonl")) as lines:
            rows = [json.loads(line) for line in lines]
        return [row["losses"] for row in rows if row["type"] == "step"], os.path.join(run_dir, "latest")

    def checked_steps(self, precision="f32"):
        """The losses of some steps on noise(CHECKED["batch"]), and the checkpoint with the weights that they began with."""
        batch = CHECKED["batch"]
        data = os.path.join(self.folder, f"noise{batch}")
        if not os.path.exists(data):
            write_noise(data, noise(batch))
        _, weights = self.train(data, batch, 0, 1, "start", precision)
        losses, _ = self.train(data, batch, CHECKED["rate"], CHECKED["steps"], "steps", precision)
        return losses, weights

    def offers(self, precision):
        try:
            self.call("plan", "--batch", 8, "--precision", precision, "--json")
            return True
        except RuntimeError:
            return False

    def bench(self, batch, precision, n_steps, *words):
        words = ["--batch", batch, "--steps", n_steps, "--precision", precision, "--json", *words]
        return json.loads(self.call("bench", *words).splitlines()[-1])


def noise(n):
    """Labels and bytes of n images, the same at every call."""
    source = random.Random(1)
    return [(source.randrange(10), source.randbytes(3072)) for _ in range(n)]


def write_noise(folder, records):
    """As a CIFAR-10 data set."""
    os.makedirs(folder, exist_ok=True)
    share = len(records) // 5
    for i in range(5):
        with open(os.path.join(folder, f"data_batch_{i + 1}.bin"), "wb") as out:
            for label, image in records[i * share:(i + 1) * share if i < 4 else len(records)]:
                out.write(bytes([label]) + image)
    with open(os.path.join(folder, "test_batch.bin"), "wb") as out:
        out.write(bytes([records[0][0]]) + records[0][1])
