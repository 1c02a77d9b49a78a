"""Benchmarks/run: that its figures are what they say, and that all of it runs. No time is judged here."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from support.postgres import open_folder
from support.proxy import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "Benchmarks"))

from contenders import Contender, ContenderDied, Route
from figures import Latencies, middle, paired_differences, paired_ratios, spread
from meters import CallCounter, Meter, perf_count, strace_count
from plots import Bar, Scale, bar_chart
from report import report, write_report
from readme import BEGIN, END, update_readme
from results import Cell, Failure, Results, merged
from scenarios import Measurement, Scenario
from scenarios.judging import measurements
from scenarios.pgbench import LoadFailed, check_report, transactions_in
from suite import Suite, turned
from verdicts import verdicts

SUITE = REPOSITORY / "Benchmarks" / "suite.py"


# ---- Arithmetic


def test_percentiles_are_the_values_at_their_ranks():
    thousand = Latencies(range(1, 1001))
    assert [thousand.percentile(share) for share in (0.5, 0.99, 0.999, 1)] == [500, 990, 999, 1000]
    assert [Latencies([7]).percentile(share) for share in (0.0, 0.5, 0.999)] == [7, 7, 7]
    # One slow one in a thousand is the last above 99.9 %, two are at it.
    assert Latencies([1] * 999 + [50]).percentile(0.999) == 1
    assert Latencies([1] * 998 + [50] * 2).percentile(0.999) == 50


def test_percentiles_agree_with_sorting_whatever_the_order():
    numbers = random.Random(6)
    values = [int(numbers.lognormvariate(5, 2)) for _ in range(4_321)]
    latencies = Latencies(values)
    ordered = sorted(values)
    for per_mille in range(1, 1001):
        rank = -(-per_mille * len(ordered) // 1000)
        assert latencies.percentile(per_mille / 1000) == ordered[rank - 1], per_mille


def test_medians_and_spreads_leave_out_what_is_missing():
    assert middle([3, None, 1, 2]) == 2
    assert spread([3, None, 1, 2]) == (1, 3)
    assert middle([None]) is None and spread([]) is None


def test_rounds_are_compared_with_the_same_round_of_the_other():
    assert paired_ratios([2, None, 9, 8], [1, 5, 3]) == [2, 3]
    assert paired_differences([2, None, 9], [1, 5, None]) == [1]


def test_no_contender_always_follows_the_same_one():
    names = ("a", "b", "c", "d")
    orders = [turned(names, index) for index in range(8)]
    assert all(sorted(order) == sorted(names) for order in orders)
    assert {order[0] for order in orders} == set(names)
    followers = {tuple(order[place : place + 2]) for order in orders for place in range(3)}
    assert ("a", "b") in followers and ("b", "a") in followers


# ---- pgbench


def test_a_log_is_read_and_its_torn_last_line_left_out():
    text = "0 1 250 0 1700000000 5\n1 1 300 0 1700000000 999999 12\n0 2 2"
    first, second = transactions_in(text)
    assert (first.microseconds, second.microseconds) == (250, 300)
    assert first.completed == pytest.approx(1700000000.000005)
    assert second.completed == pytest.approx(1700000000.999999)


GOOD = "number of transactions actually processed: 12\nnumber of failed transactions: 0 (0.000%)\n"


@pytest.mark.parametrize(
    "printed, code",
    [
        (GOOD, 2),
        (GOOD.replace("failed transactions: 0", "failed transactions: 1"), 0),
        (GOOD + "pgbench: error: client 0 aborted in command 1\n", 0),
        ("connection refused", 0),
    ],
)
def test_a_run_with_failed_transactions_is_no_measurement(printed: str, code: int):
    assert check_report(GOOD, 0) == 12
    with pytest.raises(LoadFailed):
        check_report(printed, code)


# ---- Meters

BURN = """
import sys, threading, time
def burn():
    while time.thread_time() < 0.05: pass
