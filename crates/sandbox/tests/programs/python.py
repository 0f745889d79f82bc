# Threads, processes with every kind of lock, a virtual environment and a test run; prints `ok`.
import concurrent.futures, ctypes, multiprocessing, os, subprocess, sys, tempfile, threading, venv
import asyncio, queue, sqlite3, ssl, json, socket, zipfile, lzma, hashlib, decimal, uuid, zoneinfo


def work(number, lock, semaphore, total, events, results):
    with semaphore:
        with lock:
            total.value += number
    events.wait(30)
    results.put(number)


def processes(method):
    context = multiprocessing.get_context(method)
    lock, semaphore = context.Lock(), context.Semaphore(2)
    total, event, results = context.Value("i", 0), context.Event(), context.Queue()
    arguments = (lock, semaphore, total, event, results)
    started = [context.Process(target=work, args=(n, *arguments)) for n in range(4)]
    [process.start() for process in started]
    event.set()
    assert sorted(results.get(timeout=60) for _ in started) == [0, 1, 2, 3]
    [process.join() for process in started]
    assert total.value == 6 and all(process.exitcode == 0 for process in started)
    with context.Pool(3) as pool:
        assert sum(pool.imap_unordered(abs, range(-10, 10), chunksize=3)) == 100
    shared = multiprocessing.shared_memory.SharedMemory(create=True, size=100)
    shared.buf[:2] = b"hi"
    shared.close()
    shared.unlink()


def threads():
    many, barrier = queue.Queue(), threading.Barrier(8)
    started = [threading.Thread(target=lambda: (barrier.wait(), many.put(1))) for _ in range(8)]
    [thread.start() for thread in started]
    [thread.join() for thread in started]
    assert many.qsize() == 8
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(str, range(3))) == ["0", "1", "2"]


async def waiting():
    async with asyncio.timeout(60):
        process = await asyncio.create_subprocess_shell("cat", stdin=-1, stdout=-1)
        output = (await process.communicate(b"x"))[0]
        return output, await asyncio.to_thread(os.getpid)


def environment():
    folder = tempfile.mkdtemp()
    venv.create(folder, with_pip=True)
    python = os.path.join(folder, "bin", "python")
    code = "import sys; print(sys.prefix != sys.base_prefix)"
    assert subprocess.check_output([python, "-c", code]) == b"True\n"
    assert b"pip" in subprocess.check_output([python, "-m", "pip", "--version"])


def tests():
    with open("test_it.py", "w") as file:
        file.write("import unittest\nclass T(unittest.TestCase):\n    def test(self): pass\n")
    subprocess.run([sys.executable, "-m", "unittest", "-q"], check=True, capture_output=True)


if __name__ == "__main__":
    import multiprocessing.shared_memory
    threads()
    for method in ("fork", "spawn", "forkserver"):
        processes(method)
    assert asyncio.run(waiting())[0] == b"x"
    environment()
    tests()
    connection = sqlite3.connect("data.db")
    connection.execute("create table t(x)")
    assert ctypes.CDLL(None).getpid() == os.getpid()
    print("ok")
