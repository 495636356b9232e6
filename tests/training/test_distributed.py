"""Two processes that each see half of a batch train as one that sees all of it, where batch norm does not differ."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.training import nets
from torch import nn

from picojoule.training import Trainable, trainable

WORKER = """
import os
import sys
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from picojoule.training import Trainable

torch.set_num_threads(1)
distributed.init_process_group("gloo")
rank = distributed.get_rank()
start, x, y = torch.load(sys.argv[1], weights_only=False)
module = DistributedDataParallel(start.eval() if sys.argv[3] == "eval" else start.train())
optimizer = torch.optim.SGD([each for each in module.parameters() if each.requires_grad], 0.1)
losses = []
for step in range(4):
    loss = nn.functional.cross_entropy(module(x[rank::2]), y[rank::2])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    mean = loss.detach().clone()
    distributed.all_reduce(mean)
    losses.append(mean.item() / 2)
if rank == 0:
    torch.save((losses, start.state_dict()), sys.argv[2])
distributed.destroy_process_group()
os._exit(0)  # torch's own teardown aborts now and then: in 2 of 8 runs of a plain torch module
"""


def alone(module: Trainable, x: torch.Tensor, y: torch.Tensor) -> list[float]:
    """The losses of one process on the joined batch."""
    optimizer = torch.optim.SGD([each for each in module.parameters() if each.requires_grad], 0.1)
    losses = []
    for _ in range(4):
        loss = nn.functional.cross_entropy(module(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["folded", "eval"])
def test_two_processes_are_one_on_the_joined_batch(stage: str, tmp_path: Path) -> None:
    module = trainable(nets.made(nets.Residual), nets.train().x, 4)
    nets.trained(module, 10)
    module = module.folded().train() if stage == "folded" else module.eval()
    x, y = nets.train().x[:64], nets.train().y[:64]
    torch.save((module, x, y), tmp_path / "start.pt")
    (tmp_path / "worker.py").write_text(WORKER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
               "worker.py", "start.pt", "end.pt", stage]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    losses, state = torch.load(tmp_path / "end.pt", weights_only=True)
    assert losses == pytest.approx(alone(module, x, y), rel=1e-5)
    assert losses[-1] < losses[0]
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(state[name], tensor, rtol=1e-4, atol=1e-5, msg=name)
