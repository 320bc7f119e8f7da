"""The networks of the published systems in PyTorch, trained on weights and windows from a folder.

`deno task bench system` writes the folder: manifest.json (model, options, optimizer, steps, names
and shapes of the parameters, shape of the windows), parameters.bin and windows.bin, all float32.
Usage: python torch_systems.py FOLDER THREADS
Prints {"losses": [...], "seconds": [...]} with one of each for every step.
"""
import json
import pathlib
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

folder = pathlib.Path(sys.argv[1])
torch.set_num_threads(int(sys.argv[2]))
manifest = json.loads((folder / "manifest.json").read_text())
options = manifest["options"]
height, width, channels = manifest["frameShape"]
lanes, frames = manifest["lanes"], manifest["windowFrames"]
predictions = manifest["predictions"]


def read_parameters():
    flat = torch.from_numpy(np.fromfile(folder / "parameters.bin", np.float32))
    parameters, start = {}, 0
    for spec in manifest["parameters"]:
        size = int(np.prod(spec["shape"]))
        values = flat[start : start + size].reshape(spec["shape"])
        start += size
        # Kernels are HWIO there, OIHW here.
        if len(spec["shape"]) == 4 and not spec["name"].endswith("peephole"):
            values = values.permute(3, 2, 0, 1)
        elif len(spec["shape"]) == 5:
            values = values.permute(4, 3, 0, 1, 2)
        parameters[spec["name"]] = values.clone().contiguous().requires_grad_()
    assert start == flat.numel(), (start, flat.numel())
    return parameters


weights = read_parameters()


def conv(value, name, padding="same"):
    return F.conv2d(value, weights[f"{name}/kernel"], weights.get(f"{name}/bias"), padding=padding)


class Lstm:
    """Of whole frames: gates in the order i, f, c, o, a peephole for each unit."""

    def __init__(self, name):
        self.kernel = weights.get(f"{name}/kernel")
        self.recurrent = weights[f"{name}/recurrentKernel"]
        self.bias = weights[f"{name}/bias"]
        self.peephole = weights[f"{name}/peephole"]

    def start(self, count, *_):
        return [torch.zeros(count, self.recurrent.shape[0])] * 2

    def step(self, value, state):
        hidden, cell = state
        gates = torch.addmm(self.bias, hidden, self.recurrent)
        if self.kernel is not None:
            gates = gates + value @ self.kernel
        i, f, c, o = gates.chunk(4, 1)
        of_input, of_forget, of_output = self.peephole
        cell = torch.sigmoid(f + of_forget * cell) * cell + torch.sigmoid(
            i + of_input * cell
        ) * torch.tanh(c)
        hidden = torch.sigmoid(o + of_output * cell) * torch.tanh(cell)
        return hidden, [hidden, cell]


class ConvLstm:
    """Gates in the order i, f, c, o, as in Keras; peepholes for each channel where there are some."""

    def __init__(self, name):
        self.kernel = weights.get(f"{name}/kernel")
        self.recurrent = weights[f"{name}/recurrentKernel"]
        self.bias = weights[f"{name}/bias"]
        self.peephole = weights.get(f"{name}/peephole")
        self.filters = self.bias.numel() // 4

    def start(self, count, rows, columns):
        return [torch.zeros(count, self.filters, rows, columns)] * 2

    def step(self, value, state):
        hidden, cell = state
        if self.kernel is None:
            gates = F.conv2d(hidden, self.recurrent, self.bias, padding="same")
        elif self.kernel.shape[2:] == self.recurrent.shape[2:]:
            joined = torch.cat([self.kernel, self.recurrent], 1)
            gates = F.conv2d(torch.cat([value, hidden], 1), joined, self.bias, padding="same")
        else:
            gates = F.conv2d(value, self.kernel, self.bias, padding="same")
            gates = gates + F.conv2d(hidden, self.recurrent, padding="same")
        i, f, c, o = gates.chunk(4, 1)
        if self.peephole is not None:
            of_input, of_forget, of_output = self.peephole[:, :, None, None]
            i, f = i + of_input * cell, f + of_forget * cell
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(c)
        if self.peephole is not None:
            o = o + of_output * cell
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        return hidden, [hidden, cell]


