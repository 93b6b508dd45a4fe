"""How quick is the Playground, in a real JupyterLab and a real Chromium? Prints a table.

    python tests/benchmarks/playground_speed.py                     # all of it, about 35 minutes
    python tests/benchmarks/playground_speed.py start clicks frames
    python tests/benchmarks/playground_speed.py memory --minutes 60

Parts: start (from running the cell to a usable panel), clicks (from a click or a move of the slider
to what is seen of it, also while a cell sleeps or waits), frames (of a game that is watched at 30
moves a second while the training goes on at full speed), share (of the headless training speed that
is left), traffic (with four sessions), reruns (what 50 runs of the cell leave), memory (which must
not grow).

`share` pins: server and browser to one core, the kernel to the other, with the one thread that the
default config computes with.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from machine import describe_machine

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))
from chromium import find_chromium
from lab import ARGUMENTS, Lab, start_lab
from playwright.sync_api import Page, sync_playwright

#: What the page notes down: when a frame of a board was drawn, and when an ending stood below it.
WATCH_FRAMES = """
window.rlplayFrames = [];
window.rlplayEndings = [];
const clearRect = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...rest) {
  if (this.canvas.closest('.rlplay-board')) window.rlplayFrames.push(performance.now());
  return clearRect.apply(this, rest);
};
setInterval(() => {
  if (document.querySelector('.rlplay-caption-ending')?.textContent) {
    window.rlplayEndings.push(performance.now());
  }
}, 100);
"""

#: Does something, and gives the milliseconds until a condition holds and is on the screen; where
#: the board is to stand still, until it does: its picture is compared for so many milliseconds.
ACT = """
([act, condition, rest]) => new Promise((resolve, reject) => {
  const holds = new Function(`return ${condition}`);
  // A small one: what is compared at each frame must not hold up what it measures.
  const small = new OffscreenCanvas(84, 84).getContext('2d', { willReadFrequently: true });
  const picture = () => {
    small.drawImage(document.querySelector('.rlplay-board canvas'), 0, 0, 84, 84);
    return small.getImageData(0, 0, 84, 84).data.join();
  };
  const stands = (seen) => {
    if (!rest) { resolve(seen - began); return; }
    let [last, before] = [seen, picture()];
    const compare = () => {
      const [now, after] = [performance.now(), picture()];
      if (after !== before) [last, before] = [now, after];
      if (now - seen < rest) requestAnimationFrame(compare);
      else if (now - last < rest / 2) reject(new Error(`${act}: the board does not stand still`));
      else resolve(last - began);
    };
    requestAnimationFrame(compare);
  };
  const look = () => {
    if (holds()) requestAnimationFrame(() => stands(performance.now()));
    else if (performance.now() - began > 5000) reject(new Error(`${act}: nothing happened`));
    else setTimeout(look, 1);
  };
  const began = performance.now();
  new Function(act)();
  look();
})
"""
BUTTON = """[...document.querySelectorAll('.rlplay-buttons button')]
  .find((one) => one.innerText.trim() === '{}').click()"""
#: A drag is sent where it rests.
SLIDER = """const slider = document.querySelector('.rlplay-pace-slider');
slider.value = {};
slider.dispatchEvent(new Event('input'));
slider.dispatchEvent(new Event('change'));"""
FULL_SPEED = "document.querySelector('.rlplay-speed button')"
#: What the kernel does while somebody clicks.
MEANWHILE = {
    "": "",
    ", and a cell sleeps": "time.sleep(3600)",
    ", and a cell waits": "await panel.session.wait_async()",
}
#: Megabytes a minute by which memory may grow; a session that runs for a day adds less than a
#: gigabyte then.
MOST_GROWTH = 0.5
#: More than a training gets done.
MOST_STEPS_PER_SECOND = 1_000_000
#: Gives the moment, the steps of all sessions, and the seconds of their threads on a core.
STANDING = """
import threading
def _standing():
    trainers = [t.native_id for t in threading.enumerate() if t.name.startswith("rlplay-trainer")]
    threads = [t for t in psutil.Process().threads() if t.id in trainers]
    steps = sum(session.snapshot().total_steps for session in rlplay.sessions())
    return [time.monotonic(), steps, sum(t.user_time + t.system_time for t in threads)]
