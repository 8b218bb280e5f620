"""Fingerprints: keyed hashes by which a snapshot knows people and contacts, and compact tables of them.

Without the key nobody can test whether somebody is in a file of such hashes, not even with a list of all addresses.
"""

from __future__ import annotations

import hashlib
import hmac
from array import array
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_unpack_from = Struct("<qi").unpack_from
"""Returns value and place of a fingerprint, from the first 12 bytes of a hash."""


class Hashes:
    """Makes keyed hashes: SHA-256 of a block that is the key, and of the text, as inside HMAC.

    Most processors have instructions for it, which make it the fastest of the hashes that Python has.

    Args:
        api_key: The key of the account. It is as random as a key can be, so that one step makes other keys of it.
        salt: What the file holds, so that hashes of two files show nothing about each other.
    """

    def __init__(self, api_key: str, salt: bytes) -> None:
        def keyed(purpose: bytes) -> hashlib._Hash:
            return hashlib.sha256(hmac.digest(api_key.encode(), purpose + salt, "sha512"))

        self._contact, self._key = keyed(b"contact"), keyed(b"person")
        self.check_value = keyed(b"check").digest()
        """What a file keeps to notice another key. Nobody can conclude a key from it."""

    def contact(self, encoded: bytes) -> tuple[int, int]:
        """Return the fingerprint of a contact: a value, which is compared, and the place where comparing begins."""
        hashed = self._contact.copy()
        hashed.update(encoded)
        value, place = _unpack_from(hashed.digest())
        return value, place

    def key(self, key: str) -> int:
        """Return a hash of 64 bits of an identifier.

        Of ten million people, the probability that any two have the same is 3 in a million. Both are then sent again.
        """
        hashed = self._key.copy()
        hashed.update(key.encode(errors="surrogatepass"))
        value: int = _unpack_from(hashed.digest())[0]
        return value

    def tester(self, values: array[int]) -> Callable[[bytes], bool]:
        """Return a function that says whether the fingerprint of a contact is in a table.

        Every record of a run calls it, so that it calls no function of ours.
        """
        copy, unpack_from, size = self._contact.copy, _unpack_from, len(values)

        def holds(encoded: bytes) -> bool:
            hashed = copy()
            hashed.update(encoded)
            value, place = unpack_from(hashed.digest())
            index = place % size
            while found := values[index]:
                if found == value:
                    return True
                index += 1
                if index == size:
                    index = 0
            return False

        return holds


def tables(counts: Mapping[int, int], rows: Iterable[tuple[int, int, int]]) -> dict[int, array[int]]:
    """Return a table of fingerprints for each list: 12 bytes for each, and the fastest look-up that plain Python has.

    It is a hash table with open addresses. A look-up compares about three values of 64 bits that are near its place: a
    contact that was never added is found about once in 10**18 look-ups, however many are in the table.

    Args:
        counts: Number of fingerprints of each list.
        rows: List, value and place of each fingerprint.
    """
    made = {number: array("q", bytes(8 * (count + count // 2 + 1))) for number, count in counts.items()}
    last, values, size = None, array("q"), 0
    for number, value, place in rows:
        if number != last:
            last, values = number, made[number]
            size = len(values)
        index = place % size
        while values[index]:
            index += 1
            if index == size:
                index = 0
        values[index] = value
    return made
