from finai_rl.report.search.search_record import SearchRecord
from finai_rl.report.search.wording import beyond_text
from tests.report.search.trials import trial


def test_limits_leave_out_only_what_is_far_worse():
    values = [1.0, 1.1, 1.2, 1.3, -500.0, 400.0]
    trials = [trial(n, value) for n, value in enumerate(values)]
    record = SearchRecord.of(trials, "x", "maximize", "t")
    low, high = record.limits
    assert high == 400
    assert -500 < low < 1
    assert beyond_text(record).startswith("1 trial is below ")
    assert record.best.number == 5
    record = SearchRecord.of(trials, "x", "minimize", "t")
    assert record.limits[0] == -500
    assert record.best.number == 4
