"""Where several processes train, the first one alone writes for TensorBoard."""

import event_files
import pytest
import ranks


@pytest.mark.long
def test_one_process_writes(tmp_path):
    pytest.importorskip('tensorboardX')
    first, second = ranks.run(2, 'split_boards', ['board'], tmp_path)
    assert isinstance(first['board'], list), first['board']
    for run, start in (('training', ''), ('validation', 'valid_')):
        (file,) = (tmp_path / 'board' / 'runs' / run).iterdir()
        losses = event_files.read(file.parent)['loss']
        for history in (first['board'], second['board']):
            assert event_files.same(losses, [record[f'{start}loss'] for record in history])
