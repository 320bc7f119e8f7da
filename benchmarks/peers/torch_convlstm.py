"""The training step of `deno task bench step` in PyTorch: the same network, data shapes and optimizer.

Usage: python torch_convlstm.py LANES FRAMES SIZE THREADS STEPS FILTERS DEVICE
(e.g. 4 10 64 2 4 16,16 cpu)
Prints the seconds of its best step after one warm-up step.
"""
import sys
import time

import torch

lanes, frames, size, threads, steps = map(int, sys.argv[1:6])
filters = [int(count) for count in sys.argv[6].split(",")]
device = sys.argv[7]
torch.manual_seed(0)
torch.set_default_device(device)
torch.set_num_threads(threads)


class Cell(torch.nn.Module):
    def __init__(self, inputs, count):
        super().__init__()
        self.gates = torch.nn.Conv2d(inputs + count, 4 * count, 3, padding=1)

    def forward(self, x, hidden, cell):
        i, f, o, u = self.gates(torch.cat([x, hidden], 1)).chunk(4, 1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(u)
        return torch.sigmoid(o) * torch.tanh(cell), cell


class Stack(torch.nn.Module):
    def __init__(self):
        super().__init__()
        inputs = [1, *filters[:-1]]
        self.cells = torch.nn.ModuleList(Cell(i, count) for i, count in zip(inputs, filters))
        self.head = torch.nn.Conv2d(filters[-1], 1, 3, padding=1)

    def forward(self, x):
        states = [[torch.zeros(lanes, count, size, size)] * 2 for count in filters]
        outputs = []
        for t in range(frames):
            value = x[:, t]
            for layer, cell in enumerate(self.cells):
                states[layer] = cell(value, *states[layer])
                value = states[layer][0]
            outputs.append(self.head(value))
        return torch.stack(outputs, 1)


model = Stack()
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
x = torch.rand(lanes, frames, 1, size, size)
y = torch.rand(lanes, frames, 1, size, size)


def step():
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
    return loss.item()


step()
seconds = []
for _ in range(steps):
    started = time.perf_counter()
    step()
    seconds.append(time.perf_counter() - started)
print(min(seconds))
