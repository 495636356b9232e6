"""Which 4-bit format keeps a network best, each at its true stored bits: an antibody encoder, and ResNet-20.

    python benchmarks/four_bits.py [--checkpoint resnet20.th --data DIR]

The encoder is AntiBERTy (8 layers of 512, 26 million weights), as its package ships it. It reads germline sequences of
antibodies (package anarci) in which 15 % of the residues are masked: what counts is how many of those it gets right,
and the cosine between the embeddings of the quantised and of the float encoder. With a ResNet-20 checkpoint and the
CIFAR-10 folder the same is said of its accuracy on the test images.

Weights are rounded alone, and weights and inputs of every layer together; ranges by `mse` on samples that are not
measured on. Attention, softmax and layer norm stay in floating point.
"""

import argparse
import random
import runpy
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import torch
from peers.environment import enter
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, gelu, layer_norm, linear, scaled_dot_product_attention

FORMATS = ("fixed4", "e2m1", "e3m0", "nf4", "lut16", "nf4/64", "e2m1/32:e8m0", "e2m1/16:e4m3", "fixed8", "e4m3")
LENGTH, MASKED, HEADS, EPS = 96, 0.15, 8, 1e-12
CALIBRATION, MEASURED = 32, 200
SEED = 0


class Encoder(nn.Module):
    """Token embeddings [n, t, 512] to the last layer's embeddings, of the same shape: BERT, norm behind each part."""

    def __init__(self, tensors: dict[str, Tensor], layers: int = 8) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(tensors, f"bert.encoder.layer.{index}.") for index in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class Layer(nn.Module):
    """One layer of the encoder."""

    def __init__(self, tensors: dict[str, Tensor], prefix: str) -> None:
        super().__init__()
        named = {"query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value",
                 "mixed": "attention.output.dense", "wide": "intermediate.dense", "narrow": "output.dense"}  # fmt: skip
        for name, place in named.items():
            setattr(self, name, dense(tensors, prefix + place))
        self.after = norm(tensors, prefix + "attention.output.LayerNorm")
        self.last = norm(tensors, prefix + "output.LayerNorm")

    def forward(self, x: Tensor) -> Tensor:
        heads = (each(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for each in (self.query, self.key, self.value))
        mixed = scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        x = self.after(x + self.mixed(mixed))
        y: Tensor = self.last(x + self.narrow(gelu(self.wide(x))))
        return y


def dense(tensors: dict[str, Tensor], name: str) -> nn.Linear:
    """A dense layer with these weights."""
    weights = tensors[f"{name}.weight"]
    layer = nn.Linear(weights.shape[1], weights.shape[0])
    layer.load_state_dict({"weight": weights, "bias": tensors[f"{name}.bias"]})
    return layer


def norm(tensors: dict[str, Tensor], name: str) -> nn.LayerNorm:
    """A layer norm with these weights."""
    layer = nn.LayerNorm(len(tensors[f"{name}.weight"]), eps=EPS)
    layer.load_state_dict({"weight": tensors[f"{name}.weight"], "bias": tensors[f"{name}.bias"]})
    return layer


class Task:
    """What a network is measured by: calibration samples, a module, and a score of its outputs on other samples."""

    def __init__(self, name: str, module: nn.Module, known: Tensor, x: Tensor, score: Callable[[Tensor, Tensor], str]):
        self.name, self.module, self.known, self.x, self.score = name, module, known, x, score

    def table(self) -> Iterator[str]:
        """A row for each format: stored bits of a weight, then the score with weights alone, and with inputs too."""
        from picojoule import Plan, calibrate, capture, quantize
        from picojoule.formats import parse

        network = capture(self.module, self.known[:1])
        reference = _outputs(self.module, self.x)
        yield f"{'float32':16} {32:6.3f}   {self.score(reference, reference)}"
        weights = [site for site in network.sites.values() if site.kind == "weights"]
        count = sum(site.count for site in weights)
        for text in FORMATS:
            format = parse(text)
            size = sum(format.size_bits(network.tensors[site.tensor].shape) for site in weights) / count
            told = []
            for kinds in ("*.weights", "*"):
                plan = Plan({kinds: format}).expand(network)
                module = quantize(network, plan, calibrate(network, self.known, plan, observer="mse"))
                told.append(self.score(reference, _outputs(module, self.x)))
            yield f"{text:16} {size:6.3f}   {'   '.join(told)}"


@torch.inference_mode()
def _outputs(module: nn.Module, x: Tensor) -> Tensor:
    return torch.cat([module.eval()(part) for part in x.split(100)])


def antiberty() -> Task:
    """The encoder as its package ships it, on masked germline sequences."""
    home = _home("antiberty") / "trained_models"
    content = (home / "AntiBERTy_md_smooth" / "pytorch_model.bin").open("rb")
    tensors = torch.load(content, weights_only=True, map_location="cpu")
    vocabulary = (home / "vocab.txt").read_text().split()
    tokens = torch.tensor([[vocabulary.index(each) for each in ("[CLS]", *s, "[SEP]")] for s in sequences()])
    masked = torch.rand(tokens.shape, generator=torch.Generator().manual_seed(SEED)) < MASKED
    masked[:, [0, -1]] = False
    x = _embedded(tensors, torch.where(masked, vocabulary.index("[MASK]"), tokens))
    known, x, masked, tokens = x[:CALIBRATION], x[CALIBRATION:], masked[CALIBRATION:], tokens[CALIBRATION:]

    def score(reference: Tensor, embeddings: Tensor) -> str:
        right = (_residues(tensors, embeddings[masked]).argmax(-1) == tokens[masked]).double().mean()
        alike = cosine_similarity(embeddings.double(), reference.double(), dim=-1).mean()
        return f"{float(right):7.2%} {float(alike):8.5f}"

    name = f"AntiBERTy, {len(x)} sequences, {int(masked.sum())} masked residues: right, and cosine of embeddings"
    return Task(name, Encoder(tensors), known, x, score)


def sequences() -> list[str]:
    """The first residues of the heavy and light germline V genes of every species, none twice, shuffled."""
    germlines = runpy.run_path(str(_home("anarci") / "germlines.py"))["all_germlines"]
    genes = [gene for chain in germlines["V"].values() for species in chain.values() for gene in species.values()]
    whole = sorted({gene.replace("-", "")[:LENGTH] for gene in genes})
    chosen = [each for each in whole if len(each) == LENGTH and set(each) <= set("ACDEFGHIKLMNPQRSTVWY")]
    random.Random(SEED).shuffle(chosen)
    return chosen[: CALIBRATION + MEASURED]


def _home(package: str) -> Path:
    """Where a package's files are; it is not imported, for all that is wanted of it is data."""
    found = find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def _embedded(tensors: dict[str, Tensor], tokens: Tensor) -> Tensor:
    prefix = "bert.embeddings."
    places = tensors[prefix + "position_embeddings.weight"][: tokens.shape[1]]
    words, kind = tensors[prefix + "word_embeddings.weight"], tensors[prefix + "token_type_embeddings.weight"][0]
    scale, shift = tensors[prefix + "LayerNorm.weight"], tensors[prefix + "LayerNorm.bias"]
    return layer_norm(words[tokens] + places + kind, scale.shape, scale, shift, EPS)


def _residues(tensors: dict[str, Tensor], embeddings: Tensor) -> Tensor:
    """What the head takes each residue for; it is left as it is."""
    prefix = "cls.predictions."
    x = linear(embeddings, *(tensors[f"{prefix}transform.dense.{each}"] for each in ("weight", "bias")))
    scale, shift = (tensors[f"{prefix}transform.LayerNorm.{each}"] for each in ("weight", "bias"))
    return linear(
        layer_norm(gelu(x), scale.shape, scale, shift, EPS),
        *(tensors[f"{prefix}decoder.{each}"] for each in ("weight", "bias")),
    )


def resnet20(checkpoint: Path, data: Path) -> Task:
    """ResNet-20 of a checkpoint, on the test images of CIFAR-10."""
    from picojoule import zoo
    from picojoule.data import Prepare, load
    from picojoule.models import load_checkpoint

    module = zoo.create("resnet20")
    load_checkpoint(module, checkpoint)
    loaded = Prepare((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)).apply(load(f"cifar10:{data}"))
    assert loaded.train is not None
    x, y = loaded.held_out.x, loaded.held_out.y

    def score(reference: Tensor, outputs: Tensor) -> str:
        return f"{float((outputs.argmax(1) == y).double().mean()):7.2%}"

    return Task(f"ResNet-20, {len(x)} images: right", module, loaded.train.x[:1000], x, score)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    tasks = [antiberty()] if find_spec("antiberty") and find_spec("anarci") else []
    if given.checkpoint is not None:
        tasks.append(resnet20(given.checkpoint, given.data))
    for task in tasks:
        print(f"\n{task.name}\nformat           bits     weights alone          weights and inputs")
        for row in task.table():
            print(row, flush=True)


if __name__ == "__main__":
    enter("encoder", "antiberty")
    main()
