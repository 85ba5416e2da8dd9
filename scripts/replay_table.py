#!/usr/bin/env python3
"""Replays fixtures and writes what was measured as docs/replay.md.

    scripts/replay_table.py FIXTURE.safetensors... [--mlaanc build/bin/mlaanc] [--machine "x86-64, 2 cores"] [--date DAY]
"""

import argparse
import datetime
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ORDER = ["f64", "calm_f64", "f32", "calm_f32"]
COLUMNS = [("loss_first", "losses, step 1"), ("loss_second", "step 2"), ("loss_later", "later"),
           ("train_logits", "logits, step 1"), ("gradients", "gradients, all"), ("gradient", "worst"),
           ("gradient_median", "median"),
           ("gradient_sums", "whole"), ("final_tensor", "final, worst tensor"), ("final_sums", "whole"), ("change", "change of weights"),
           ("ema_change", "of EMA copies"), ("running", "running statistics"), ("eval_logits", "logits of evaluation")]
INTRO = """# Replays: the same training as the authors' code?

A *fixture* is a few training steps that another program recorded: `NAME.safetensors` holds every number, `NAME.json` beside it
(the sidecar) says what was run. `mlaanc replay` trains the same batches from the same start and compares everything:

```
mlaanc replay FIXTURE.safetensors... [--map MAP.json | --maps DIR] [--precision f64|f32] [--recorded | --calm] [--json]
```

A *name map* says which page of `.mlaan` is the method, what its settings are in terms of the sidecar, and which of our names are
theirs. The pages are the shipped models: `man_aspub`, `mlaan_aspub_cifar`, `lam_aspub`, `infopro_softmax`, `infopro_contrast`, `dgl`, `e2e`. Maps are found by what they say they apply to (`"fixture"`); they lie in `tests/parity/` and come with the program. They are
patterns, not lists: other numbers of modules, depths, widths, seeds and weights of the same method need no new map. What a map
may say stands in `compiler/driver/replay_map.h`; the limits and their reasons in `tests/parity/limits.json`.

Every fixture has four trajectories: float64 and float32, each at the method's learning rate (`f64`, `f32`) and at a small one (`calm_`).
Without an option all are repeated. The exit status is 0 only if every deviation is within its limit. `--set` changes the
page's settings as everywhere, which is how the tests make mistakes on purpose: plain instead of Nesterov momentum, no weight
decay, another EMA momentum, another loss weight, running statistics that move once must all fail.

Gradients are read from the momentum after the first step. Batch norm of auxiliaries keeps no running statistics here, so those of
the recorded code have no counterpart; all others are compared. Losses are relative differences, the rest relative L2
distances; *whole* is sum, sum of squares, least and largest element of whole tensors, since large ones are recorded as samples; *change* is measured by how far the weights moved, not by how large they are.
"""
OUTRO = """
What float32 loses, it loses to ReLU: a rounding difference flips a few of millions of gates, which moves gradients by 1e-3 at once, and
end-to-end training at the method's learning rate amplifies that by 10 to 100 a step; so do chains of copied blocks. There,
float64 and the calm trajectory are the proof.
"""


def measured(args):
    run = subprocess.run([args.mlaanc, "replay", "--json"] + args.fixtures, stdout=subprocess.PIPE, text=True)
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    if run.returncode not in (0, 1) or not lines:
        sys.exit(f"mlaanc replay ended with {run.returncode}")
    return lines


def cell(check):
    if check is None or check["deviation"] is None:
        return ""
    text = f"{check['deviation']:.0e}"
    return text if check["ok"] else f"**{text}**"


def table(lines, trajectory):
    rows = []
    for line in lines:
        if line["trajectory"] != trajectory:
            continue
        checks = {check["check"]: check for check in line["checks"]}
        rows.append([line["fixture"], *(cell(checks.get(key)) for key, _ in COLUMNS), "yes" if line["ok"] else "**no**"])
    used = [i for i in range(len(COLUMNS) + 2) if any(row[i] for row in rows)]
    head = ["fixture", *(title for _, title in COLUMNS), "within limits"]
    text = ["| " + " | ".join(head[i] for i in used) + " |", "|" + " --- |" * len(used)]
    return "\n".join(text + ["| " + " | ".join(row[i] for i in used) + " |" for row in rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fixtures", nargs="+")
    parser.add_argument("--mlaanc", default=os.path.join(ROOT, "build", "bin", "mlaanc"))
    parser.add_argument("--machine", default="x86-64, 2 cores")
    parser.add_argument("--date", default=datetime.date.today().isoformat())
    parser.add_argument("--out", default=os.path.join(ROOT, "docs", "replay.md"))
    args = parser.parse_args()
    lines = measured(args)
    text = INTRO + f"\n## Measured\n\nOn {args.date} ({args.machine}, device `cpu`), with `scripts/replay_table.py`. "
    text += "Empty: not recorded. Bold: beyond the limit.\n"
    for trajectory in ORDER:
        rate = next(line["lr"] for line in lines if line["trajectory"] == trajectory)
        text += f"\n### `{trajectory}`, learning rate {rate:g}\n\n{table(lines, trajectory)}\n"
    with open(args.out, "w") as file:
        file.write(text + OUTRO)


if __name__ == "__main__":
    main()
