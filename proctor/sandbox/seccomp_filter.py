"""The system calls that programs in a sandbox don't get, by name, with the reason; compiled by libseccomp.

Everything else is allowed: numeric libraries use much of the kernel, and the list below is what lends rights, reaches
other processes or the machine, or holds memory that belongs to no process and that nobody would count.
"""

from __future__ import annotations

import errno
import functools
import mmap
import os
import socket
import tempfile
from typing import Any, NamedTuple

from proctor.errors import ProctorError

INSTALL = (
    "install it: apt install libseccomp2 (Debian, Ubuntu), dnf install libseccomp (Fedora), and "
    "pip install pyseccomp, which comes with this package"
)
REFUSED = errno.EPERM

_MOUNTS = "changes what is mounted"
_ROOT = "an administrator's, and much code of the kernel"
_OTHERS = "reads or steers other processes"
_KEYS = "keyrings are shared with everybody of the same user"
_OLD = "long gone, and needed by nothing"
_RING = "system calls that no filter sees"
_UNCOUNTED = "memory that belongs to no process"
_QUEUES = "queues in the kernel's memory"

CALLS: dict[str, str] = {
    "unshare": "a namespace of its own brings all capabilities in it",
    "setns": "joins another namespace",
    **dict.fromkeys(("mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "mount_setattr"), _MOUNTS),
    **dict.fromkeys(("fsopen", "fsconfig", "fsmount", "fspick"), _MOUNTS),
    **dict.fromkeys(("keyctl", "add_key", "request_key"), _KEYS),
    **dict.fromkeys(("io_uring_setup", "io_uring_enter", "io_uring_register"), _RING),
    "bpf": "programs in the kernel",
    "perf_event_open": "watches other programs and the kernel",
    "userfaultfd": "holds the kernel in the middle of a copy, on which many exploits rest",
    **dict.fromkeys(("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise"), _OTHERS),
    **dict.fromkeys(("kcmp", "pidfd_getfd"), _OTHERS),
    "vmsplice": "lends pages to pipes, which has been an exploit more than once",
    "memfd_create": f"{_UNCOUNTED}; torch and multiprocessing use /dev/shm",
    "memfd_secret": f"{_UNCOUNTED}",
    **dict.fromkeys(("shmget", "shmat", "shmctl"), f"{_UNCOUNTED}; torch and multiprocessing use /dev/shm"),
    **dict.fromkeys(("msgget", "semget", "mq_open"), _QUEUES),
    **dict.fromkeys(("fanotify_init", "fanotify_mark"), "watches whole file systems"),
    "open_by_handle_at": "opens files past all folders",
    **dict.fromkeys(("quotactl", "quotactl_fd", "acct", "swapon", "swapoff", "reboot", "vhangup"), _ROOT),
    **dict.fromkeys(("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module"), _ROOT),
    **dict.fromkeys(("clock_settime", "settimeofday", "clock_adjtime", "adjtimex"), _ROOT),
    **dict.fromkeys(("sethostname", "setdomainname", "iopl", "ioperm"), _ROOT),
    "syslog": "the kernel's log, with addresses",
    "modify_ldt": "segments for programs of 1990, and code of the kernel that nobody looks at",
    **dict.fromkeys(("move_pages", "migrate_pages"), _OTHERS),
    **dict.fromkeys(("uselib", "_sysctl", "nfsservctl", "vserver", "lookup_dcookie", "sysfs", "ustat"), _OLD),
    **dict.fromkeys(("create_module", "get_kernel_syms", "query_module"), _OLD),
}

# For a library these don't exist, and it falls back to what it did before they were invented.
MISSING: dict[str, str] = {
    "clone3": "its flags lie in memory, where no filter can see them; libraries fall back to clone",
}
# What the kernel gets after this list was written isn't there. Since 424 numbers are the same on all machines.
FIRST_NEW_CALL = 457
_LAST_NEW_CALL = 1023

_BINARY_TREE = 2
_INT = 0xFFFF_FFFF
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_MAP_TYPE, _MAP_HUGETLB = 0x0F, 0x40000
_CURRENT_PERSONALITY = 0xFFFF_FFFF
_ONE_PROCESS = {"setpriority": 0, "ioprio_set": 1}
_OF_A_PROCESS = ("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr")
_MADV_COLLAPSE = 25
# By name: bit of clone's flags.
NAMESPACES = {
    "CLONE_NEWTIME": 0x80,
    "CLONE_NEWNS": 0x20000,
    "CLONE_NEWCGROUP": 0x2000000,
    "CLONE_NEWUTS": 0x4000000,
    "CLONE_NEWIPC": 0x8000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
}


class Case(NamedTuple):
    """A call that is refused for some of its arguments.

    Attributes:
        call: its name.
        conditions: number of the argument, mask (None: any other value than this one), value; all must hold.
        why: the reason.
    """

    call: str
    conditions: tuple[tuple[int, int | None, int], ...]
    why: str


CASES: dict[str, Case] = {
    # CLONE_NEWTIME shares its bit with the signal that clone's caller gets, and is for clone3 and unshare only.
    **{
        f"clone {name}": Case("clone", ((0, bit, bit),), CALLS["unshare"])
        for name, bit in NAMESPACES.items()
        if bit > 0xFF
    },
    "socket not of this machine": Case(
        "socket", ((0, None, socket.AF_UNIX),), "there is no network; netlink, packet, vsock and alg reach the kernel"
    ),
    "socketpair not of this machine": Case("socketpair", ((0, None, socket.AF_UNIX),), "loads odd protocols"),
    # An int in the kernel: its upper half must not hide it.
    "ioctl TIOCSTI": Case("ioctl", ((1, _INT, _TIOCSTI),), "types into a terminal"),
    "ioctl TIOCLINUX": Case("ioctl", ((1, _INT, _TIOCLINUX),), "types into a console"),
    # Of the same user, so that no right is needed; a warm process would hand it on to all later forks.
    **{f"{name} of another": Case(name, ((0, None, 0),), _OTHERS) for name in _OF_A_PROCESS},
    **{f"{name} of another": Case(name, ((1, None, 0),), _OTHERS) for name in _ONE_PROCESS},
    **{f"{name} of many": Case(name, ((0, None, kind),), _OTHERS) for name, kind in _ONE_PROCESS.items()},
    "prlimit64 of another": Case("prlimit64", ((0, None, 0), (2, None, 0)), _OTHERS),
    "personality": Case(
        "personality", ((0, None, _CURRENT_PERSONALITY),), "switches off the random order of addresses"
    ),
    "mmap shared anonymous": Case(
        "mmap",
        ((3, _MAP_TYPE | mmap.MAP_ANONYMOUS, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS),),
        f"{_UNCOUNTED}, once nobody has it mapped",
    ),
    "madvise collapse": Case(
        "madvise", ((2, _INT, _MADV_COLLAPSE),), "makes shared pages a process's own with no sign of it that is counted"
    ),
    "mmap huge": Case("mmap", ((3, _MAP_HUGETLB, _MAP_HUGETLB),), "takes from the machine's pool of huge pages"),
    **{
        f"setsockopt {name}": Case(
            "setsockopt",
            ((1, _INT, socket.SOL_SOCKET), (2, _INT, number)),
            "buffers keep the size with which their memory is counted",
        )
        for name, number in (("SO_SNDBUF", socket.SO_SNDBUF), ("SO_SNDBUFFORCE", 32))
    },
}


@functools.cache
def program() -> bytes:
    """The filter as bubblewrap takes it (instructions of classic BPF for this machine).

    Raises:
        ProctorError: libseccomp or its binding is missing.
    """
    rules = _library()
    made = rules.SyscallFilter(rules.ALLOW)
    refused, missing = rules.ERRNO(REFUSED), rules.ERRNO(errno.ENOSYS)
    # Other architectures that the processor knows (i386, x32) have other numbers for the same calls.
    made.set_attr(rules.Attr.ACT_BADARCH, refused)
    made.set_attr(rules.Attr.CTL_OPTIMIZE, _BINARY_TREE)
    for name in CALLS:
        _add(rules, made, refused, name)
    for name in MISSING:
        _add(rules, made, missing, name)
    for case in CASES.values():
        conditions = [
            rules.Arg(number, rules.NE, value) if mask is None else rules.Arg(number, rules.MASKED_EQ, mask, value)
            for number, mask, value in case.conditions
        ]
        _add(rules, made, refused, case.call, *conditions)
    for number in range(FIRST_NEW_CALL, _LAST_NEW_CALL + 1):
        made.add_rule(missing, number)
    with tempfile.TemporaryFile() as file:
        made.export_bpf(file)
        file.seek(0)
        return file.read()


def call_number(name: str) -> int | None:
    """Number of a call on this machine; None where there is none of this name.

    Raises:
        ProctorError: as for `program`.
    """
    rules = _library()
    number = rules.resolve_syscall(rules.Arch.NATIVE, name)
    return number if number >= 0 else None


def _add(rules: Any, made: Any, action: int, name: str, *conditions: Any) -> None:
    number = call_number(name)
    if number is not None:
        made.add_rule(action, number, *conditions)


def _library() -> Any:
    # Looks for the library with a program of the system's that not everybody's path has.
    path = os.environ.get("PATH", os.defpath)
    try:
        os.environ["PATH"] = f"{path}:/usr/sbin:/sbin"
        import pyseccomp
    except (ImportError, RuntimeError, OSError) as error:
        raise ProctorError(f"grading needs libseccomp, which can't be used here ({error}); {INSTALL}") from error
    finally:
        os.environ["PATH"] = path
    return pyseccomp
