"""The iteration that `invnet bench step` measures, in PyTorch: the same networks, the same count.

    python benches/peer.py [--net dcgan --size 64 --width 32 --batch 32 --threads 2] [--bf16] [--channels-last] [--compile]
    python benches/peer.py --device cuda [--size 128 --width 64 --batch 32]
    python benches/peer.py --setting alone --size 128
    python benches/peer.py --objective cgan    # or acgan: one generator and five critic steps

Prints one JSON object a setting: one generator, five projection and five critic steps; medians. On
the CPU that is one setting, fp32 and eager unless asked otherwise. On a GPU it is every one of SETTINGS, then convolutions and the kernels
of `benches/invariances.rs` alone. Each runs in a process of its own, so that one that fails spoils no
other. `alone` on the CPU measures those kernels.
"""

import argparse
import contextlib
import itertools
import json
import resource
import statistics
import subprocess
import sys
import time
import warnings

try:
    import torch
    from torch import nn
except ImportError:
    print(json.dumps({"skipped": "PyTorch is not installed"}))
    sys.exit(0)

LATENT, CLASSES, CONDITION = 128, 3, 6
PRECISIONS = ["fp32", "tf32", "bf16"]
# Those that compile come last: they take longest.
WAYS = ["eager", "channels_last", "graphs", "channels_last+graphs", "compile", "channels_last+compile+graphs"]
SETTINGS = [f"{precision}+{way}" for way in WAYS for precision in PRECISIONS] + ["alone"]
LIMIT = 300  # seconds a setting


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
    """Scores; of an AC-GAN also what a second head takes the numbers to be."""

    def __init__(self, layers, count, objective):
        super().__init__()
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.score = nn.Linear(16 * count, 1, bias=False)
        self.head = nn.Linear(16 * count, CONDITION) if objective == "acgan" else None

    def forward(self, x):
        features = self.layers(x)
        return self.score(features), self.head(features) if self.head else None