def burn_in_threads():
    threads = [threading.Thread(target=burn) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


@contextmanager
def child(code: str) -> Iterator[subprocess.Popen[str]]:
    """A Python that reads lines and says something for each."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ask(process: subprocess.Popen[str], line: str = "") -> str:
    assert process.stdin and process.stdout
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_cpu_time_is_the_process_own_account_of_it_ended_threads_included():
    code = BURN + "for line in sys.stdin:\n  burn_in_threads()\n  print(time.process_time())\n"
    with child(code) as process:
        before = float(ask(process))
        meter = Meter(process.pid)
        meter.start()
        first = meter.cpu_seconds()
        own = float(ask(process))
        used = meter.stop().cpu_seconds
    assert first >= before
    assert used >= own - first
    # Two threads of 50 ms each have ended in between.
    assert used >= 0.1


def test_context_switches_are_those_of_all_threads():
    code = """
import sys, threading, time
def nap():
    for _ in range(30): time.sleep(0.0001)
    done.wait()
for line in sys.stdin:
    done = threading.Event()
    threads = [threading.Thread(target=nap) for _ in range(2)]
    for thread in threads: thread.start()
    time.sleep(0.2)
    print("napped")
    sys.stdin.readline()
    done.set()
    for thread in threads: thread.join()
"""
    with child(code) as process:
        meter = Meter(process.pid)
        meter.start()
        assert ask(process) == "napped"
        assert meter.stop().context_switches >= 60


def test_peak_memory_is_that_since_the_start():
    code = """
import sys
for line in sys.stdin:
    held = bytearray(int(line)); held[::4096] = b'x' * len(held[::4096]); del held
    print("done")
"""
    with child(code) as process:
        assert ask(process, str(150_000_000)) == "done"
        meter = Meter(process.pid)
        meter.start()
        assert ask(process, str(40_000_000)) == "done"
        usage = meter.stop()
    # The kernel's account lags behind by up to a few hundred pages.
    assert 38 <= usage.peak_megabytes - usage.first_megabytes <= 60


def test_where_there_is_no_proxy_nothing_is_used():
    meter = Meter(None)
    meter.start()
    usage = meter.stop()
    assert (usage.cpu_seconds, usage.context_switches, usage.peak_megabytes) == (0, 0, 0)


def test_system_calls_are_counted_and_no_others():
    if CallCounter.find_tool() is None:
        pytest.skip("neither perf nor strace can count system calls here")
    code = "import os, sys\nfor line in sys.stdin:\n  for _ in range(int(line)): os.getppid()\n  print('done')\n"
    counts = []
    with child(code) as process:
        assert ask(process, "1") == "done"
        for calls in (1000, 3000):
            counter = CallCounter(process.pid)
            counter.start()
            assert ask(process, str(calls)) == "done"
            counts.append(counter.stop())
    # Reading and writing a line are calls, too; they fall out of the difference.
    assert counts[0] >= 1000
    assert abs(counts[1] - counts[0] - 2000) <= 4


def test_what_the_counting_programs_print_is_understood():
    perf = "# started on Wed\n\n4321;;raw_syscalls:sys_enter;100200300;100.00;;\n"
    assert perf_count(perf) == 4321
    assert perf_count("<not counted>;;raw_syscalls:sys_enter;0;0.00;;\n") is None
    table = "% time seconds usecs/call calls errors syscall\n60.00 0.1 5 20 read\n40.00 0.1 5 10 2 write\n"
    table += "------ ---- ---- ---- ---- ----\n100.00    0.2     6    30     2 total\n"
    assert strace_count(table) == 30
    assert strace_count("strace: attach: Operation not permitted") is None


# ---- The suite


class FakeField:
    """Contenders without programs, but for those that have died."""

    def __init__(self, dead: subprocess.Popen[bytes] | None = None, log: Path | None = None) -> None:
        self._dead = dead
        self._log = log

    def contender(self, name: str, route: Route) -> Contender:
        if name == "dead" and self._dead:
            return Contender(name, route, "", 0, self._dead.pid, self._log, self._dead.poll)
        return Contender(name, route, "", 0)


class Counting(Scenario):
    def measure(self, contender: Contender) -> list[Measurement]:
        if contender.name == "failing":
            raise LoadFailed("transactions failed")
        return [Measurement("throughput", 5, "transactions/s")]


def counting(*contenders: str, **options: Any) -> Counting:
    return Counting("counting", "counting", "select-tcp", contenders, metrics=("throughput",), **options)


def run_suite(scenarios: list[Scenario], rounds: int = 1, field: FakeField | None = None) -> tuple[Suite, Results]:
    results = Results()
    suite = Suite(field or FakeField(), scenarios, rounds, results)  # type: ignore[arg-type]
    suite.prepare()
    for index in range(rounds):
        suite.measure(index)
    suite.measure_once()
    return suite, results


def test_what_one_contender_fails_at_is_a_failure_and_the_others_go_on():
    suite, results = run_suite([counting("failing", "direct")], rounds=2)
    assert [(one.contender, one.round) for one in results.failures] == [("failing", 1), ("failing", 2)]
    assert results.cells[0].rounds("direct", "throughput") == [5, 5]
    assert list(results.missing(suite.expected())) == ["counting: no throughput of failing"]
    assert "transactions failed" in report(results)


def test_a_contender_that_died_is_a_failure_with_its_last_words(tmp_path: Path):
    log = tmp_path / "log"
    with open(log, "wb") as output:
        process = subprocess.Popen(["sh", "-c", "echo out of luck; exit 3"], stdout=output)
        process.wait()
    _, results = run_suite([counting("dead")], field=FakeField(process, log))
    failure, *_ = results.failures
    assert "dead ended with 3" in failure.text and "out of luck" in failure.text
    with pytest.raises(ContenderDied):
        FakeField(process, log).contender("dead", Route()).check()


def test_a_scenario_may_have_fewer_rounds_than_the_run():
    _, results = run_suite([counting("direct", rounds=1)], rounds=3)
    assert results.cells[0].rounds("direct", "throughput") == [5]


def test_the_raw_data_comes_back_as_it_was_written(tmp_path: Path):
    results = sample_results(holdfast_cpu=1.5)
    results.write(tmp_path / "data.json")
    again = Results.read(tmp_path / "data.json")
    assert again == results
    assert report(again) == report(results)
    (tmp_path / "data.json").write_text('{"version": 0}')
    with pytest.raises(ValueError, match="version 0"):
        Results.read(tmp_path / "data.json")


def test_of_several_runs_the_last_ones_figures_count():
    first, second = sample_results(holdfast_cpu=1.5), sample_results(holdfast_cpu=1.9)
    other = Cell("ddl-1", "1 client", "ddl", ["holdfast"], {})
    first.cells.insert(0, other)
    first.failures = [Failure("select-tcp-simple-1", "holdfast", 1, "was repeated"), Failure("ddl-1", "", 1, "stays")]
    second.facts = {"date": "tomorrow"}
    both = merged([first, second])
    assert both.facts == {"date": "\n  - today\n  - tomorrow"}
    assert both.cells == [other, second.cells[0]]
    assert [one.text for one in both.failures] == ["stays"]


# ---- The report


def sample_results(holdfast_cpu: float) -> Results:
    """One cell in three rounds, of which one was slow for all."""
    cell = Cell(
        "select-tcp-simple-1", "simple, 1 client", "select-tcp", ["direct", "pgbouncer", "haproxy", "holdfast"],
        {"mode": "simple", "clients": 1},
    )  # fmt: skip
    for index, slowness in enumerate((1, 4, 1)):
        for name, rate, p50, cpu in [
            ("direct", 20_000, 0.05, None), ("pgbouncer", 9_000, 0.11, 2.0), ("haproxy", 8_000, 0.12, 2.5),
            ("holdfast", 10_000, 0.10, holdfast_cpu),
        ]:  # fmt: skip
            cell.add(name, index, "throughput", rate / slowness, "transactions/s")
            cell.add(name, index, "latency-p50", p50 * slowness, "ms")
            cell.add(name, index, "latency-p99", p50 * slowness * 3, "ms")
            if cpu is not None:
                cell.add(name, index, "cpu", cpu * slowness, "s per 100,000 transactions")
    return Results({"date": "today"}, [cell])


def verdict(results: Results, beginning: str) -> tuple[bool | None, str]:
    (found,) = [one for one in verdicts(results) if one.target.startswith(beginning)]
    return found.is_met, found.text


def test_a_verdict_says_met_or_by_how_much_not():
    good, bad = sample_results(holdfast_cpu=1.5), sample_results(holdfast_cpu=1.9)
    target = "1. CPU per transaction at most 0.85 of PgBouncer's, TCP"
    assert verdict(good, target) == (True, "met")
    assert verdict(bad, target) == (False, "missed: by 0.10")
    assert verdict(good, "1. CPU per transaction at most 0.75 of HAProxy's, TCP") == (True, "met")
    assert verdict(bad, "1. CPU per transaction at most 0.75 of HAProxy's, TCP") == (False, "missed: by 0.01")
    assert verdict(good, "1. Throughput at least that of both, TCP") == (True, "met")
    assert verdict(good, "1. Added p50 at one client at most PgBouncer's, TCP") == (True, "met")
    assert verdict(good, "5.") == (None, "not measured")


def test_the_report_begins_with_the_verdicts_and_names_every_contender(tmp_path: Path):
    write_report(sample_results(holdfast_cpu=1.9), tmp_path / "benchmarks.md")
    text = (tmp_path / "benchmarks.md").read_text()
    assert text.index("## Targets") < text.index("missed: by 0.10") < text.index("## The run")
    (row,) = [line for line in text.splitlines() if "| holdfast |" in line]
    # The slow round is in the spread, and not in the ratios.
    assert "10,000 (2,500–10,000)" in row
    assert "| 0.95 | 0.76 |" in row
    assert "| +50 |" in row
    pictures = {path.name for path in (tmp_path / "images").iterdir()}
    assert {"bench-select-tcp-cpu.svg", "bench-select-tcp-throughput.svg"} <= pictures
    assert all(f"images/{name}" in text for name in pictures)


def test_the_readme_gets_the_figures_between_its_marks_and_keeps_the_rest(tmp_path: Path):
    file = tmp_path / "README.md"
    file.write_text(f"before\n{BEGIN}\nearlier\n{END}\nafter\n")
    update_readme(sample_results(holdfast_cpu=1.5), file)
    once = file.read_text()
    assert once.startswith("before\n") and once.endswith(f"{END}\nafter\n") and "earlier" not in once
    assert "| pgbench -S, TCP on both sides | 0.75 | 0.60 | 1.11 | 1.25 |" in once
    assert "50 µs through Holdfast, 60 µs through PgBouncer" in once
    update_readme(sample_results(holdfast_cpu=1.5), file)
    assert file.read_text() == once
    file.write_text("no marks")
    with pytest.raises(AssertionError, match="lacks"):
        update_readme(sample_results(holdfast_cpu=1.5), file)


@pytest.mark.parametrize("is_logarithmic", [False, True])
def test_a_chart_has_a_bar_for_each_figure_and_all_of_it_is_inside(is_logarithmic: bool):
    series = {
        "pgbouncer": [Bar(0.5, 0.4, 0.6), Bar(2000, 1500, 4100), None],
        "holdfast": [Bar(1, 1, 1), None, Bar(0, 0, 0)],
    }
    picture = bar_chart("A < B", "s & ms", ["one", "two\nlines", "three"], series, is_logarithmic)
    root = ElementTree.fromstring(picture)
    name = "{http://www.w3.org/2000/svg}"
    bars = [rect for rect in root.iter(f"{name}rect") if rect.find(f"{name}title") is not None]
    assert len(bars) == 4
    _, _, width, height = (float(part) for part in root.attrib["viewBox"].split())
    for bar in bars:
        assert 0 <= float(bar.attrib["x"]) <= width and 0 <= float(bar.attrib["y"]) <= height
        assert float(bar.attrib["height"]) >= 0


def test_a_bar_is_as_high_as_its_value():
    scale = Scale(highest=90, lowest=3, is_logarithmic=False)
    assert scale.height(40) == pytest.approx(2 * scale.height(20))
    logarithmic = Scale(highest=900, lowest=1, is_logarithmic=True)
    assert logarithmic.height(100) == pytest.approx(2 * logarithmic.height(10))
    assert scale.marks[-1] >= 90 and logarithmic.marks[-1] >= 900


def test_figures_of_judging_are_nanoseconds_or_rates():
    printed = "judge pgbench SELECT           140 ns\nlex 100 MB: one literal      5500 ns  18800 MB/s\nother\n"
    assert measurements(printed) == [
        Measurement("judge pgbench SELECT", 140, "ns"), Measurement("lex 100 MB: one literal", 18800, "MB/s"),
    ]  # fmt: skip


# ---- All of it


def suite_command(*arguments: str | Path) -> list[str]:
    return [sys.executable, str(SUITE), "--quick", *(str(part) for part in arguments)]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "Tests" / "EndToEnd"), "TMPDIR": str(folder)}


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder that other users can pass through, with a path short enough for sockets in it."""
    folder = open_folder("hf-bench-")
    yield folder
    shutil.rmtree(folder)


def left_behind(folder: Path) -> list[str]:
    """Files in the folder, and processes that were started with it."""
    found = [path.name for path in folder.iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command:
            found.append(command)
    return found


@pytest.mark.timeout(300)
def test_the_quick_form_finds_every_figure_of_every_scenario(tmp_path: Path, temporary: Path):
    data, text = tmp_path / "data.json", tmp_path / "benchmarks.md"
    ran = subprocess.run(
        suite_command("--json", data, "--markdown", text), env=environment(temporary), stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    results = Results.read(data)
    assert results.is_quick and not results.failures
    assert {"select-tcp", "tpcb-tcp", "tls-both", "pipeline", "connect", "ddl", "bulk"} <= set(results.groups())
    assert "nothing here is a measurement" in text.read_text()
    assert left_behind(temporary) == []


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_broken_off_leaves_nothing_behind(sign: signal.Signals, tmp_path: Path, temporary: Path):
    process = subprocess.Popen(
        suite_command("--scenarios", "select-tcp", "--json", tmp_path / "data.json"), env=environment(temporary),
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr
    for line in process.stderr:
        if " holdfast: " in line:
            break
    process.send_signal(sign)
    rest = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + sign, rest
    assert left_behind(temporary) == []
