"""Choosing a device, and saying who chose it; without a GPU, the machine is simulated."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rlplay import device as module
from rlplay.device import (
    available_cores,
    available_devices,
    choose_device,
    choose_num_threads,
    choose_precision,
    describe_device,
    get_device,
    get_device_info,
    get_global_device,
    has_native_bfloat16,
    set_global_device,
)
from rlplay.device import explain_out_of_memory as explained
from rlplay.errors import ConfigError, DeviceError, OutOfMemory


@pytest.fixture(autouse=True)
def untouched(monkeypatch):
    """Give each test a process in which nobody has chosen yet."""
    monkeypatch.delenv("FORCE_DEVICE", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(module, "_global_device", None)


@pytest.fixture
def machine(monkeypatch):
    """Give a function that pretends which GPUs there are."""

    def pretend(*, mps=False, cuda=False):
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)

    return pretend


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        ({}, "cpu"),
        ({"cuda": True}, "cuda"),
        ({"mps": True}, "mps"),
        ({"mps": True, "cuda": True}, "mps"),
    ],
)
def test_the_machine_decides_when_nobody_else_does(machine, gpus, expected):
    machine(**gpus)
    assert choose_device() == (torch.device(expected), "automatic")


def test_the_first_that_speaks_decides(machine, monkeypatch):
    machine(mps=True, cuda=True)
    set_global_device("cuda")
    assert choose_device("auto") == (torch.device("cuda"), "global")
    assert choose_device("mps") == (torch.device("mps"), "config")
    monkeypatch.setenv("FORCE_DEVICE", "cpu")
    assert choose_device("mps") == (torch.device("cpu"), "FORCE_DEVICE")
    assert get_device("mps") == torch.device("cpu")
    assert get_global_device() == torch.device("cpu")


def test_the_global_device_can_be_taken_back(machine):
    machine(cuda=True)
    set_global_device(torch.device("cpu"))
    assert get_global_device() == torch.device("cpu")
    set_global_device(None)
    assert get_global_device() == torch.device("cuda")


@pytest.mark.parametrize("ask", [get_device, set_global_device])
def test_a_missing_device_is_an_error_that_names_those_there(machine, ask):
    machine(cuda=True)
    with pytest.raises(DeviceError, match=r"mps.*Available: cuda, cpu"):
        ask("mps")
    assert get_global_device() == torch.device("cuda")


def test_a_forced_device_that_is_missing_is_no_silent_fallback(machine, monkeypatch):
    machine()
    monkeypatch.setenv("FORCE_DEVICE", "cuda")
    with pytest.raises(DeviceError, match=r"FORCE_DEVICE asks for cuda.*Available: cpu"):
        get_device("cpu")


def test_a_typo_names_the_nearest_device(machine, monkeypatch):
    machine()
    monkeypatch.setenv("FORCE_DEVICE", "cuad")
    with pytest.raises(DeviceError, match=r"FORCE_DEVICE='cuad'.*cpu, cuda, mps.*'cuda'"):
        get_device()
    monkeypatch.delenv("FORCE_DEVICE")
    with pytest.raises(DeviceError, match=r"'gpu' is no device.*A GPU is cuda .* or mps"):
        get_device("gpu")


def test_force_device_does_not_hide_a_typo_in_the_config(machine, monkeypatch):
    machine()
    monkeypatch.setenv("FORCE_DEVICE", "cpu")
    with pytest.raises(DeviceError, match="'gpu' is no device"):
        get_device("gpu")


@pytest.mark.parametrize("value", ["CPU", " cpu ", "Cpu"])
def test_spelling_of_force_device_is_lenient(machine, monkeypatch, value):
    machine(cuda=True)
    monkeypatch.setenv("FORCE_DEVICE", value)
    assert choose_device() == (torch.device("cpu"), "FORCE_DEVICE")


def test_an_empty_force_device_does_not_speak(machine, monkeypatch):
    machine()
    monkeypatch.setenv("FORCE_DEVICE", "")
    assert choose_device().source == "automatic"


def test_info_of_the_cpu():
    info = get_device_info("cpu")
    assert info["device"] == info["type"] == "cpu"
    assert info["name"]
    assert info["source"] == "config"
    assert info["memory"] is None or info["memory"] > 2**28


def test_info_of_a_gpu(machine, monkeypatch):
    machine(cuda=True)
    properties = SimpleNamespace(name="A chip", total_memory=8 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    assert get_device_info() == {
        "device": "cuda",
        "type": "cuda",
        "name": "A chip",
        "memory": 8 * 2**30,
        "source": "automatic",
    }


def test_a_device_is_described_whoever_is_chosen(machine, monkeypatch):
    machine(cuda=True)
    monkeypatch.setenv("FORCE_DEVICE", "cpu")
    properties = SimpleNamespace(name="A chip", total_memory=8 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    assert describe_device(torch.device("cuda")) == ("A chip", 8 * 2**30)


def test_the_cpu_is_always_there():
    assert available_devices()[-1] == "cpu"


# Cores and threads


def test_cores_and_threads_are_numbers_that_work():
    assert available_cores() >= 1
    assert 1 <= choose_num_threads() <= available_cores()
    assert choose_num_threads(3) == 3
    with pytest.raises(ConfigError, match="num_threads=0"):
        choose_num_threads(0)


def test_affinity_limits_the_cores(monkeypatch):
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda pid: {4, 5, 6}, raising=False)
    monkeypatch.setattr(module, "_cgroup_quota", lambda root: None)
    assert available_cores() == 3


def test_the_quota_limits_the_cores(monkeypatch):
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    for quota, cores in [(2.0, 2), (2.5, 2), (0.5, 1), (64.0, 8)]:
        monkeypatch.setattr(module, "_cgroup_quota", lambda root, quota=quota: quota)
        assert available_cores() == cores


def test_omp_num_threads_lowers_the_automatic_number(monkeypatch):
    monkeypatch.setattr(module, "available_cores", lambda: 16)
    monkeypatch.setattr(module, "_cpu_capabilities", lambda: {"num_physical_cores": 8})
    assert choose_num_threads() == 8
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert choose_num_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert choose_num_threads() == 8
    assert choose_num_threads(12) == 12


def write(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        pytest.param({}, None, id="no control groups"),
        pytest.param(
            {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"},
            None,
            id="v2 without a limit",
        ),
        pytest.param(
            {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"},
            1.5,
            id="v2 in a container",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/user/job\n",
                "sys/fs/cgroup/user/cpu.max": "200000 100000\n",
                "sys/fs/cgroup/user/job/cpu.max": "max 100000\n",
            },
            2.0,
            id="v2, the parent's limit",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/docker/abc\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "400000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            4.0,
            id="v1 in a container",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "1:cpu:/job\n0::/\n",
                "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
            },
            None,
            id="v1 without a limit",
        ),
    ],
)
def test_quota_of_control_groups(tmp_path, files, quota):
    write(tmp_path, files)
    assert module._cgroup_quota(tmp_path) == quota


# Precision


@pytest.mark.parametrize(
    ("capabilities", "acl", "native"),
    [
        ({"avx2": True}, False, False),
        ({"avx512_f": True, "avx512_bf16": False}, False, False),
        ({"avx512_f": True, "avx512_bf16": True}, False, True),
        ({"amx_bf16": True}, False, True),
        ({"bf16": True}, False, False),
        ({"bf16": True}, True, True),
        ({}, False, False),
    ],
)
def test_bfloat16_only_where_the_processor_has_it(monkeypatch, capabilities, acl, native):
    monkeypatch.setattr(module, "_cpu_capabilities", lambda: capabilities)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mkldnn, "is_acl_available", lambda: acl)
    cpu = torch.device("cpu")
    assert has_native_bfloat16(cpu) is native
    assert choose_precision("auto", cpu) == ("bfloat16" if native else "float32")
    assert choose_precision("float32", cpu) == "float32"
    assert choose_precision("bfloat16", cpu) == "bfloat16"


def test_mps_computes_in_float32_unless_told():
    assert choose_precision("auto", torch.device("mps")) == "float32"


def test_an_unknown_precision_names_the_known_ones():
    with pytest.raises(ConfigError, match=r"'bf16' is unknown.*auto, float32, bfloat16"):
        choose_precision("bf16", torch.device("cpu"))


# Out of memory


def run_config(**changes):
    return SimpleNamespace(
        device="auto",
        num_envs=128,
        hyperparams={"batch_size": 512, "learning_rate": 0.1},
        network_config={"layers": [{"units": 192}, {"units": 64}]},
        **changes,
    )


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.0 GB)"),
    ],
)
def test_a_full_gpu_is_explained(machine, error):
    machine(cuda=True)
    with pytest.raises(OutOfMemory, match="batch_size=512") as caught, explained(run_config()):
        raise error
    message = str(caught.value)
    assert "192-64" in message
    assert "num_envs=128" in message
    assert "set FORCE_DEVICE=cpu" in message
    assert "learning_rate" not in message
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "allocate",
    [
        pytest.param(lambda: torch.empty(10**15), id="torch"),
        pytest.param(lambda: np.empty(10**15), id="numpy"),
    ],
)
def test_full_main_memory_is_explained(machine, allocate):
    machine()
    with (
        pytest.raises(OutOfMemory, match="on the CPU already"),
        explained(run_config()),
    ):
        allocate()


def test_other_errors_pass_unchanged():
    with pytest.raises(RuntimeError, match=r"^shapes differ$"), explained(run_config()):
        raise RuntimeError("shapes differ")
