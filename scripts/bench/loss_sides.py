"""Starts the sides of a loss that is timed alone (loss_bench and loss_peers.py) and talks to them; for loss.py and ../gpu/bench.py."""
import json
import pathlib
import subprocess
import sys
import tempfile

PEERS = pathlib.Path(__file__).resolve().parent / "loss_peers.py"


class Failed(Exception):
    """A side that ended; its last words."""


class Side:
    """A process that answers `run`, `memory` and `figures` with one line of numbers each (see loss.cpp)."""

    def __init__(self, command, environment=None):
        self.words = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.words,
                                        text=True, env=environment)

    def ask(self, word):
        try:
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline().split()
        if not answer:
            self.process.wait()
            self.words.seek(0)
            raise Failed(self.words.read().strip()[-2000:] or f"ended with {self.process.returncode} and no words")
        return [float(number) for number in answer]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.words.close()


def sizes(rows, vocabulary, student, teacher, term="kl", beta=0.5, temperature=1.0, device="cpu"):
    return ["--rows", rows, "--vocabulary", vocabulary, "--student-hidden", student, "--teacher-hidden", teacher, "--term", term,
            "--beta", beta, "--temperature", temperature, "--device", device]


def peer(side, options):
    return [sys.executable, PEERS, "--side", side, *options]


def facts_of_peers(device):
    """By side: `is` (package and version) and `terms` (null: all), or `missing` (why it does not run here)."""
    done = subprocess.run([sys.executable, str(PEERS), "--list", "--device", device], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def distance(found, expected):
    """The worst relative difference of two answers to `figures`: the loss by itself, the rest by the norm of its gradient."""
    norms = [expected[0], expected[1], expected[1], expected[3], expected[3]]
    apart = [abs(a - b) / max(abs(norm), 1e-30) for a, b, norm in zip(found, expected, norms)]
    return max(apart) if all(value == value for value in found) else float("inf")
