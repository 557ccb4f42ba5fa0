"""The iteration that `invnet bench step` measures, in PyTorch: the same networks, the same count.

    python benches/peer.py [--size 64 --width 32 --batch 32 --threads 2] [--channels-last]

Prints one JSON object. One generator, five projection and five critic steps; medians.
"""

import argparse
import json
import resource
import statistics
import time

import torch
from torch import nn

LATENT, CLASSES, CONDITION = 128, 3, 6


class Generator(nn.Module):
    def __init__(self, size, width):
        super().__init__()
        levels = (size // 4).bit_length() - 1
        channels = [width << (levels - 1 - i) for i in range(levels)]
        self.first = channels[0]
        self.linear = nn.Linear(LATENT + CONDITION, 16 * channels[0], bias=False)
        layers = []
        for i, c in enumerate(channels):
            last = i + 1 == levels
            out = CLASSES if last else channels[i + 1]
            layers += [nn.BatchNorm2d(c), nn.ReLU(), nn.ConvTranspose2d(c, out, 4, 2, 1, bias=last)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z, r):
        x = self.linear(torch.cat([z, r], 1)).view(-1, self.first, 4, 4)
        return torch.softmax(self.layers(x), 1)


class Critic(nn.Module):
    def __init__(self, size, width):
        super().__init__()
        levels = (size // 4).bit_length() - 1
        layers, c = [], CLASSES
        for i in range(levels):
            layers += [nn.Conv2d(c, width << i, 4, 2, 1), nn.LeakyReLU(0.2)]
            c = width << i
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * c, 1))

    def forward(self, x):
        return self.layers(x)


def measure(x):
    """Areas and centroids of the figures, normalised: [N, 6]."""
    n, _, h, w = x.shape
    figures = x[:, 1:]
    m00 = figures.sum((2, 3))
    m10 = (figures * torch.arange(w, dtype=x.dtype)).sum((2, 3))
    m01 = (figures * torch.arange(h, dtype=x.dtype)[:, None]).sum((2, 3))
    centroid = torch.stack([m10 / (m00 + 1e-6) / w, m01 / (m00 + 1e-6) / h], 2)
    return torch.cat([m00 / (h * w), centroid.view(n, -1)], 1)


def main():
    parser = argparse.ArgumentParser()
    for name, default in (("size", 64), ("width", 32), ("batch", 32), ("threads", 2), ("iterations", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--channels-last", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    generator, critic = Generator(args.size, args.width), Critic(args.size, args.width)
    if args.channels_last:
        generator, critic = (m.to(memory_format=torch.channels_last) for m in (generator, critic))
    adam = lambda model: torch.optim.Adam(model.parameters(), lr=1e-4, betas=(0.0, 0.9))
    opt_g, opt_i, opt_d = adam(generator), adam(generator), adam(critic)
    maps = torch.randint(0, CLASSES, (1024, args.size, args.size))

    def batch():
        labels = maps[torch.randint(0, len(maps), (args.batch,))]
        real = nn.functional.one_hot(labels, CLASSES).permute(0, 3, 1, 2).float()
        return real, measure(real), torch.randn(args.batch, LATENT)

    def generator_step():
        _, r, z = batch()
        for p in critic.parameters():
            p.requires_grad_(False)
        opt_g.zero_grad()
        (-critic(generator(z, r)).mean()).backward()
        opt_g.step()
        for p in critic.parameters():
            p.requires_grad_(True)

    def projection_step():
        _, r, z = batch()
        opt_i.zero_grad()
        (measure(generator(z, r)) - r).square().sum(1).mean().backward()
        opt_i.step()

    def critic_step():
        real, r, z = batch()
        with torch.no_grad():
            fake = generator(z, r)
        opt_d.zero_grad()
        u = torch.rand(args.batch, 1, 1, 1)
        between = (fake + u * (real - fake)).requires_grad_(True)
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = (slope.flatten(1).square().sum(1).add(1e-12).sqrt() - 1).square().mean()
        (critic(fake).mean() - critic(real).mean() + 10 * penalty).backward()
        opt_d.step()

    phases = [("generator", generator_step, 1), ("projection", projection_step, 5), ("critic", critic_step, 5)]
    times, whole = {name: [] for name, _, _ in phases}, []
    for round_ in range(args.iterations + 1):
        began = time.perf_counter()
        for name, step, repeats in phases:
            for _ in range(repeats):
                start = time.perf_counter()
                step()
                times[name].append(1e3 * (time.perf_counter() - start))
        whole.append(1e3 * (time.perf_counter() - began))
        if round_ == 0:  # warm-up
            whole.clear()
            for series in times.values():
                series.clear()
    result = {"torch": torch.__version__, "ms_iteration": statistics.median(whole)}
    result |= {f"ms_{name}": statistics.median(series) for name, series in times.items()}
    result["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
