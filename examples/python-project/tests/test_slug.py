"""What a slug promises."""

import sys
import tempfile
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from slug import slug  # noqa: E402


class Slug(unittest.TestCase):
    def test_words_are_joined_by_dashes(self):
        self.assertEqual(slug("Hello, World!"), "hello-world")

    def test_accents_are_folded(self):
        self.assertEqual(slug("Crème brûlée"), "creme-brulee")

    def test_a_long_title_ends_at_a_word(self):
        self.assertEqual(slug("one two three", longest=8), "one-two")

    def test_nothing_left_is_empty(self):
        self.assertEqual(slug("!!!"), "")

    def test_it_is_the_same_from_many_threads(self):
        found = []
        threads = [threading.Thread(target=lambda: found.append(slug("A b"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, ["a-b"] * 8)

    def test_the_sandbox_has_a_place_for_scratch_files(self):
        with tempfile.NamedTemporaryFile("w+") as scratch:
            scratch.write(slug("scratch file"))
            scratch.seek(0)
            self.assertEqual(scratch.read(), "scratch-file")


if __name__ == "__main__":
    unittest.main()
