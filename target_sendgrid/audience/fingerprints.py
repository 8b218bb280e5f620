"""Fingerprints: keyed hashes by which a snapshot knows people and contacts, and a compact table of them.

Without the key nobody can test whether somebody is in a file of such hashes, not even with a list of all addresses.
"""

from __future__ import annotations

import hashlib
import hmac
from array import array
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_CONTACT_BYTES = 12
_unpack_contact = Struct("<qI").unpack
_PLACE_BITS = 0x7FFF_FFFF
"""Of the 32 bits that say where a fingerprint is in the table, SQLite stores 31 in four bytes."""


class Fingerprint(NamedTuple):
    """What is remembered of a contact: 95 bits."""

    value: int
    """What is compared."""
    place: int
    """Where the comparison begins."""

    def on(self, other: Fingerprint) -> Fingerprint:
        """Return the fingerprint of two things together, such as of a contact on a list."""
        return Fingerprint(self.value ^ other.value, self.place ^ other.place)


class Hashes:
    """Makes keyed hashes.

    Args:
        secret: The key.
    """

    def __init__(self, secret: bytes) -> None:
        # One byte more than the key, so that a copy has hashed the block of the key already.
        self._contact = hashlib.blake2b(b"\0", digest_size=_CONTACT_BYTES, key=secret, person=b"contact")
        self._list = hashlib.blake2b(digest_size=_CONTACT_BYTES, key=secret, person=b"list")
        self._key = hashlib.blake2b(b"\0", digest_size=8, key=secret, person=b"person")
        self.check_value = hashlib.blake2b(digest_size=16, key=secret, person=b"check").digest()
        """What a file keeps to notice another key. Nobody can conclude the key from it."""

    @classmethod
    def of(cls, api_key: str, salt: bytes) -> Hashes:
        """Return the hashes of an account and a file.

        An API key is as random as a key can be, so that one step makes another key of it.

        Args:
            api_key: The key of the account.
            salt: What the file holds, so that hashes of two files show nothing about each other.
        """
        return cls(hmac.digest(api_key.encode(), b"target-sendgrid snapshot" + salt, "sha256"))

    def contact(self, encoded: bytes) -> Fingerprint:
        """Return the fingerprint of a contact, whatever list it is for."""
        hashed = self._contact.copy()
        hashed.update(encoded)
        value, place = _unpack_contact(hashed.digest())
        return Fingerprint(value, place & _PLACE_BITS)

    def list(self, list_id: str) -> Fingerprint:
        """Return the fingerprint of a list, to be joined to that of a contact."""
        hashed = self._list.copy()
        hashed.update(list_id.encode())
        value, place = _unpack_contact(hashed.digest())
        return Fingerprint(value, place & _PLACE_BITS)

    def key(self, key: str) -> int:
        """Return a hash of 64 bits of an identifier.

        Of ten million people, the probability that any two have the same is 3 in a million. Both are then sent again.
        """
        hashed = self._key.copy()
        hashed.update(key.encode(errors="surrogatepass"))
        return int.from_bytes(hashed.digest(), "little", signed=True)

    def tester(self, table: FingerprintTable, list_id: str) -> Callable[[bytes], bool]:
        """Return a function that says whether a contact is in a table for a list.

        Every record of a run calls it, so that it calls no function of ours.
        """
        copy, unpack, values, size = self._contact.copy, _unpack_contact, table.values, len(table.values)
        list_value, list_place = self.list(list_id)

        def holds(encoded: bytes) -> bool:
            hashed = copy()
            hashed.update(encoded)
            value, place = unpack(hashed.digest())
            value ^= list_value
            index = ((place & _PLACE_BITS) ^ list_place) % size
            while found := values[index]:
                if found == value:
                    return True
                index += 1
                if index == size:
                    index = 0
            return False

        return holds


class FingerprintTable:
    """A set of fingerprints that is filled once: 12 bytes for each, and the fastest look-up that plain Python has.

    It is a hash table with open addresses. A look-up compares about three values of 64 bits that are near its place: a
    contact that was never added is found about once in 10**18 look-ups, however many are in the table.

    Args:
        count: Number of fingerprints.
        rows: Value and place of each.
    """

    def __init__(self, count: int, rows: Iterable[tuple[int, int]] = ()) -> None:
        self.count = count
        size = count + count // 2 + 1
        self.values = values = array("q", bytes(8 * size))
        for value, place in rows:
            index = place % size
            while values[index]:
                index += 1
                if index == size:
                    index = 0
            values[index] = value
