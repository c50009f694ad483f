# Runs before every script: see python.go.
import fcntl, json, os, select, signal, sys

# A module beside the working directory, or there by accident, must not stand in for the
# one that is installed.
sys.path[:] = [p for p in sys.path if p]

# Libraries print where they like; the answer has a pipe of its own.
_answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

# The kernel sends SIGIO, which ends the process, when the other end of stdin is gone: a
# compiler must not go on when latlab was killed. A thread that waits for it was tried: it
# does not run while the compiler holds the interpreter's lock.
signal.signal(signal.SIGIO, signal.SIG_DFL)
fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
if select.select([0], [], [], 0)[0]:
    os._exit(1)


def answer(value):
    json.dump(value, _answer)
    _answer.write("\n")
    _answer.flush()


def installed(*names):
    """Versions of the packages, None for those that are not installed."""
    from importlib import metadata

    def version(name):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None

    return {n: version(n) for n in names}