None"""
STATE = "document.querySelector('.rlplay-state').textContent"


class Bench:
    """A JupyterLab, a page with a notebook, and what travels between them.

    Attributes:
        page: The page.
        received: Seconds and bytes of each message that came.
    """

    def __init__(self, lab: Lab, page: Page) -> None:
        self.page = page
        self.received: list[tuple[float, int]] = []
        page.add_init_script(WATCH_FRAMES)
        page.on("websocket", self._listen)
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        notebook = {
            "cells": [],
            "metadata": {"kernelspec": kernel},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (lab.folder / "bench.ipynb").write_text(json.dumps(notebook))
        page.goto(lab.notebook("bench.ipynb"))
        page.wait_for_function(
            """() => {
              const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
              const kernel = context?.session?.kernel;
              return kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
            }""",
            timeout=60_000,
        )
        page.evaluate(
            """async () => {
              const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
              await kernel.info;
              await kernel.requestKernelInfo();
              if (!window.jupyterapp.shell.leftCollapsed) {
                await window.jupyterapp.commands.execute('application:toggle-left-area');
              }
            }"""
        )
        self.ask("import rlplay, rlplay_widgets, os, time, threading, psutil; panel = None")

    def _listen(self, socket: Any) -> None:
        def note(payload: str | bytes) -> None:
            self.received.append((time.monotonic(), len(payload)))

        socket.on("framereceived", note)

    def ask(self, code: str) -> Any:
        """Run code in the kernel, beside the notebook, and give what its last line is."""
        *_, last = ast.parse(code).body
        if isinstance(last, ast.Expr):
            before, answer, _ = code.rpartition(ast.get_source_segment(code, last) or "")
            code = f"{before}__answer = {answer}"
        result = self.page.evaluate(
            """async (code) => {
              const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
              const future = kernel.requestExecute({
                code, silent: false, store_history: false,
                user_expressions: { answer: '__import__("json").dumps(globals().get("__answer"))' },
              });
              const { content } = await future.done;
              return content;
            }""",
            code,
        )
        if result["status"] != "ok":
            raise RuntimeError(f"{result.get('ename')}: {result.get('evalue')}")
        text = result["user_expressions"]["answer"]["data"]["text/plain"]
        return json.loads(text[1:-1].encode().decode("unicode_escape"))

    def run_cell(self, source: str) -> None:
        """Put source into the first cell, and run it as a person does."""
        self.page.evaluate(
            """source => {
              const { content } = window.jupyterapp.shell.currentWidget;
              content.activeCellIndex = 0;
              content.activeCell.model.sharedModel.setSource(source);
            }""",
            source,
        )
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell'); }")

    def open_playground(self, source: str = "panel = rlplay_widgets.Playground()\npanel") -> float:
        """Run the cell, and give the seconds until the panel is there and answers."""
        began = time.monotonic()
        self.run_cell(source)
        self.page.wait_for_selector(".rlplay-playground canvas", timeout=30_000)
        self.page.wait_for_selector(".rlplay-tab-bar button", timeout=30_000)
        self.page.wait_for_function(f"() => {STATE}.length > 2")
        return time.monotonic() - began

    def act(self, script: str, condition: str, rest: int = 0) -> float:
        """Do something, and give the milliseconds until all of it is seen.

        Args:
            script: What is done in the page.
            condition: What is seen of it.
            rest: For so many milliseconds the board has to stand still afterwards.
        """
        return self.page.evaluate(ACT, [script, condition, rest])

    @contextmanager
    def busy(self, code: str) -> Iterator[None]:
        """Have the kernel run code that does not end by itself; or nothing."""
        if not code:
            yield
            return
        self.page.evaluate(
            """code => {
              const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
              window.rlplayBusy = true;
              window.rlplayCell = kernel.requestExecute({ code, store_history: false }).done
                .finally(() => { window.rlplayBusy = false; });
            }""",
            code,
        )
        self.page.wait_for_timeout(500)
        yield
        if not self.page.evaluate("() => window.rlplayBusy"):
            raise RuntimeError(f"{code} did not last")
        self.page.evaluate(
            """async () => {
              const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
              await kernel.interrupt();
              await window.rlplayCell;
            }"""
        )

    def start_training(self) -> None:
        """Press Start, and wait until the first boards move."""
        self.page.locator(".rlplay-buttons button").first.click()
        self.page.wait_for_function(f"() => {STATE}.includes('running')", timeout=60_000)
        self.page.wait_for_function(
            "() => /\\d/.test(document.querySelector('[data-key=mean] dd').innerText)",
            timeout=120_000,
        )

    def steps(self) -> int:
        """Environment steps so far, of all sessions."""
        return self.ask("sum(s.snapshot().total_steps for s in rlplay.sessions())")


def percentile(values: list[float], share: float) -> float:
    """Give the value that so large a share of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def start(bench: Bench, _: argparse.Namespace) -> None:
    times = [bench.open_playground() for _ in range(5)]
    print(
        f"| usable after running the cell | median {statistics.median(times):.2f} s, "
        f"highest {max(times):.2f} s |"
    )


