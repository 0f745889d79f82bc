"""Turns titles into identifiers for addresses."""

import re
import unicodedata


def slug(title: str, longest: int = 60) -> str:
    """Lower-case ASCII words of `title`, joined by single dashes, at most `longest` characters."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode("ascii")
    words = re.findall(r"[a-z0-9]+", plain.lower())
    result = ""
    for word in words:
        joined = f"{result}-{word}" if result else word
        if len(joined) > longest:
            break
        result = joined
    return result
