"""The numbers that describe a pool, each coded by an adaptive binary range coder: small ones cost a fraction of a byte.

A number is cut into binary decisions; each decision has a context, and each context learns how often it was a 1. The
coder is the carry-propagating one of LZMA with probabilities of 12 bits that move fast at first and slower later.

Reference:
    Martin, "Range encoding: an algorithm for removing redundancy from a digitised message", 1979.
"""

from enum import IntEnum

from tfcompress.errors import FormatError

_HALF = 1 << 11
_WHOLE_BITS = 12
_SMALLEST_RANGE = 1 << 24
_MASK = (1 << 32) - 1
_SLOWEST_SHIFT = 5
_LEARNED_BITS = 3  # below the leading bit of a number; the others are close to random
LARGEST_NUMBER = (1 << 40) - 2
MOST_NUMBERS = 1 << 20  # of one pool: reading them takes a few seconds at most


class Family(IntEnum):
    """What a number is about; numbers of one family share their contexts."""

    STRUCTURE = 0
    LENGTH = 1
    RUN = 2
    CODEBOOK = 3
    CLASS = 4
    WEIGHT = 5
    WEIGHT_CHANGE = 6
    CODE_LENGTH = 7


class SideWriter:
    """Codes numbers into bytes; `finish` gives them, and `count` says how many they are."""

    def __init__(self) -> None:
        self._contexts: dict[int, list[int]] = {}
        self._low, self._range, self._held, self._pending = 0, _MASK, 0, 1
        self._out = bytearray()
        self.count = 0

    def number(self, family: Family, value: int) -> None:
        """Codes 0 <= value <= LARGEST_NUMBER."""
        self.count += 1
        bits = (value + 1).bit_length() - 1
        for place in range(bits):
            self._bit(_length_context(family, place), 1)
        self._bit(_length_context(family, bits), 0)
        for place in reversed(range(bits)):
            bit = (value + 1) >> place & 1
            if bits - place <= _LEARNED_BITS:
                self._bit(_value_context(family, bits, (value + 1) >> place + 1), bit)
            else:
                self._range >>= 1
                self._low += self._range * bit
                self._shift()

    def signed(self, family: Family, value: int) -> None:
        """Codes a number that may be negative: 0, -1, 1, -2, ... become 0, 1, 2, 3, ..."""
        self.number(family, 2 * value if value >= 0 else -2 * value - 1)

    def finish(self) -> bytes:
        """All bytes; up to four zeros at the end are left out, because the reader takes them as given."""
        for zeros in (24, 16, 8, 0):  # the roundest number in the range that is left
            rounded = (self._low + self._range - 1) >> zeros << zeros
            if rounded >= self._low:
                break
        self._low, self._range = rounded, 1 << 32
        for _ in range(5):
            self._emit()
        whole = bytes(self._out[1:])  # the first byte is always 0
        end = len(whole)
        while end > max(len(whole) - 4, 1) and whole[end - 1] == 0:
            end -= 1
        return whole[:end]

    def _bit(self, context: int, bit: int) -> None:
        state = self._contexts.setdefault(context, [_HALF, 0])
        state[1] = shift = min(state[1] + 1, _SLOWEST_SHIFT)
        bound = (self._range >> _WHOLE_BITS) * state[0]
        if bit:
            self._low += bound
            self._range -= bound
            state[0] -= state[0] >> shift
        else:
            self._range = bound
            state[0] += (1 << _WHOLE_BITS) - state[0] >> shift
        self._shift()

    def _shift(self) -> None:
        while self._range < _SMALLEST_RANGE:
            self._range <<= 8
            self._emit()

    def _emit(self) -> None:
        """Moves the top byte of `low` out; bytes of 255 wait for a carry."""
        if self._low < 0xFF000000 or self._low > _MASK:
            carry = self._low >> 32
            self._out.append(self._held + carry & 255)
            self._out += bytes([255 + carry & 255]) * (self._pending - 1)
            self._pending, self._held = 0, self._low >> 24 & 255
        self._pending += 1
        self._low = (self._low & 0x00FFFFFF) << 8


class SideReader:
    """Reads the numbers back.

    Args:
        data: What `SideWriter.finish` gave.
        name: The file's name, for messages.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._contexts: dict[int, list[int]] = {}
        self.size = len(data)
        self._data, self._position, self._name = data + bytes(4), 4, name
        self._code, self._range = int.from_bytes(self._data[:4], "big"), _MASK
        self._left = MOST_NUMBERS

    def number(self, family: Family, largest: int = LARGEST_NUMBER) -> int:
        """The next number.

        Raises:
            FormatError: It is larger than `largest`, or the numbers have come to their end.
        """
        bits = 0
        self._left -= 1
        if self._left < 0:
            raise self.damaged(f"it describes itself in more than {MOST_NUMBERS:,} numbers")
        while self._bit(_length_context(family, bits)):
            bits += 1
            if bits > 40:
                raise self.damaged("a number is too long")
        value = 1
        for place in range(bits):
            if place < _LEARNED_BITS:
                bit = self._bit(_value_context(family, bits, value))
            else:
                self._range >>= 1
                bit = int(self._code >= self._range)
                self._code -= self._range * bit
                self._shift()
            value = 2 * value + bit
        if value - 1 > largest:
            raise self.damaged(f"{value - 1:,} stands where at most {largest:,} is possible")
        return value - 1

    def check_left(self, numbers: int) -> None:
        """Refuses, before room is made for them, more numbers than may still come."""
        if numbers > self._left:
            raise self.damaged(f"it describes itself in more than {MOST_NUMBERS:,} numbers")

    def signed(self, family: Family) -> int:
        """The next number that may be negative."""
        value = self.number(family)
        return value >> 1 if value % 2 == 0 else -(value + 1 >> 1)

    def damaged(self, what: str) -> FormatError:
        """The error for numbers that cannot be."""
        return FormatError(f"{self._name} is damaged: {what}. Copy it again, or pack the .tflite again.")

    def _bit(self, context: int) -> int:
        """The next decision; written out in one piece, because most of a small file's time is spent here."""
        state = self._contexts.get(context)
        if state is None:
            state = self._contexts[context] = [_HALF, 0]
        zero, shift = state
        if shift < _SLOWEST_SHIFT:
            shift = state[1] = shift + 1
        bound = (self._range >> _WHOLE_BITS) * zero
        if self._code < bound:
            bit, self._range = 0, bound
            state[0] = zero + ((1 << _WHOLE_BITS) - zero >> shift)
        else:
            bit = 1
            self._code -= bound
            self._range -= bound
            state[0] = zero - (zero >> shift)
        if self._range < _SMALLEST_RANGE:
            self._shift()
        return bit

    def _shift(self) -> None:
        while self._range < _SMALLEST_RANGE:
            if self._position >= len(self._data):
                raise self.damaged("it ends within its description")
            self._range <<= 8
            self._code = self._code << 8 | self._data[self._position]
            self._position += 1


def _length_context(family: Family, place: int) -> int:
    return family << 16 | place


def _value_context(family: Family, bits: int, prefix: int) -> int:
    return family << 16 | 1 << 12 | bits << 4 | prefix
