"""Event files of TensorBoard, read with the messages and checksums of tensorboardX."""

import struct
from collections import defaultdict
from pathlib import Path

import numpy as np


def events(path):
    """Yield the events of a file."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    content = Path(path).read_bytes()
    while content:
        (n,), (crc,) = struct.unpack('<Q', content[:8]), struct.unpack('<I', content[8:12])
        assert crc == masked_crc32c(content[:8])
        data, (crc,) = content[12 : 12 + n], struct.unpack('<I', content[12 + n : 16 + n])
        assert crc == masked_crc32c(data)
        yield Event.FromString(data)
        content = content[16 + n :]


def read(folder):
    """Return what a viewer shows of a run, {tag: {step: value}}: newer files replace steps."""
    found = defaultdict(dict)
    for path in sorted(Path(folder).iterdir()):
        first, second, *others = events(path)
        assert first.file_version == 'brain.Event:2'
        assert second.session_log.status == 1  # start
        for values in found.values():
            for step in [step for step in values if step >= second.step]:
                del values[step]
        for event in others:
            (value,) = event.summary.value
            kind = value.WhichOneof('value')
            content = {'simple_value': lambda v: v.simple_value, 'histo': lambda v: v.histo}
            content['tensor'] = lambda v: v.tensor.string_val[0].decode()
            found[value.tag][event.step] = content[kind](value)
    return dict(found)


def same(values, column):
    """Return whether the values of a run are those of a column of a history, from step 1 on."""
    expected = {k: np.float32(v) for k, v in enumerate(column, 1) if v is not None}
    np.testing.assert_equal({k: np.float32(v) for k, v in values.items()}, expected)
    return True