def to_patches(images, patch):
    """[n, c, h, w] to [n, patch * patch * c, h / patch, w / patch], a pixel's channels side by side."""
    n, c, h, w = images.shape
    cut = images.reshape(n, c, h // patch, patch, w // patch, patch)
    return cut.permute(0, 3, 5, 1, 2, 4).reshape(n, patch * patch * c, h // patch, w // patch)


def from_patches(patches, patch):
    n, depth, h, w = patches.shape
    c = depth // (patch * patch)
    cut = patches.reshape(n, patch, patch, c, h, w)
    return cut.permute(0, 3, 4, 1, 5, 2).reshape(n, c, h * patch, w * patch)


def shi_convlstm(x):
    patch = options["patch"]
    is_dense = options["cell"] == "fc-lstm"
    Cell = Lstm if is_dense else ConvLstm
    count = 1 + max(int(n.split("/")[1][5:]) for n in weights if n.startswith("encoder/"))
    encoder = [Cell(f"encoder/layer{i}") for i in range(count)]
    forecaster = [Cell(f"forecaster/layer{i}") for i in range(count)]
    states = [cell.start(len(x), height // patch, width // patch) for cell in encoder]

    def draw(seen):
        if is_dense:
            drawn = torch.addmm(weights["head/bias"], seen[-1], weights["head/kernel"])
            return torch.sigmoid(drawn).reshape(-1, height, width, channels).permute(0, 3, 1, 2)
        return from_patches(torch.sigmoid(conv(torch.cat(seen, 1), "head")), patch)

    for t in range(frames - predictions):
        value = x[:, t].permute(0, 2, 3, 1).flatten(1) if is_dense else to_patches(x[:, t], patch)
        for layer, cell in enumerate(encoder):
            value, states[layer] = cell.step(value, states[layer])
    outputs = []
    for _ in range(predictions):
        value, seen = None, []
        for layer, cell in enumerate(forecaster):
            value, states[layer] = cell.step(value, states[layer])
            seen.append(value)
        outputs.append(draw(seen))
    return torch.stack(outputs, 1), x[:, frames - predictions :]


def seq2seq_convlstm(x):
    encoder = [ConvLstm(f"encoder/layer{i}") for i in range(2)]
    decoder = [ConvLstm(f"decoder/layer{i}") for i in range(2)]
    states = [cell.start(len(x), height, width) for cell in encoder]
    for t in range(frames - predictions):
        value = x[:, t]
        for layer, cell in enumerate(encoder):
            value, states[layer] = cell.step(value, states[layer])
    states = [cell.start(len(x), height, width) for cell in decoder]
    encoded, hidden = value, []
    for _ in range(predictions):
        for layer, cell in enumerate(decoder):
            value, states[layer] = cell.step(value, states[layer])
        hidden.append(value)
        if options["decoder-input"] == "encoder":
            value = encoded
    volume = torch.stack(hidden, 2)
    drawn = F.conv3d(volume, weights["head/kernel"], weights["head/bias"], padding="same")
    return torch.sigmoid(drawn).permute(0, 2, 1, 3, 4), x[:, frames - predictions :]


def convlstm_unet(x):
    levels = options["levels"]
    down = [ConvLstm(f"down{level}") for level in range(levels)]
    up = [ConvLstm(f"up{level}") for level in range(levels - 2, -1, -1)]
    steps = predictions
    value, seen = [x[:, t] for t in range(steps)], []

    def run(cell, inputs):
        state = cell.start(len(x), *inputs[0].shape[2:])
        outputs = []
        for each in inputs:
            output, state = cell.step(each, state)
            outputs.append(output)
        return outputs

    for level, cell in enumerate(down):
        value = run(cell, value if level == 0 else [F.max_pool2d(v, 2) for v in value])
        seen.append(value)
    for index, cell in enumerate(up):
        beside = seen[levels - 2 - index]
        larger = [F.interpolate(v, scale_factor=2, mode="nearest") for v in value]
        value = run(cell, [torch.cat(pair, 1) for pair in zip(larger, beside)])
    outputs = torch.stack([conv(v, "head") for v in value], 1)
    activation = options["output"]
    if activation == "softmax":
        outputs = torch.softmax(outputs, 2)
    elif activation == "sigmoid":
        outputs = torch.sigmoid(outputs)
    return outputs, x[:, 1:] if frames > steps else None


def predrnn(x):
    patch = options["patch"]
    names = sorted({n.split("/")[0] for n in weights if n.startswith("layer")}, key=lambda n: int(n[5:]))
    filters = weights["layer0/mixKernel"].shape[0]
    rows, columns = height // patch, width // patch
    zeros = torch.zeros(len(x), filters, rows, columns)
    hidden, cells, memory = [zeros] * len(names), [zeros] * len(names), zeros
    outputs, previous = [], None
    given = frames - predictions if options["mode"] == "forecast" else frames - 1

    def written(before, i, f, g):
        return torch.sigmoid(f + 1) * before + torch.sigmoid(i) * torch.tanh(g)

    for t in range(frames - 1):
        value = to_patches(x[:, t], patch) if t < given else previous
        for layer, name in enumerate(names):
            part = lambda kind: weights[f"{name}/{kind}"]
            same = lambda v, kind, bias=None: F.conv2d(v, part(kind), bias, padding="same")
            a = same(value, "inputKernel", weights.get(f"{name}/bias")).chunk(7, 1)
            b = same(hidden[layer], "hiddenKernel").chunk(4, 1)
            c = same(memory, "memoryKernel").chunk(3, 1)
            cells[layer] = written(cells[layer], a[0] + b[0], a[1] + b[1], a[2] + b[2])
            memory = written(memory, a[3] + c[0], a[4] + c[1], a[5] + c[2])
            both = torch.cat([cells[layer], memory], 1)
            output = torch.sigmoid(a[6] + b[3] + same(both, "outputKernel"))
            value = hidden[layer] = output * torch.tanh(same(both, "mixKernel"))
        previous = F.conv2d(value, weights["head/kernel"])
        if t >= frames - 1 - predictions:
            outputs.append(from_patches(previous, patch))
    return torch.stack(outputs, 1), x[:, frames - predictions :]


def prednet(x):
    count = 1 + max(int(n.split("/")[0][5:]) for n in weights)
    depth = [weights[f"layer{i}/prediction/kernel"].shape[0] for i in range(count)]
    size = lambda i: (height // 2**i, width // 2**i)
    hidden = [torch.zeros(len(x), depth[i], *size(i)) for i in range(count)]
    cells = [torch.zeros(len(x), depth[i], *size(i)) for i in range(count)]
    errors = [torch.zeros(len(x), 2 * depth[i], *size(i)) for i in range(count)]
    gate = lambda v: torch.clamp(0.2 * v + 0.5, 0, 1)
    weight = options["upper-errors"]
    outputs, penalties = [], []
    for t in range(frames):
        above = None
        for i in reversed(range(count)):
            read = [hidden[i], errors[i]]
            if above is not None:
                read.append(F.interpolate(above, scale_factor=2, mode="nearest"))
            a, f, c, o = conv(torch.cat(read, 1), f"layer{i}/representation").chunk(4, 1)
            cells[i] = gate(f) * cells[i] + gate(a) * torch.tanh(c)
            above = hidden[i] = gate(o) * torch.tanh(cells[i])
        target = x[:, t]
        for i in range(count):
            image = torch.relu(conv(hidden[i], f"layer{i}/prediction"))
            if i == 0:
                image = torch.clamp(image, max=1)
                if t > 0:
                    outputs.append(image)
            if t == frames - 1 and weight == 0:
                break
            errors[i] = torch.cat([torch.relu(image - target), torch.relu(target - image)], 1)
            if i + 1 < count:
                target = F.max_pool2d(torch.relu(conv(errors[i], f"layer{i}/target")), 2)
        if t > 0 and weight > 0:
            penalties.append(sum(error.mean((1, 2, 3)) for error in errors[1:]))
    # In the units of a frame's summed |difference|, which is twice the mean of its error units.
    scale = 2 * weight * channels * height * width
    penalty = torch.stack(penalties, 1) * scale if penalties else None
    return torch.stack(outputs, 1), x[:, 1:], penalty


network = globals()[manifest["model"].replace("-", "_")]


def frame_errors(outputs, targets):
    kind = manifest["loss"]
    if kind == "mse":
        return ((outputs - targets) ** 2).sum((2, 3, 4))
    if kind == "mae":
        return (outputs - targets).abs().sum((2, 3, 4))
    clipped = outputs.clamp(1e-7, 1 - 1e-7)
    if kind == "bce":
        return -(targets * clipped.log() + (1 - targets) * (1 - clipped).log()).sum((2, 3, 4))
    return -(targets * clipped.log()).sum((2, 3, 4))


def create_update():
    rate = manifest["learningRate"]
    if manifest["optimizer"] == "adam":
        optimizer = torch.optim.Adam(weights.values(), rate, eps=manifest["epsilon"])
        return optimizer.zero_grad, optimizer.step
    # Keras' RMSProp has epsilon inside of the root.
    squares = {name: torch.zeros_like(value) for name, value in weights.items()}

    def clear():
        for value in weights.values():
            value.grad = None

    @torch.no_grad()
    def step():
        for name, value in weights.items():
            squares[name].mul_(0.9).addcmul_(value.grad, value.grad, value=0.1)
            value.addcdiv_(value.grad, (squares[name] + manifest["epsilon"]).sqrt(), value=-rate)

    return clear, step


clear, step = create_update()
windows = np.memmap(folder / "windows.bin", np.float32, "r").reshape(manifest["steps"], -1)
frame_values = lanes * frames * height * width * channels
losses, seconds = [], []
for values in windows:
    x = torch.from_numpy(values[:frame_values].copy()).reshape(lanes, frames, height, width, channels)
    x = x.permute(0, 1, 4, 2, 3).contiguous()
    rest = torch.from_numpy(values[frame_values:].copy())
    weight = rest[: lanes * predictions].reshape(lanes, predictions)
    answers = rest[lanes * predictions :]
    started = time.perf_counter()
    clear()
    # Convolutions and matrix products of bfloat16, and with them what is computed of their results.
    with torch.autocast("cpu", torch.bfloat16, enabled=manifest["precision"] == "bfloat16"):
        outputs, targets, *penalty = network(x)
    if targets is None:
        targets = answers.reshape(lanes, frames, height, width, -1).permute(0, 1, 4, 2, 3)
    errors = frame_errors(outputs.float(), targets)
    if penalty and penalty[0] is not None:
        errors = errors + penalty[0]
    loss = (errors * weight).sum()
    loss.backward()
    step()
    seconds.append(time.perf_counter() - started)
    losses.append(loss.item())
print(json.dumps({"losses": losses, "seconds": seconds}))
