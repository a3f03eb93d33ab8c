"""The networks in torch.nn, written from the same tables, for comparisons; needs PyTorch but none of our code.

    python benchmarks/torch_networks.py WEIGHTS.npz OUT.npz

reads images and weights under our layers' names; writes features, parameter counts and the output shape of each layer.
PyTorch and TensorFlow have crashed when loaded in the same process, so this runs in a separate one.
"""
import json
import sys
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
GROUPS = (64, 256, 256)
INVERTED = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class Network(nn.Module):
    """A network whose modules have our layers' names; `forward` returns the features (N, d)."""

    def __init__(self, name: str, width: float, signed_features: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        self._width = width
        self._signed = signed_features
        self._name = name
        {"resnet18": self._resnet, "preact_resnet18": self._preact, "mobilenet_v2": self._mobilenet,
         "fast_cnn": self._fast_cnn}[name]()

    def forward(self, x: Tensor) -> Tensor:
        run = {"resnet18": self._run_resnet, "preact_resnet18": self._run_preact,
               "mobilenet_v2": self._run_mobilenet, "fast_cnn": self._run_fast_cnn}[self._name]
        return run(x).amax(dim=(2, 3)) if self._name == "fast_cnn" else run(x).mean(dim=(2, 3))

    def scaled(self, channels: int) -> int:
        return max(1, round(channels * self._width))

    def conv(self, name: str, inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> None:
        self.layers[name] = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)

    def norm(self, name: str, channels: int) -> None:
        self.layers[name] = nn.BatchNorm2d(channels)

    def _blocks(self) -> Iterator[tuple[str, int, int, int]]:
        inputs = self.scaled(64)
        for stage, (channels, stride) in enumerate(STAGES, start=1):
            for block in (1, 2):
                outputs = self.scaled(channels)
                yield f"stage{stage}_block{block}", inputs, outputs, stride if block == 1 else 1
                inputs = outputs

    def _resnet(self) -> None:
        self.conv("stem_conv", 3, self.scaled(64), 3)
        self.norm("stem_norm", self.scaled(64))
        for name, inputs, outputs, stride in self._blocks():
            self.conv(f"{name}_conv1", inputs, outputs, 3, stride)
            self.norm(f"{name}_norm1", outputs)
            self.conv(f"{name}_conv2", outputs, outputs, 3)
            self.norm(f"{name}_norm2", outputs)
            if stride > 1 or inputs != outputs:
                self.conv(f"{name}_shortcut_conv", inputs, outputs, 1, stride)
                self.norm(f"{name}_shortcut_norm", outputs)

    def _run_resnet(self, x: Tensor) -> Tensor:
        at = self.layers
        x = torch.relu(at["stem_norm"](at["stem_conv"](x)))
        for name, *_ in self._blocks():
            y = torch.relu(at[f"{name}_norm1"](at[f"{name}_conv1"](x)))
            y = at[f"{name}_norm2"](at[f"{name}_conv2"](y))
            if f"{name}_shortcut_conv" in at:
                x = at[f"{name}_shortcut_norm"](at[f"{name}_shortcut_conv"](x))
            x = x + y
            x = x if name == "stage4_block2" and self._signed else torch.relu(x)
        return x

    def _preact(self) -> None:
        self.conv("stem_conv", 3, self.scaled(64), 3)
        for name, inputs, outputs, stride in self._blocks():
            self.norm(f"{name}_norm1", inputs)
            self.conv(f"{name}_conv1", inputs, outputs, 3, stride)
            self.norm(f"{name}_norm2", outputs)
            self.conv(f"{name}_conv2", outputs, outputs, 3)
            if stride > 1 or inputs != outputs:
                self.conv(f"{name}_shortcut_conv", inputs, outputs, 1, stride)
        if not self._signed:
            self.norm("final_norm", self.scaled(512))

    def _run_preact(self, x: Tensor) -> Tensor:
        at = self.layers
        x = at["stem_conv"](x)
        for name, *_ in self._blocks():
            y = torch.relu(at[f"{name}_norm1"](x))
            x = at[f"{name}_shortcut_conv"](y) if f"{name}_shortcut_conv" in at else x
            y = at[f"{name}_conv1"](y)
            x = x + at[f"{name}_conv2"](torch.relu(at[f"{name}_norm2"](y)))
        return x if self._signed else torch.relu(at["final_norm"](x))

    def _inverted(self) -> Iterator[tuple[str, int, int, int, int]]:
        inputs = self.scaled(32)
        for stage, (expansion, channels, blocks, stride) in enumerate(INVERTED, start=1):
            for block in range(1, blocks + 1):
                outputs = self.scaled(channels)
                yield f"stage{stage}_block{block}", inputs, expansion * inputs, outputs, stride if block == 1 else 1
                inputs = outputs

    def _mobilenet(self) -> None:
        self.conv("stem_conv", 3, self.scaled(32), 3)
        self.norm("stem_norm", self.scaled(32))
        for name, inputs, inner, outputs, stride in self._inverted():
            self.conv(f"{name}_expand_conv", inputs, inner, 1)
            self.norm(f"{name}_expand_norm", inner)
            self.conv(f"{name}_depthwise_conv", inner, inner, 3, stride, groups=inner)
            self.norm(f"{name}_depthwise_norm", inner)
            self.conv(f"{name}_project_conv", inner, outputs, 1)
            self.norm(f"{name}_project_norm", outputs)
            if stride == 1 and inputs != outputs:
                self.conv(f"{name}_shortcut_conv", inputs, outputs, 1)
                self.norm(f"{name}_shortcut_norm", outputs)
        self.conv("last_conv", self.scaled(320), 1280, 1)
        self.norm("last_norm", 1280)

    def _run_mobilenet(self, x: Tensor) -> Tensor:
        at = self.layers
        x = torch.relu(at["stem_norm"](at["stem_conv"](x)))
        for name, inputs, _, outputs, stride in self._inverted():
            y = torch.relu(at[f"{name}_expand_norm"](at[f"{name}_expand_conv"](x)))
            y = torch.relu(at[f"{name}_depthwise_norm"](at[f"{name}_depthwise_conv"](y)))
            y = at[f"{name}_project_norm"](at[f"{name}_project_conv"](y))
            if stride == 1 and inputs != outputs:
                x = at[f"{name}_shortcut_norm"](at[f"{name}_shortcut_conv"](x))
            x = x + y if stride == 1 else y
        x = at["last_norm"](at["last_conv"](x))
        return x if self._signed else torch.relu(x)

    def _fast_cnn(self) -> None:
        self.layers["whitening"] = nn.Conv2d(3, 24, 2)
        self.layers["whitening"].weight.requires_grad = False
        inputs = 24
        for group, channels in enumerate(GROUPS, start=1):
            for number in (1, 2):
                self.conv(f"group{group}_conv{number}", inputs, self.scaled(channels), 3)
                inputs = self.scaled(channels)
                self.layers[f"group{group}_norm{number}"] = norm = nn.BatchNorm2d(inputs, eps=1e-12, momentum=0.4)
                norm.weight.requires_grad = False  # it stays 1

    def _run_fast_cnn(self, x: Tensor) -> Tensor:
        at, gelu = self.layers, nn.functional.gelu
        x = gelu(at["whitening"](x))
        for group in range(1, len(GROUPS) + 1):
            x = nn.functional.max_pool2d(at[f"group{group}_conv1"](x), 2)
            x = at[f"group{group}_conv2"](gelu(at[f"group{group}_norm1"](x)))
            x = at[f"group{group}_norm2"](x)
            x = x if group == len(GROUPS) and self._signed else gelu(x)
        return x


_OURS = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def load(network: Network, arrays: dict[str, np.ndarray]) -> None:
    """Loads weights under our layers' names and in our layout into a network; the names must match exactly."""
    wanted = {}
    for path, tensor in network.state_dict(keep_vars=True).items():
        _, name, kind = path.split(".")
        if kind == "num_batches_tracked":
            continue
        is_kernel = isinstance(network.layers[name], nn.Conv2d) and kind == "weight"
        is_bias = isinstance(network.layers[name], nn.Conv2d) and kind == "bias"
        ours = "kernel" if is_kernel else "bias" if is_bias else _OURS[kind]
        if ours == "gamma" and not tensor.requires_grad:
            continue  # it is 1
        array = arrays[f"{name}/{ours}"]
        if is_kernel:  # (h, w, in, out) or, depthwise, (h, w, C, 1)
            array = array.transpose(2, 3, 0, 1) if network.layers[name].groups > 1 else array.transpose(3, 2, 0, 1)
        assert tuple(tensor.shape) == array.shape, (path, tuple(tensor.shape), array.shape)
        tensor.data.copy_(torch.from_numpy(np.ascontiguousarray(array)))
        wanted[f"{name}/{ours}"] = True
    assert wanted.keys() == arrays.keys(), sorted(wanted.keys() ^ arrays.keys())


def main(weights: str, out: str) -> None:
    with np.load(weights) as file:
        arrays = dict(file)
    network = Network(**json.loads(str(arrays.pop("meta"))))
    images = torch.from_numpy(arrays.pop("images").transpose(0, 3, 1, 2).copy())
    load(network, arrays)
    shapes: dict[str, np.ndarray] = {}
    for name, module in network.layers.items():
        module.register_forward_hook(lambda _module, _inputs, output, name=name: shapes.__setitem__(
            f"shape/{name}", np.array(output.permute(0, 2, 3, 1).shape)))
    with torch.no_grad():
        features = network.eval()(images).numpy()
        features_training = network.train()(images).numpy()
    np.savez(out, features=features, features_training=features_training,
             parameters=sum(each.numel() for each in network.parameters() if each.requires_grad),
             statistics=sum(each.numel() for name, each in network.named_buffers() if "running" in name), **shapes)


if __name__ == "__main__":
    main(*sys.argv[1:])
