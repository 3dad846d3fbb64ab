"""What PyTorch's all-reduce of so many float32 takes between processes of this machine, on gloo, one thread a process. Prints
milliseconds, the median of the rounds after the first three.

    python bench/gloo.py PROCESSES PARAMETERS ROUNDS
"""
import os
import socket
import statistics
import sys
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def reduce(rank, processes, parameters, rounds, port):
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    os.environ["MASTER_PORT"] = str(port)
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=processes)
    gradient = torch.full((parameters,), 1e-3)
    times = []
    for _ in range(rounds + 3):
        dist.barrier()
        start = time.perf_counter()
        dist.all_reduce(gradient)
        times.append(1000 * (time.perf_counter() - start))
    if rank == 0:
        print(statistics.median(times[3:]))
    dist.destroy_process_group()


if __name__ == "__main__":
    processes, parameters, rounds = (int(text) for text in sys.argv[1:4])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(reduce, (processes, parameters, rounds, port), nprocs=processes)
