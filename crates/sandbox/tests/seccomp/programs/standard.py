# Threads, processes, sockets, terminals and files of the standard library; prints `ok`.
import asyncio, concurrent.futures, fcntl, mmap, multiprocessing, os, pty, shutil, signal
import socket, sqlite3, subprocess, tempfile, threading


def square(x):
    return x * x


def processes():
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]
        with context.Manager() as manager:
            assert manager.list([1])[0] == 1
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        assert list(pool.map(square, [3])) == [9]
    assert subprocess.run(["echo", "x"], capture_output=True).stdout == b"x\n"
    assert subprocess.run("exit 3", shell=True, start_new_session=True).returncode == 3


def threads():
    out = []
    started = [threading.Thread(target=out.append, args=(i,)) for i in range(8)]
    [thread.start() for thread in started]
    [thread.join() for thread in started]
    assert sorted(out) == list(range(8))


async def child():
    process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    return (await process.communicate(b"async"))[0]


def sockets():
    server = socket.socket(socket.AF_UNIX)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind("s")
    server.listen()
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(5)
    client.connect("s")
    server.accept()[0].sendall(b"hi")
    assert client.recv(2) == b"hi"
    try:
        socket.socket(socket.AF_INET)
    except OSError as error:
        assert error.errno == 97, error
    else:
        raise SystemExit("an internet socket was created")


def files():
    connection = sqlite3.connect("d")
    connection.execute("pragma journal_mode=wal")
    connection.execute("create table t(x)")
    connection.commit()
    connection.close()
    shutil.copy2("d", "e")
    shutil.rmtree(tempfile.mkdtemp(dir="."))
    with open("d", "r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        mmap.mmap(file.fileno(), 0).flush()
        os.fsync(file)
        os.posix_fallocate(file.fileno(), 0, 10)
    master, slave = pty.openpty()
    assert os.isatty(slave) and os.ttyname(slave)


def system():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    assert signal.sigtimedwait([signal.SIGALRM], 5)
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    os.nice(1)
    os.close(os.pidfd_open(os.getpid()))
    os.close(os.memfd_create("m"))
    os.statvfs(".")


if __name__ == "__main__":
    threads()
    processes()
    assert asyncio.run(child()) == b"async"
    sockets()
    files()
    system()
    print("ok")