def critic(size, width, seen):
    """Layers of a critic that sees so many channels, and channels of its features."""
    levels = (size // 4).bit_length() - 1
    layers, c = [], seen
    for i in range(levels):
        layers += [nn.Conv2d(c, width << i, 4, 2, 1), nn.LeakyReLU(0.2)]
        c = width << i
    return layers, c


class Block(nn.Module):
    """A residual block that doubles the image, or halves it; 1 x 1 shortcuts of the smaller of the two."""

    def __init__(self, inner, middle, outer, up, bias=False):
        super().__init__()
        self.up = up
        # One group: normalised over each sample.
        norm = nn.BatchNorm2d if up else (lambda channels: nn.GroupNorm(1, channels))
        self.norm1, self.norm2 = norm(inner), norm(middle)
        self.conv1 = nn.Conv2d(inner, middle, 3, 1, 1, bias=False)
        self.conv2 = nn.Conv2d(middle, outer, 3, 1, 1, bias=bias)
        self.shortcut = nn.Conv2d(inner, outer, 1, bias=bias)

    def forward(self, x):
        twice = lambda x: nn.functional.interpolate(x, scale_factor=2, mode="nearest")
        half = lambda x: nn.functional.avg_pool2d(x, 2)
        inner = torch.relu(self.norm1(x))
        middle = torch.relu(self.norm2(self.conv1(twice(inner) if self.up else inner)))
        outer = self.conv2(middle)
        if self.up:
            return outer + twice(self.shortcut(x))
        return half(outer) + self.shortcut(half(x))


def most(width, halvings):
    return width * min(8, 1 << halvings)


class ResidualGenerator(nn.Module):
    def __init__(self, size, width):
        super().__init__()
        levels = (size // 4).bit_length() - 1
        channels = [most(width, levels - 1)] + [most(width, levels - 1 - level) for level in range(levels)]
        self.first = channels[0]
        self.linear = nn.Linear(LATENT + CONDITION, 16 * channels[0])
        blocks = [Block(a, b, b, True) for a, b in itertools.pairwise(channels)]
        last = channels[-1]
        self.layers = nn.Sequential(*blocks, nn.BatchNorm2d(last), nn.ReLU(), nn.Conv2d(last, CLASSES, 3, 1, 1))

    def forward(self, z, r):
        x = self.linear(torch.cat([z, r], 1)).view(-1, self.first, 4, 4)
        return torch.softmax(self.layers(x), 1)


def residual_critic(size, width, seen):
    levels = (size // 4).bit_length() - 1
    channels = [most(width, level) for level in range(levels + 1)]
    blocks = [Block(a, a, b, False, bias=i + 1 < levels) for i, (a, b) in enumerate(itertools.pairwise(channels))]
    return [nn.Conv2d(seen, width, 3, 1, 1), *blocks], channels[-1]


NETS = {"dcgan": (Generator, critic), "resnet": (ResidualGenerator, residual_critic)}


def measure(x):
    """Areas and centroids of the figures, normalised: [N, 6]."""
    n, _, h, w = x.shape
    figures = x[:, 1:]
    m00 = figures.sum((2, 3))
    m10 = (figures * torch.arange(w, dtype=x.dtype, device=x.device)).sum((2, 3))
    m01 = (figures * torch.arange(h, dtype=x.dtype, device=x.device)[:, None]).sum((2, 3))
    centroid = torch.stack([m10 / (m00 + 1e-6) / w, m01 / (m00 + 1e-6) / h], 2)
    return torch.cat([m00 / (h * w), centroid.view(n, -1)], 1)


class Correlation:
    """S2 of one phase [N, H, W], periodic: every radius that fits, from the transform of the power."""

    def __init__(self, size, device, bins):
        along = torch.arange(size, device=device)
        squared = torch.minimum(along, size - along).square()
        radius = (squared[:, None] + squared).sqrt().add(0.5).long().flatten()
        count = size // 2 + 1
        self.within = (radius < count).nonzero().flatten()
        self.radius = radius[self.within]
        self.weight = 1 / (torch.bincount(self.radius).float() * size * size)
        # The same sums as a product with a matrix.
        self.table = torch.zeros(size * size, count, device=device)
        self.table[self.within, self.radius] = self.weight[self.radius]
        self.bins = bins

    def __call__(self, x):
        spectrum = torch.fft.rfft2(x)
        power = spectrum.real.square() + spectrum.imag.square()
        every = torch.fft.irfft2(power, s=x.shape[1:]).flatten(1)
        if self.bins == "matrix":
            return every @ self.table
        sums = x.new_zeros(len(x), len(self.weight))
        return sums.index_add(1, self.radius, every[:, self.within]) * self.weight


def precise(device, precision):
    """Sets what products multiply; a function that makes the context networks are called in."""
    # Off unless asked for: cuDNN's convolutions use TF32 by default.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True
    if precision != "bf16":
        return contextlib.nullcontext
    # bf16 operands of products, parameters and sums in fp32. Casts kept between calls would be
    # missing from a graph.
    return lambda: torch.autocast(device, torch.bfloat16, cache_enabled=False)


class Peer:
    """The steps of the three phases under one setting."""

    def __init__(self, args, setting):
        self.args, device = args, args.device
        self.context = precise(device, next((p for p in PRECISIONS if p in setting), "fp32"))
        layout = torch.channels_last if "channels_last" in setting else torch.contiguous_format
        generator, body = NETS[args.net]
        seen = CLASSES + (CONDITION if args.objective == "cgan" else 0)
        self.generator = generator(args.size, args.width).to(device, memory_format=layout)
        self.critic = Critic(*body(args.size, args.width, seen), args.objective)
        self.critic = self.critic.to(device, memory_format=layout)
        # A compiled network has no second derivative: the penalty always calls the plain critic.
        self.fast = [torch.compile(m) if "compile" in setting else m for m in (self.generator, self.critic)]
        cuda = device == "cuda"
        extra = {"fused": True, "capturable": True} if cuda else {}
        adam = lambda m: torch.optim.Adam(m.parameters(), lr=1e-4, betas=(0.0, 0.9), **extra)
        self.opt_g, self.opt_i, self.opt_d = adam(self.generator), adam(self.generator), adam(self.critic)
        self.maps = torch.randint(0, CLASSES, (1024, args.size, args.size), device=device)
        self.layout = layout

    def g(self, z, r):
        with self.context():
            return self.fast[0](z, r).float()

    def d(self, x, r, plain=False):
        """Scores of images x with the numbers r, and how far off an AC-GAN's head is."""
        if self.args.objective == "cgan":
            x = torch.cat([x, r[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1)
        with self.context():
            score, numbers = (self.critic if plain else self.fast[1])(x)
        label = 0 if numbers is None or plain else (numbers.float() - r).square().mean()
        return score.float(), label

    def batch(self):
        n, device = self.args.batch, self.args.device
        labels = self.maps[torch.randint(0, len(self.maps), (n,), device=device)]
        real = nn.functional.one_hot(labels, CLASSES).permute(0, 3, 1, 2).float()
        return real.contiguous(memory_format=self.layout), measure(real), torch.randn(n, LATENT, device=device)

    def generator_step(self):
        _, r, z = self.batch()
        self.critic.requires_grad_(False)
        self.opt_g.zero_grad()
        score, label = self.d(self.g(z, r), r)
        (label - score.mean()).backward()
        self.opt_g.step()
        self.critic.requires_grad_(True)

    def projection_step(self):
        _, r, z = self.batch()
        self.opt_i.zero_grad()
        (measure(self.g(z, r)) - r).square().sum(1).mean().backward()
        self.opt_i.step()

    def critic_step(self):
        real, r, z = self.batch()
        with torch.no_grad():
            fake = self.g(z, r)
        self.opt_d.zero_grad()
        u = torch.rand(self.args.batch, 1, 1, 1, device=self.args.device)
        between = (fake + u * (real - fake)).requires_grad_(True)
        (slope,) = torch.autograd.grad(self.d(between, r, plain=True)[0].sum(), between, create_graph=True)
        penalty = (slope.flatten(1).square().sum(1).add(1e-12).sqrt() - 1).square().mean()
        (of_fake, _), (of_real, label) = self.d(fake, r), self.d(real, r)
        (of_fake.mean() - of_real.mean() + label + 10 * penalty).backward()
        self.opt_d.step()


def captured(work, calls=1):
    """A function that replays so many calls as one CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # compiles, chooses algorithms, allocates
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(calls):
            work()
    return graph.replay


def iteration(args, setting):
    """Times whole iterations, then single steps of each phase."""
    sync = torch.cuda.synchronize if args.device == "cuda" else lambda: None
    peer = Peer(args, setting)
    steps = {"generator": peer.generator_step, "critic": peer.critic_step}
    if args.objective == "invnet":
        steps["projection"] = peer.projection_step
    if "graphs" in setting:
        steps = {name: captured(step) for name, step in steps.items()}

    def milliseconds(work):
        sync()
        start = time.perf_counter()
        work()
        sync()
        return 1e3 * (time.perf_counter() - start)

    def whole():
        for name, repeats in (("generator", 1), ("projection", 5), ("critic", 5)):
            for _ in range(repeats if name in steps else 0):
                steps[name]()

    for _ in range(3 if args.device == "cuda" else 1):  # warm-up
        whole()
    times = [milliseconds(whole) for _ in range(args.iterations)]
    result = {"ms_iteration": statistics.median(times), "ms_range": [min(times), max(times)]}
    for name, step in steps.items():
        result[f"ms_{name}"] = statistics.median(milliseconds(step) for _ in range(args.iterations))
    result["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if args.device == "cuda":
        result["device_mib"] = torch.cuda.max_memory_reserved() / 2**20
    return result


def device_ms(work, calls=20):
    """Device time of a call: the calls are one graph, so that nothing waits for the host."""
    replay, times = captured(work, calls), []
    for _ in range(12):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        replay()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / calls)
    return statistics.median(times[2:])


def host_ms(work, calls=5):
    """Time of a call on the CPU."""
    times = []
    for _ in range(25):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        times.append(1e3 * (time.perf_counter() - start) / calls)
    return statistics.median(times[5:])


def alone(args):
    """Convolution legs of the critic's layers (the generator's are the same, mirrored; on a GPU only),
    softmax, moments and S2; one line each. Tensors of a few MiB stay in a cache between calls."""
    cuda = args.device == "cuda"

    def report(what, fields, work):
        try:
            ms = device_ms(work) if cuda else host_ms(work)
            fields = {"ms": ms} | {name: amount / ms * 1e3 for name, amount in fields.items()}
        except Exception as error:  # noqa: BLE001: the others are still worth measuring
            fields = {"error": first_line(error)}
        print(json.dumps(what | fields), flush=True)

    shapes = [(args.size >> i, CLASSES if i == 0 else args.width << (i - 1), args.width << i)
              for i in range((args.size // 4).bit_length() - 1)]
    layouts = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
    convolutions = itertools.product(PRECISIONS, layouts.items(), shapes) if cuda else []
    for precision, (layout, order), (side, inner, outer) in convolutions:
        precise("cuda", precision)
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        make = lambda *shape: torch.randn(shape, device="cuda").to(dtype, memory_format=order)
        x, w = make(args.batch, inner, side, side), make(outer, inner, 4, 4)
        g = make(args.batch, outer, side // 2, side // 2)
        backward = lambda *wanted: torch.ops.aten.convolution_backward(
            g, x, w, None, [2, 2], [1, 1], [1, 1], False, [0, 0], 1, [*wanted, False])
        legs = {"y": lambda: nn.functional.conv2d(x, w, None, 2, 1),
                "x": lambda: backward(True, False), "w": lambda: backward(False, True)}
        tflop = 2 * args.batch * (side // 2) ** 2 * 16 * inner * outer / 1e12
        for leg, work in legs.items():
            what = {"conv": f"{side}x{side} {inner} to {outer}", "leg": leg, "setting": f"{precision}+{layout}"}
            report(what, {"tflops": tflop}, work)

    precise(args.device, "fp32")
    for (layout, order), compiled in itertools.product(layouts.items(), (False, True) if cuda else (False,)):
        x = torch.randn(args.batch, CLASSES, args.size, args.size, device=args.device)
        x = x.contiguous(memory_format=order).requires_grad_(True)
        for name, formula in (("softmax", lambda x: torch.softmax(x, 1)), ("moments", measure)):
            f = torch.compile(formula) if compiled else formula
            seed = torch.randn_like(formula(x).detach())

            def forward():
                with torch.no_grad():
                    f(x)

            # Images that must be read or written: x; its gradient; softmax also its result, twice more.
            images = {"softmax": (2, 5), "moments": (1, 2)}[name]
            moved = dict(zip(("forward", "both"), (count * 4 * x.numel() / 1e9 for count in images)))
            for what, work in (("forward", forward), ("both", lambda: torch.autograd.grad(f(x), x, seed))):
                how = f"{layout}+compile" if compiled else layout
                report({"op": name, "what": what, "setting": how}, {"gb_per_s": moved[what]}, work)

    for bins in ("index_add", "matrix"):
        s2 = Correlation(args.size, args.device, bins)
        x = torch.rand(args.batch, args.size, args.size, device=args.device, requires_grad=True)
        seed = torch.randn_like(s2(x).detach())

        def forward():
            with torch.no_grad():
                s2(x)

        for what, work in (("forward", forward), ("both", lambda: torch.autograd.grad(s2(x), x, seed))):
            report({"op": "S2", "what": what, "setting": bins}, {}, work)


def first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def every_setting(arguments):
    """Runs this program once for each setting."""
    for setting in SETTINGS:
        problem = None
        try:
            command = [sys.executable, __file__, *arguments, "--setting", setting]
            done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=LIMIT)
            if done.returncode != 0:
                problem = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1][:300]
        except subprocess.TimeoutExpired:
            problem = f"longer than {LIMIT} s"
        if problem:
            print(json.dumps({"setting": setting, "error": problem}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    for name, default in (("size", 64), ("width", 32), ("batch", 32), ("threads", 2), ("iterations", None)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--net", choices=NETS, default="dcgan", help="the pair of networks")
    parser.add_argument("--objective", choices=["invnet", "cgan", "acgan"], default="invnet")
    parser.add_argument("--setting", help="one of them only: " + ", ".join(SETTINGS))
    for name, what in (("bf16", "products of bf16 (autocast)"), ("channels-last", "memory in that order"),
                       ("compile", "torch.compile, but for the penalty")):
        parser.add_argument(f"--{name}", action="store_true", help=what)
    args = parser.parse_args()
    asked = [name for name in ("channels_last", "compile") if getattr(args, name)]
    if args.bf16 or asked:
        if args.setting:
            parser.error("--setting says already what --bf16, --channels-last and --compile ask for")
        args.setting = "+".join(["bf16" if args.bf16 else "fp32", *(asked or ["eager"])])
    if args.setting and not set(args.setting.split("+")) <= set("+".join(SETTINGS).split("+")):
        parser.error(f"--setting: parts must be of {', '.join(SETTINGS)}")
    if args.device == "cuda" and not torch.cuda.is_available():
        print(json.dumps({"skipped": "PyTorch sees no CUDA device"}))
        return
    if args.device == "cuda" and not args.setting:
        every_setting(sys.argv[1:])
        return
    warnings.filterwarnings("ignore")
    args.iterations = args.iterations or (20 if args.device == "cuda" else 7)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    if args.setting == "alone":
        alone(args)
        return
    setting = args.setting or "fp32+eager"
    what = {"torch": torch.__version__, "device": args.device, "setting": setting, "objective": args.objective}
    if args.device == "cuda":
        what["gpu"] = torch.cuda.get_device_name()
    print(json.dumps(what | iteration(args, setting)))


if __name__ == "__main__":
    main()