def clicks(bench: Bench, options: argparse.Namespace) -> None:
    bench.open_playground()
    bench.start_training()
    bench.page.wait_for_timeout(10_000)  # until its games last
    slow = itertools.cycle((40, 60))  # where the slider goes: a pace that it did not have
    for meanwhile, code in MEANWHILE.items():
        times: list[float] = []
        with bench.busy(code):
            for _ in range(-(-options.clicks // 3)):
                paused = f"{STATE}.includes('paused')"
                times.append(bench.act(BUTTON.format("Pause"), paused, rest=250))
                times.append(bench.act(BUTTON.format("Resume"), f"{STATE}.includes('running')"))
                bench.page.wait_for_timeout(250)
                # What is seen of the slider is the kernel's: it trains at full speed no more.
                pressed = f"{FULL_SPEED}.classList.contains('mod-active')"
                times.append(bench.act(SLIDER.format(next(slow)), f"!{pressed}"))
                bench.page.wait_for_timeout(250)
                bench.act(f"{FULL_SPEED}.click()", pressed)
                bench.page.wait_for_timeout(250)
        print(
            f"| {len(times)} clicks and moves of the slider while PPO trains{meanwhile} | "
            f"median {statistics.median(times):.0f} ms, "
            f"95 % within {percentile(times, 0.95):.0f} ms, highest {max(times):.0f} ms |",
            flush=True,
        )


def frames(bench: Bench, options: argparse.Namespace) -> None:
    bench.open_playground()
    bench.start_training()
    bench.page.wait_for_timeout(10_000)  # until its games last
    bench.page.locator(".rlplay-tab-bar button").filter(has_text="Watch").click()
    bench.page.locator(".rlplay-watching button").filter(has_text="Present weights").click()
    pace = bench.page.locator(".rlplay-watching .rlplay-pace-field")
    pace.fill("30")
    pace.press("Enter")
    bench.page.wait_for_timeout(2_000)
    bench.page.evaluate("() => { window.rlplayFrames.length = window.rlplayEndings.length = 0; }")
    began, before = time.monotonic(), bench.steps()
    bench.page.wait_for_timeout(1_000 * options.seconds)
    rate = (bench.steps() - before) / (time.monotonic() - began)
    # A frame clears more than one canvas, within a moment.
    cleared, ended = bench.page.evaluate("() => [window.rlplayFrames, window.rlplayEndings]")
    pairs = itertools.pairwise([-1e3, *cleared])
    moments = [later for sooner, later in pairs if later - sooner > 4]
    # The last board of a game is held for a second: that is no gap.
    gaps = [
        later - sooner
        for sooner, later in itertools.pairwise(moments)
        if not any(sooner < moment < later for moment in ended)
    ]
    print(
        f"| frames of a game at 30 moves/s for {options.seconds:.0f} s, while PPO trains at "
        f"{rate:,.0f} steps/s | {1000 * len(gaps) / sum(gaps):.1f} frames/s, "
        f"longest gap {max(gaps):.0f} ms |"
    )


def share(bench: Bench, options: argparse.Namespace) -> None:
    cores = sorted(os.sched_getaffinity(0))
    kernel = bench.ask("os.getpid()")
    bench.ask(STANDING)
    for pinned in (True, False):
        bench.ask(
            "[s.stop() for s in rlplay.sessions() if s.state in ('running', 'paused')] and None"
        )
        _pin(kernel, [cores[-1]] if pinned else cores, [cores[0]] if pinned else cores)
        bench.open_playground()
        bench.start_training()
        rates: dict[str, list[tuple[float, float]]] = {"hidden": [], "open": [], "none": []}
        ways = list(rates)
        for turn in range(options.rounds):
            # Nothing comes first every time: what is learned makes the games longer and slower.
            for how in ways[turn % 3 :] + ways[: turn % 3]:
                if how == "none":
                    bench.ask("panel.close()")
                    bench.page.wait_for_timeout(300)
                elif how == "hidden":
                    bench.page.evaluate(
                        "() => { document.querySelector('.rlplay-playground')"
                        ".style.marginTop = '9000px'; }"
                    )
                bench.page.wait_for_timeout(1_500)
                rates[how].append(_rate(bench, options.block))
                if how == "none":
                    bench.open_playground("panel = rlplay_widgets.Playground.attach()\npanel")
                elif how == "hidden":
                    bench.page.evaluate(
                        "() => { document.querySelector('.rlplay-playground')"
                        ".style.marginTop = ''; }"
                    )
        alone = statistics.median(rate for rate, _ in rates["none"])
        print(
            f"| training, {'pinned' if pinned else 'not pinned'} | without a screen "
            f"{alone:,.0f} steps/s; open {_kept(rates['open'], rates['none'])}; "
            f"hidden {_kept(rates['hidden'], rates['none'])} |"
        )
    _pin(kernel, cores, cores)


def _kept(rates: list[tuple[float, float]], alone: list[tuple[float, float]]) -> str:
    """What is left of the speed, and of the time on a core that costs.

    The machine is not as fast in every minute: each is compared with its own neighbour in time, and
    the median has a standard error (of normal values). The time on the core varies less.
    """
    speed, core = (
        [one / other for one, other in zip(own, without, strict=True)]
        for own, without in zip(zip(*rates, strict=True), zip(*alone, strict=True), strict=True)
    )
    spread = statistics.stdev(speed) if len(speed) > 1 else math.nan
    error = math.sqrt(math.pi / 2 / len(speed)) * spread
    return (
        f"{statistics.median(speed):.1%} of that, \N{PLUS-MINUS SIGN} {100 * error:.1f}, "
        f"on the core for {statistics.median(core):.1%} of the time"
    )


def _rate(bench: Bench, seconds: float) -> tuple[float, float]:
    """The training's steps and seconds on a core in a second, by the kernel's own clocks."""
    begin = bench.ask("_standing()")
    bench.page.wait_for_timeout(1_000 * seconds)
    end = bench.ask("_standing()")
    moment, steps, core = (after - before for before, after in zip(begin, end, strict=True))
    return steps / moment, core / moment


def _pin(kernel: int, kernels: list[int], others: list[int]) -> None:
    """Give the kernel its cores, and all else that this script started the others."""
    own = psutil.Process(kernel)
    family = {own.pid, *(child.pid for child in own.children(recursive=True))}
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        cores = kernels if process.pid in family else others
        for thread in process.threads():
            try:
                os.sched_setaffinity(thread.id, cores)
            except ProcessLookupError:
                continue


def traffic(bench: Bench, options: argparse.Namespace) -> None:
    bench.ask(
        "__more = [rlplay.TrainingSession(rlplay.get_default_config().replace(seed=i)) "
        "for i in range(4)]\n"
        "[s.start(max_speed=True) for s in __more] and None"
    )
    bench.open_playground("panel = rlplay_widgets.Playground.attach()\npanel")
    chips = bench.page.locator(".rlplay-sessions button").count()
    if chips != 4:
        raise RuntimeError(f"{chips} of 4 sessions are shown")
    bench.page.wait_for_timeout(5_000)
    bench.received.clear()
    began = time.monotonic()
    bench.page.wait_for_timeout(20_000)
    seconds = time.monotonic() - began
    number, size = len(bench.received), sum(size for _, size in bench.received)
    print(
        f"| traffic with four sessions at full speed | {number / seconds:.0f} messages/s, "
        f"{size / seconds / 1000:.0f} kB/s |"
    )
    bench.ask("[s.stop() for s in __more] and None")


def reruns(bench: Bench, options: argparse.Namespace) -> None:
    count = (
        "[threading.active_count(), psutil.Process().num_fds(), "
        "len(__import__('ipywidgets').widgets.widget._instances)]"
    )
    for _ in range(3):
        bench.open_playground()
    bench.page.wait_for_timeout(1_000)
    before = bench.ask(count)
    for _ in range(50):
        bench.open_playground()
    bench.page.wait_for_timeout(1_000)
    after = bench.ask(count)
    names = ("threads", "file handles", "widgets")
    changes = ", ".join(
        f"{name} {old} to {new}" for name, old, new in zip(names, before, after, strict=True)
    )
    print(f"| left by 50 runs of the cell | {changes} |")


def memory(bench: Bench, options: argparse.Namespace) -> None:
    steps = int(60 * options.minutes * MOST_STEPS_PER_SECOND)
    config = f"rlplay.get_default_config().replace(total_steps={steps})"
    bench.open_playground(f"panel = rlplay_widgets.Playground({config})\npanel")
    bench.start_training()
    times, kernel, page = [], [], []
    process = psutil.Process(bench.ask("os.getpid()"))
    session = bench.page.context.new_cdp_session(bench.page)
    began = time.monotonic()
    while (now := time.monotonic() - began) < 60 * options.minutes:
        session.send("HeapProfiler.collectGarbage")
        heap = session.send("Runtime.getHeapUsage")["usedSize"]
        times.append(now / 60)
        kernel.append(process.memory_info().rss / 1e6)
        page.append(heap / 1e6)
        bench.page.wait_for_timeout(5_000)
    if bench.ask("panel.session.state") != "running":
        raise SystemExit("The training ended before the measurement did.")
    rate = bench.steps() / (time.monotonic() - began)
    half = [index for index, moment in enumerate(times) if moment >= options.minutes / 2]
    grows = []
    for what, values in (("kernel", kernel), ("page", page)):
        slope = _slope([times[i] for i in half], [values[i] for i in half])
        print(
            f"| memory of the {what}, {options.minutes:.0f} min at {rate:,.0f} steps/s | "
            f"{values[-1]:.0f} MB, {slope:+.2f} MB a minute over the second half |",
            flush=True,
        )
        if slope > MOST_GROWTH:
            grows.append(what)
    if grows:
        raise SystemExit(f"The memory of the {' and of the '.join(grows)} grows.")


def _slope(x: list[float], y: list[float]) -> float:
    """Slope of the straight line through points."""
    return statistics.linear_regression(x, y).slope


PARTS: dict[str, Callable[[Bench, argparse.Namespace], None]] = {
    "start": start,
    "clicks": clicks,
    "frames": frames,
    "share": share,
    "traffic": traffic,
    "reruns": reruns,
    "memory": memory,
}


def main() -> None:
    """Measure the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    every = list(PARTS)[:-1]  # `memory` takes long, and has to be asked for
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--clicks", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60, help="of frames")
    parser.add_argument("--rounds", type=int, default=30, help="of share")
    parser.add_argument("--block", type=float, default=3, help="seconds of each round")
    parser.add_argument("--minutes", type=float, default=10, help="of memory")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    print(describe_machine())
    print("| what | figure |\n|---|---|", flush=True)
    with (
        tempfile.TemporaryDirectory() as base,
        start_lab(Path(base)) as lab,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        for name in options.parts or every:
            context = browser.new_context(viewport={"width": 1280, "height": 800})
            bench = Bench(lab, context.new_page())
            try:
                PARTS[name](bench, options)
            finally:
                bench.page.evaluate(
                    """async () => {
                      const { sessionContext } = window.jupyterapp.shell.currentWidget;
                      await sessionContext.shutdown();
                    }"""
                )
                context.close()
        browser.close()


if __name__ == "__main__":
    main()
